"""The places below outputs/: which directory is a run's or a sweep's, and where a new one may be made."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from secrets import token_hex

from hydra_queue_sweeper.base.errors import Refused, in_one_line, in_short
from hydra_queue_sweeper.base.files import check_empty, check_length
from hydra_queue_sweeper.sweeps.store import SWEEP

OUTPUTS = Path("outputs")
ARTIFACTS = "mlartifacts"  # MLflow's copies
RUN, PARENT = "run.json", "parent.json"
RECORDS = (RUN, PARENT, SWEEP)
"""The files by which a directory is known: a run's, and a sweep's as the parent of its runs and as what is to do."""


def fresh_name() -> str:
    """Return a name that nothing else gets, not even in the same second; as `hydra.run.dir` in conf/config.yaml."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{token_hex(2)}"


def new_run() -> Path:
    """Return a directory of its own for a new run; it is not made yet."""
    return (OUTPUTS / "runs" / fresh_name()).absolute()


def new_sweep() -> Path:
    """Return a directory of its own for a new sweep; it is not made yet."""
    return (OUTPUTS / "sweeps" / fresh_name()).absolute()


def as_path(place: object) -> Path:
    """Return the directory that a user names, there or not.

    Raises:
        Refused: If no directory can be called so.
    """
    got = f"{place!r:.60}"
    try:
        path = Path(place)  # type: ignore[arg-type]
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            (path / RUN).lstat()
    except OSError as error:
        raise Refused(f"{got} can't be a directory's path ({error.strerror}); name another") from None
    except (TypeError, ValueError) as error:
        raise Refused(f"a directory must be named by its path, got {got} ({in_short(error):.60}); name one") from None
    return path


def folders(place: Path) -> Iterator[tuple[Path, list[str]]]:
    """Walk through folders, each with its files; not into runs, nor into MLflow's copies of them."""
    for folder, below, files in os.walk(place):
        below.sort()
        if RUN in files:
            below.clear()
        elif ARTIFACTS in below:
            below.remove(ARTIFACTS)
        yield Path(folder), files


def check_free(place: Path, log: str = "") -> None:
    """Make sure that a new run or sweep gets a directory without anything of others, and is in the way of none.

    Args:
        place: The directory.
        log: The name of the log there, where it has been opened already; else one that is there is somebody else's.

    Raises:
        Refused: If it isn't so.
    """
    check_length(place)
    real, outputs = place.resolve(), OUTPUTS.resolve()
    if any((outputs / name).is_relative_to(real) for name in ("runs", "sweeps", ARTIFACTS)):
        raise Refused(f"{place} can't be a run's or sweep's own directory: all others lie below it; name a new one")
    for around in real.parents:
        if Path.cwd().is_relative_to(around):  # what stands so far above is in nobody's way
            break
        if around.name == ARTIFACTS or any((around / name).exists() for name in RECORDS):
            raise Refused(f"{place} must not lie within another run, sweep or MLflow's files ({around}); name another")
    check_empty(place, log)


def make(place: Path) -> None:
    """Make the directory of a new run, of which its user chose the place.

    Raises:
        Refused: If it can't be made, or is not new or empty.
    """
    try:
        check_free(place)
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(in_one_line(error, "name another directory")) from None
