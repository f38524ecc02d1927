"""Finding runs and sweeps on disk: by directory, by a sweep's id or how it begins, or as the latest that was begun."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.sweeps.store import SWEEP
from wavesweep.base.streams import log
from wavesweep.workspace.directory import Directory, RunDirectory, SweepRecord
from wavesweep.workspace.info import RunInfo
from wavesweep.workspace.places import OUTPUTS, PARENT, RUN, as_path, folders

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
        None if only MLflow may know it, by an id that begins so; never where a sweep is looked for.

    Raises:
        Refused: If it can't be one, or is of the other kind, several sweeps' ids begin so, or `latest` is damaged or
            not there.
    """
    if place == LATEST:
        return _latest(wanted)
    path = as_path(place)
    sweep = SweepRecord(path)
    if sweep.exists() or sweep.sweep.plan.exists():
        if wanted == "run":
            raise Refused(f"{place} is a sweep; name one of its runs")
        return sweep
    if RunDirectory(path).exists():
        if wanted == "sweep":
            raise Refused(f"{place} is a run; name a sweep")
        return RunDirectory(path)
    found = None if wanted == "run" else _sweep_by_id(place.rstrip("/"))
    if found is None and (wanted == "sweep" or path.exists() or not place.isalnum()):
        called = place.replace("\n", "\\n")
        raise Refused(f"{called} must be a {wanted}'s directory or id, or {LATEST}, got none of them; name another")
    return found


def find_run(place: str) -> RunDirectory | None:
    """Return the run that a place names, as `find` does."""
    found = find(place, "run")
    assert found is None or isinstance(found, RunDirectory)
    return found


def find_sweep(place: str) -> SweepRecord:
    """Return the sweep that a place names, as `find` does."""
    found = find(place, "sweep")
    assert isinstance(found, SweepRecord)
    return found


def _begun(directory: Directory) -> float:
    """Return when a run or sweep was begun, in milliseconds since 1970; else when its record was written last."""
    try:
        return directory.read_info().started
    except (Refused, OSError):
        record = directory.info
        if isinstance(directory, SweepRecord) and not directory.exists():  # of another program, which has none
            record = directory.sweep.plan
        return record.stat().st_mtime * 1000


def _all_below(place: Path) -> Iterator[Directory]:
    """Yield the runs and the sweeps at and below a place; a sweep of another program has no record."""
    for folder, names in folders(place):
        if RUN in names:
            yield RunDirectory(folder)
        if PARENT in names or SWEEP in names:
            yield SweepRecord(folder)


def _latest(wanted: Wanted) -> Directory:
    """Return what was begun last, or refuse it where it is damaged: never the one before it."""
    found = list(_all_below(OUTPUTS))
    sweeps = {one.path for one in found if isinstance(one, SweepRecord)}
    if wanted == "run":
        found = [one for one in found if isinstance(one, RunDirectory)]
    elif wanted == "sweep":
        found = [one for one in found if isinstance(one, SweepRecord)]
    else:
        found = [one for one in found if sweeps.isdisjoint(one.path.parents)]
    if not found:
        raise Refused(f"{LATEST} names the {wanted} begun last below {OUTPUTS}, but there is none; name another")
    directory = max(found, key=lambda one: (_begun(one), str(one.path)))
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
