"""Writing files such that they are whole or not there, whatever happens; reading those that anyone may have written."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import Any

from hydra_queue_sweeper.base.errors import Refused, shown

MOST_BYTES = 1 << 20  # of a record: a thousand times what is usual
MOST_CHARACTERS = 255  # of a name
MOST_OF_NAME = 240  # bytes of a directory's name that is chosen: file systems take 255, and names are added to
_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part")


def read_small(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file that may come from anyone; see `open_small`."""
    with open_small(path, most) as file:
        return file.read(most)


def open_small(path: Path, most: int) -> BufferedReader:
    """Open a file that may come from anyone: a plain one of bounded size, no link to elsewhere, no device.

    Raises:
        OSError: If it can't be opened.
        ValueError: If it is none of that kind.
    """
    kind = path.lstat().st_mode
    if not stat.S_ISREG(kind):
        what = "a link" if stat.S_ISLNK(kind) else "something else"
        raise ValueError(f"it must be a plain file, got {what}")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    size = os.fstat(file.fileno()).st_size
    if size > most:
        file.close()
        raise ValueError(f"it must have at most {most} bytes, got {size}")
    return file


def check_plain(place: Path, names: Iterable[str]) -> None:
    """Make sure that what is there to be written to is files and folders: through a link, others would be changed.

    Args:
        place: A directory; how it is reached is its owner's business.
        names: Of files and folders below it, there or not; of folders, with all that they hold.

    Raises:
        Refused: If there is anything else.
    """
    for name in names:
        found = [place / name]
        for folder, below, files in os.walk(place / name):
            found += [Path(folder, one) for one in below + files]
        for path in found:
            if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
                raise Refused(f"{path} must be a file or a folder, got a link or a device; remove it")


def check_length(place: Path) -> None:
    """Refuse a directory that no file system takes, or whose name leaves no room for what is added to it."""
    for name in place.parts:
        if (length := len(os.fsencode(name))) > MOST_OF_NAME:
            problem = f"must have names of at most {MOST_OF_NAME} bytes, got one of {length}"
            raise Refused(f"{shown(str(place))} {problem}; name a shorter one")


def check_empty(place: Path, log: str = "") -> None:
    """Refuse a directory that holds more than a lock, which is an empty file, and a log if it is named."""
    found = set(os.listdir(place)) - {log} if place.exists() else set()  # noqa: PTH208  a set of names
    if ".lock" in found and (place / ".lock").lstat().st_size == 0:
        found.remove(".lock")
    if found:
        raise Refused(f"{place} must be new or empty, got {len(found)} files or folders, as {min(found)}; name another")


def within(place: Path, name: str) -> Path:
    """Return the path of what a stored file names, as seen from the directory that it must lie in.

    Raises:
        Refused: If it lies elsewhere.
    """
    path, named = place / name, Path(name)
    strange = {"..", "${", "\0"} & {*named.parts, *re.findall(r"\$\{|\0", name)}
    if strange or named.is_absolute() or max(map(len, named.parts), default=0) > MOST_CHARACTERS:
        raise Refused(f"{shown(name)} must name a place within {place}")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(place)):  # twice as fast as Path.resolve
        raise Refused(f"{path} must lie within {place}, got a link to elsewhere; remove it")
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file such that either the old or the whole new one is there, whatever happens.

    Raises:
        OSError: With the name of the file, if it can't be written.
    """
    write_synced(path, content).replace(path)
    sync_directory(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file such that it is whole or not there, and replaces nothing.

    Raises:
        FileExistsError: If there is something by that name.
        OSError: With the name of the file, if it can't be written.
    """
    written = write_synced(path, content)
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:  # of a file system that gives a file one name
        with naming(path), path.open("xb") as file:
            file.write(content)
    finally:
        written.unlink()
    sync_directory(path.parent)


def write_synced(path: Path, content: bytes) -> Path:
    """Write the content that is to replace a file to a temporary one beside it; return its path."""
    temporary = path.with_name(f".{path.name}.{token_hex(4)}.part")
    with naming(path), temporary.open("xb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                temporary.unlink()  # on a full disk, it would take the room of what comes next
            raise
    return temporary


def remove_parts(found: Iterable[Path]) -> None:
    """Remove those of some paths that are temporary files, left by a process that was killed as it wrote."""
    for path in found:
        if _PART.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


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
