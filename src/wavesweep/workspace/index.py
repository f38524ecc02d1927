"""Finding runs and sweeps on disk: by directory, by a sweep's id or how it begins, or as the latest that was begun."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wavesweep.base.errors import Refused, in_one_line
from wavesweep.base.terminal import log
from wavesweep.sweeps.store import SWEEP
from wavesweep.workspace.directory import Directory, RunDirectory, SweepRecord
from wavesweep.workspace.info import RunInfo
from wavesweep.workspace.layout import OUTPUTS, PARENT, RUN, folders

LATEST = "latest"
Wanted = Literal["run", "sweep", "run or sweep"]
"""What a command acts on; where it takes both, the runs of a sweep count as that sweep."""


def recorded_below(place: Path) -> list[Directory]:
    """Return the runs and sweeps at and below a place that have a record, in the order of their paths."""
    return [directory for directory in _all_below(place) if directory.exists()]


def latest_that(fits: Callable[[Directory, RunInfo], bool]) -> Directory | None:
    """Return the run or sweep begun last of those that fit; a damaged one is passed over with a word."""
    fitting = []
    for directory in recorded_below(OUTPUTS):
        try:
            info = directory.read_info()
        except (Refused, OSError) as error:
            log.warning(in_one_line(error))
            continue
        if fits(directory, info):
            fitting.append((info.started, str(directory.path), directory))
    return max(fitting)[-1] if fitting else None


def find(place: str, wanted: Wanted) -> Directory | None:
    """Return the run or sweep that a place names.

    Args:
        place: A directory, a sweep's id or its unique beginning, or `latest`: what was begun last of all below
            outputs/.
        wanted: What is looked for.

    Returns:
        None if nothing on disk is called so.

    Raises:
        Refused: If it is of the other kind, several sweeps' ids begin so, or `latest` is damaged or not there.
    """
    if place == LATEST:
        return _latest(wanted)
    path = Path(place)
    sweep = SweepRecord(path)
    if sweep.exists() or sweep.sweep.plan.exists():
        if wanted == "run":
            raise Refused(f"{place} is a sweep; name one of its runs")
        return sweep
    if RunDirectory(path).exists():
        if wanted == "sweep":
            raise Refused(f"{place} is a run; name a sweep")
        return RunDirectory(path)
    return None if wanted == "run" else _sweep_by_id(place.rstrip("/"))


def find_run(place: str) -> RunDirectory | None:
    """Return the run that a place names, as `find` does."""
    found = find(place, "run")
    assert found is None or isinstance(found, RunDirectory)
    return found


def find_sweep(place: str) -> SweepRecord:
    """Return the sweep that a place names, as `find` does.

    Raises:
        Refused: If there is none, too.
    """
    found = find(place, "sweep")
    if found is None:
        raise Refused(f"{place} must be a sweep's directory or id, but holds no {SWEEP}; name another")
    assert isinstance(found, SweepRecord)
    return found


@dataclass(frozen=True)
class _Begun:
    """A run or sweep, and when it was begun.

    Attributes:
        directory: Of the run or sweep.
        time: Milliseconds since 1970; of one that can't be read, when its record was written last.
        sweep_id: The sweep that a run belongs to, if any.
    """

    directory: Directory
    time: float
    sweep_id: str | None

    @classmethod
    def of(cls, directory: Directory) -> "_Begun":
        """Look when a run or sweep was begun."""
        try:
            info = directory.read_info()
            return cls(directory, info.started, None if isinstance(directory, SweepRecord) else info.sweep_id)
        except (Refused, OSError):
            place = directory.info
            if isinstance(directory, SweepRecord) and not directory.exists():  # of another program, which has none
                place = directory.path / "multirun.yaml"
                place = place if place.exists() else directory.sweep.plan
            return cls(directory, place.stat().st_mtime * 1000, None)


def _all_below(place: Path) -> Iterator[Directory]:
    """Yield the runs and the sweeps at and below a place; a sweep of another program has no record."""
    for folder, names in folders(place):
        if RUN in names:
            yield RunDirectory(folder)
        if PARENT in names or SWEEP in names:
            yield SweepRecord(folder)


def _latest(wanted: Wanted) -> Directory:
    """Return what was begun last, or refuse it where it is damaged: never the one before it."""
    begun = [_Begun.of(directory) for directory in _all_below(OUTPUTS)]
    if wanted == "run":
        begun = [one for one in begun if isinstance(one.directory, RunDirectory)]
    elif wanted == "sweep":
        begun = [one for one in begun if isinstance(one.directory, SweepRecord)]
    else:
        begun = [one for one in begun if not one.sweep_id]
    if not begun:
        raise Refused(f"{LATEST} names the {wanted} begun last below {OUTPUTS}, but there is none; name another")
    directory = max(begun, key=lambda one: (one.time, str(one.directory.path))).directory
    if directory.exists():
        directory.read_info()
    return directory


def _sweep_by_id(text: str) -> SweepRecord | None:
    """Return the sweep below outputs/ whose id begins so; one whose whole id it is comes before all others."""
    sweeps = [one for one in _all_below(OUTPUTS) if isinstance(one, SweepRecord)]
    exact = [one for one in sweeps if one.sweep.id == text]
    named = exact or [one for one in sweeps if text and one.sweep.id.startswith(text)]
    if len(named) > 1:
        raise Refused(f"{text} is the beginning of {len(named)} sweeps' ids; type more of it")
    return named[0] if named else None
