"""Writing files such that they are whole or not there, whatever happens; reading those that anyone may have written."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import Any

from hydra_queue_sweeper.base.errors import Refused, in_short, shown

MOST_BYTES = 1 << 20  # of a record: a thousand times what is usual
MOST_YAML = 1 << 17  # bytes: fifty times what is usual
MOST_DEPTH = 32  # of groups and lists within each other
MOST_DIGITS = 1000
MOST_CHARACTERS = 255  # of a name
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


def check_empty(place: Path, log: str = "") -> None:
    """Refuse a directory that holds more than a lock, and a log if it is named."""
    found = set(os.listdir(place)) - {log, ".lock"} if place.exists() else set()  # noqa: PTH208  a set of names
    if found:
        raise Refused(f"{place} must be new or empty, got {len(found)} files or folders, as {min(found)}; name another")


def within(place: Path, name: str) -> Path:
    """Return the path of what a stored file names, as seen from the directory that it must lie in.

    Raises:
        Refused: If it lies elsewhere.
    """
    path = place / name
    strange = {"..", "${", "\0"} & {*Path(name).parts, *re.findall(r"\$\{|\0", name)}
    if strange or Path(name).is_absolute() or max(map(len, Path(name).parts), default=0) > MOST_CHARACTERS:
        raise Refused(f"{shown(name)} must name a place within {place}")
    if not path.resolve().is_relative_to(place.resolve()):
        raise Refused(f"{path} must lie within {place}, got a link to elsewhere; remove it")
    return path


def seal(content: bytes) -> bytes:
    """Return content preceded by its SHA-256, since a flipped bit would load in silence."""
    return sha256(content).digest() + content


def read_sealed(path: Path, most: int) -> bytes:
    """Return the content that was sealed and written to a file.

    Raises:
        OSError: If it can't be opened.
        ValueError: If it isn't what was sealed, or more than `most` bytes.
    """
    with open_small(path, most) as file:
        digest = file.read(32)
        if file_digest(file, "sha256").digest() != digest:
            raise ValueError("the file is damaged: its SHA-256 differs from the one written with it")
        file.seek(32)
        return file.read()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file such that either the old or the whole new one is there, whatever happens.

    Raises:
        OSError: With the name of the file, if it can't be written.
    """
    write_synced(path, content).replace(path)
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


def read_yaml(path: Path) -> dict[str, Any]:
    """Read plain values: no tags, and no aliases, of which a few lines could make more than memory holds.

    Raises:
        Refused: If there are others, or none, or the file can't be read.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is there
    try:
        text = read_small(path, MOST_YAML).decode()
        _check_events(yaml.parse(text, loader))
        values = yaml.load(text, loader)  # noqa: S506  both are safe
        for value in leaves(values):
            _check_value(value)
    except OSError as error:
        raise Refused(f"{path} can't be read ({error.strerror}); restore it") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise Refused(f"{path} is no configuration ({in_short(error)}); restore it") from None
    if not isinstance(values, dict):
        raise Refused(f"{path} is no configuration (it must hold keys and values); restore it")
    return values


def _check_events(events: Iterable[Any]) -> None:
    """Refuse what takes more time, memory or stack to load than its length tells."""
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it must hold plain values, got an alias (*)")
        if getattr(event, "tag", None):
            raise ValueError(f"it must hold plain values, got the tag {event.tag}")
        number = isinstance(event, yaml.ScalarEvent) and event.implicit[0] and not event.value.strip("0123456789:_.+-")
        if number and len(event.value) > MOST_DIGITS:  # to base 60, their time is quadratic
            raise ValueError(f"a number must have at most {MOST_DIGITS} characters, got {len(event.value)}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH:
            raise ValueError(f"at most {MOST_DEPTH} groups and lists may stand within each other")


def leaves(values: Any) -> Iterator[Any]:
    """Yield what nested groups and lists hold, keys included."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from leaves(value)
            yield key
    elif isinstance(values, list):
        for value in values:
            yield from leaves(value)
    else:
        yield values


def _check_value(value: Any) -> None:
    """Refuse what YAML makes of some texts, such as dates, and whole numbers that nothing here can count with."""
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"it must hold plain values, got a {type(value).__name__}")
    if isinstance(value, int) and abs(value) >= 1 << 64:
        raise ValueError(f"a whole number must be less than 2^64, got one of {value.bit_length()} bits")
