"""Writing files such that they are whole or not there, whatever happens."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path


def seal(content: bytes) -> bytes:
    """Return content preceded by its SHA-256, since a flipped bit would load in silence."""
    return sha256(content).digest() + content


def unseal(sealed: bytes) -> bytes:
    """Return the content that was sealed.

    Raises:
        ValueError: If it isn't what was sealed.
    """
    digest, content = sealed[:32], sealed[32:]
    if sha256(content).digest() != digest:
        raise ValueError("the file is damaged: its SHA-256 differs from the one written with it")
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file such that either the old or the whole new one is there, whatever happens.

    Raises:
        OSError: With the name of the file, if it can't be written.
    """
    write_synced(path, content).replace(path)
    sync_directory(path.parent)


def write_synced(path: Path, content: bytes) -> Path:
    """Write the content that is to replace a file to a temporary one beside it; return its path."""
    temporary = path.with_name(path.name + ".part")
    try:
        with naming(path), temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            temporary.unlink()  # on a full disk, it would take the room of what comes next
        raise
    return temporary


def sync_directory(path: Path) -> None:
    """Make renamings within a directory outlast a power failure."""
    if os.name == "nt":  # which can't open one
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems can't
            raise
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to errors of the system: a write to a full disk raises one without."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def relative(path: Path) -> Path:
    """Return a path as seen from the working directory, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
