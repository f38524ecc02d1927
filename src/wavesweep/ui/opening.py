"""Finding what MLflow's UI is to be opened at: on disk, else in MLflow."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wavesweep.base.errors import Refused
from wavesweep.config.config import Tracking
from wavesweep.runs.directory import RunDirectory, SweepRecord
from wavesweep.runs.finding import read_written, runs_below_outputs
from wavesweep.tracking.addresses import run_page
from wavesweep.tracking.store import find_record, reach
from wavesweep.ui.links import pages_of_all, pages_of_sweep


def find(place: str) -> RunDirectory | None:
    """Return the run or sweep on disk that a place names; of `latest`, what was begun last, a sweep as a whole.

    Returns:
        None if only MLflow may know it.

    Raises:
        Refused: If it can't be one.
    """
    if place == "latest":
        if found := max(_begun(), default=None):
            return found[-1]
        raise Refused("latest names what was begun last below outputs, but there is nothing; name another")
    named = [SweepRecord(Path(place)), RunDirectory(Path(place))]
    named += [run for *_, run in _begun() if run.is_sweep and run.read_info().sweep_id == place]
    if found := next((run for run in named if run.info.exists()), None):
        return found
    if Path(place).exists() or not place.isalnum():
        known = "a run's or a sweep's directory, a sweep's id, MLflow's id of a run, or latest"
        raise Refused(f"{place} must be {known}, got none of them; name another")
    return None


def pages_of(place: str | RunDirectory | None, tracking: Tracking) -> dict[str, str]:
    """Return pages of the UI, by what they show, the one to open first.

    Args:
        place: A run or a sweep on disk, or the beginning of MLflow's id of a run; None: all.
        tracking: The store.

    Raises:
        Refused: If MLflow does not know it, or the store can't be used.
    """
    if place is None:
        return pages_of_all(reach(tracking), _latest_sweep(tracking))
    info = find_record(place, tracking)[1].info
    if isinstance(place, RunDirectory) and place.is_sweep:
        return pages_of_sweep(info.experiment_id, info.run_id, str(place.read_info().sweep_id))
    return {"the run": run_page(info.experiment_id, info.run_id)}


def _latest_sweep(tracking: Tracking) -> str | None:
    """Return the id of the sweep below outputs/ that was begun last of those meant for a store and its experiment."""
    sweeps = [begun for begun in _begun() if begun[-1].is_sweep and _is_in(begun[-1], tracking)]
    return max(sweeps)[-1].read_info().sweep_id if sweeps else None


def _begun() -> Iterator[tuple[int, str, RunDirectory]]:
    """Return the single runs and the sweeps below outputs/ that can be read, each behind when it was begun."""
    for run in runs_below_outputs():
        with suppress(Refused, OSError):
            info = run.read_info()
            if run.is_sweep or not info.sweep_id:
                yield info.started, str(run.path), run


def _is_in(sweep: RunDirectory, tracking: Tracking) -> bool:
    """Say whether a sweep was meant for a store, and for the experiment there."""
    with suppress(Refused, OSError):
        stored = read_written(sweep.config).tracking
        return (stored.uri, stored.experiment) == (tracking.uri, tracking.experiment)
    return False
