"""The bytes of a user's file: the file itself or the copy that is kept of it, known by its digest."""

import gzip
import os
import re
import stat
import zlib
from glob import has_magic
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import write_atomically
from wavesweep.base.streams import log
from wavesweep.files.bundles import bundle, is_pattern, matching

MOST_BYTES = 2 * 10**9  # of a file, unpacked too
MOST_KEPT = 20 * 10**6
COPIES = Path("outputs/data")

_NO_DATA = {
    b"version https://git-lfs": "a Git LFS pointer; git lfs pull fetches the file itself",
    b"<": "a web page; download the file itself",
    b"{": "JSON; save it as CSV",
    b"[{": "JSON; save it as CSV",
    b"PK\3\4": "a workbook or a ZIP archive; save it as CSV, or unpack it",
}
"""What people mistake for data, by how it begins."""


def fetch(path: Path, digest: str | None = None, *, warn: bool = True) -> tuple[bytes, str]:
    """Read a file; where its content is not what it was, the copy that was kept (see `keep`).

    Args:
        path: Of the file.
        digest: SHA-256 that its content must have; None: any.
        warn: Whether a line says that the copy is read.

    Returns:
        Its content, unpacked, and the SHA-256 of the file as it is, in hexadecimal digits.

    Raises:
        Refused: If it can't be read, is not data, or has changed or gone and there is no copy.
    """
    try:
        raw = _read(path)
        found = sha256(raw).hexdigest()
        if digest not in (None, found):
            raise Refused(f"{path} must be the file that was read first (SHA-256 {digest[:12]}…), but has changed")
    except Refused as error:
        if digest is None:
            raise
        raw, found = _copy(path, digest, str(error).partition(";")[0], warn), digest
    return _unpacked(path, raw), found


def keep(path: str, digest: str) -> Path | None:
    """Keep a copy of a file that runs have read, below `outputs/data`, once for all of them.

    Args:
        path: Of the file.
        digest: SHA-256 of its content.

    Returns:
        Where the copy is; None where the file has more than 20 MB, or other content by now.
    """
    copy = copy_of(path, digest)
    if not copy.is_file():
        raw = _read_if(Path(path), digest, MOST_KEPT)
        if raw is None:
            return None
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(copy, raw)
    return copy


def give_copy_to(folder: Path, path: str, digest: str) -> None:
    """Put the copy of a file that runs have read (see `keep`) into a folder too: a link to it, where that can be."""
    copy = keep(path, digest)
    if copy and not (place := folder / copy.name).exists():
        folder.mkdir(exist_ok=True)
        try:
            os.link(copy, place)
        except OSError:  # another disk, or another job was faster
            write_atomically(place, copy.read_bytes())


def is_lost(path: str, digest: str) -> bool:
    """Say whether neither a file nor the copy that is kept of it is what runs have read."""
    return not copy_of(path, digest).is_file() and _read_if(Path(path), digest) is None


def keep_copy_of(folder: Path, path: str, digest: str) -> None:
    """Keep the copy of a file that a folder holds, where the file is no more what runs have read."""
    own = folder / Path(path).name
    if own.is_file() and is_lost(path, digest):
        keep(str(own), digest)


def copy_of(path: str | Path, digest: str) -> Path:
    """Return where the copy of a file with this digest is kept, or that of all that match a pattern."""
    name = Path(path).name
    return COPIES / digest[:16] / (re.sub("[^.\\w]+", "all", name) + ".tar" if has_magic(name) else name)


def _copy(path: Path, digest: str, problem: str, warn: bool) -> bytes:
    """Return the content of a file's copy, with a warning, if that is wanted, which says why it is read."""
    copy = copy_of(path, digest)
    raw = _read_if(copy, digest)
    if raw is None:
        raise Refused(f"{problem}; there is no copy of it at {copy}: restore the file, or give dataset.digest=null")
    if warn:
        log.warning("%s; its copy %s is read", problem, copy)
    return raw


def _read_if(path: Path, digest: str, most: int = MOST_BYTES) -> bytes | None:
    """Return the content of a file that has this digest; None where there is none."""
    try:
        raw = _read(path, most)
    except Refused:
        return None
    return raw if sha256(raw).hexdigest() == digest else None


def _read(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a plain file: a pipe or a device might never end. Of a pattern, that of all files."""
    if is_pattern(path):
        return _read_all(path, most)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{path} must be a file, got a folder, a pipe or a device; give another")
        if found.st_size > most:
            raise Refused(f"{path} must have at most {most:,} bytes, got {found.st_size:,}; give a part of it")
        with path.open("rb") as file:
            return file.read(found.st_size)  # 0 of what has no end, such as /proc/kmsg
    except FileNotFoundError:
        raise Refused(f"{path} must be a file, but it is not there; give another") from None
    except OSError as error:
        raise Refused(f"{path} can't be read ({error.strerror}); make it readable") from None


def _read_all(pattern: Path, most: int) -> bytes:
    files, size = [], 0
    for place in matching(pattern):
        files.append((place.name, _unpacked(place, _read(place, most))))
        size += len(files[-1][1])
        if size > most:
            raise Refused(f"{pattern} must have at most {most:,} bytes together, got more; give a part of the files")
    return bundle(files)


def _unpacked(path: Path, raw: bytes) -> bytes:
    """Return the content of a file, which may be packed by gzip; refuse what is no data."""
    if raw.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(BytesIO(raw)) as file:
                raw = file.read(MOST_BYTES + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise Refused(f"{path} can't be unpacked by gzip ({error}); fetch it again") from None
        if len(raw) > MOST_BYTES:
            raise Refused(f"{path} must have at most {MOST_BYTES:,} bytes unpacked, got more; give a part of it")
    start = raw[:1000].lstrip()
    for beginning, what in _NO_DATA.items():
        if start.startswith(beginning):
            raise Refused(f"{path} must hold data, got {what}")
    return raw
