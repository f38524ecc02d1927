"""Writing files such that they are whole or not there, whatever happens; reading those that anyone may have written."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from wavesweep.base.errors import Refused, in_short

MOST_BYTES = 1 << 20  # of a configuration or a record: a thousand times what is usual


def fresh_name() -> str:
    """Return a name that nothing else gets, not even in the same second; as `hydra.run.dir` in conf/config.yaml."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{token_hex(2)}"


def read_small(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file that may come from anyone: a plain one of bounded size, no link to elsewhere, no device.

    Raises:
        OSError: If it can't be opened.
        ValueError: If it is none of that kind.
    """
    if path.is_symlink():
        raise ValueError("it must be a file, got a link")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it must be a plain file, got something else")
        if status.st_size > most:
            raise ValueError(f"it must have at most {most} bytes, got {status.st_size}")
        return file.read()


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


def write_yaml(path: Path, values: dict[str, Any]) -> None:
    """Write plain values."""
    import yaml

    write_atomically(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode())


def read_yaml(path: Path) -> dict[str, Any]:
    """Read plain values: no tags, and no aliases, of which a few lines could make more than memory holds.

    Raises:
        Refused: If there are others, or none.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is there
    try:
        text = read_small(path).decode()
        if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            raise ValueError("it must hold plain values, got an alias (*)")
        values = yaml.load(text, loader)  # noqa: S506  both are safe
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Refused(f"{path} is no configuration ({in_short(error)}); restore it") from None
    if not isinstance(values, dict):
        raise Refused(f"{path} is no configuration (it must hold keys and values); restore it")
    return values
