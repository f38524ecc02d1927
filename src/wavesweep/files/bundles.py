"""Several files that are read as one: each holds a series, all the same columns. Together they are a tar archive."""

import os
import tarfile
from glob import glob, has_magic
from io import BytesIO
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused

MOST_FILES = 10_000
MARK, PLACE = b"ustar", slice(257, 262)


def is_pattern(path: str | Path) -> bool:
    """Say whether a path stands for all files whose names match, as `shops/*.csv` does."""
    return has_magic(str(path)) and not os.path.exists(path)  # noqa: PTH110  where a name is too long, nothing is


def matching(path: str | Path) -> list[Path]:
    """Return the files that match a pattern, by name.

    Raises:
        Refused: If there is none, or there are too many.
    """
    found = sorted(place for place in map(Path, glob(str(path))) if place.is_file())  # noqa: PTH207  it may be absolute
    if not found:
        raise Refused(f"{path} must match a file, but none is there; give another")
    if len(found) > MOST_FILES:
        raise Refused(f"{path} must match at most {MOST_FILES:,} files, got {len(found):,}; give a part of them")
    return found


def bundle(files: list[tuple[str, bytes]]) -> bytes:
    """Return files, by name, as an archive: the same bytes for the same files."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return archive.getvalue()


def is_bundle(content: bytes) -> bool:
    """Say whether content is an archive that `bundle` made."""
    return content[PLACE] == MARK


def unbundle(path: Path, content: bytes) -> list[tuple[str, bytes]]:
    """Return the files of an archive, by name; nothing is written."""
    files = []
    try:
        with tarfile.open(fileobj=BytesIO(content), mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file:
                    files.append((member.name, file.read()))
    except (tarfile.TarError, OSError) as error:
        raise Refused(f"{path} can't be read as several files ({error}); restore it") from None
    if not files:
        raise Refused(f"{path} must hold a file, got an archive without any; give CSV or Parquet")
    return files
