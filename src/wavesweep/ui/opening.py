"""Finding what MLflow's UI is to be opened at: on disk, else in MLflow."""

from contextlib import suppress
from pathlib import Path

from wavesweep.base.errors import Refused
from wavesweep.config.config import Tracking
from wavesweep.tracking.addresses import run_page
from wavesweep.tracking.store import find_record, reach
from wavesweep.ui.links import pages_of_all, pages_of_sweep
from wavesweep.workspace import index
from wavesweep.workspace.configurations import read_written
from wavesweep.workspace.directory import Directory, SweepRecord


def find(place: str) -> Directory | None:
    """Return the run or sweep on disk that a place names, as `workspace.index.find` does; a sweep as a whole.

    Returns:
        None if only MLflow may know it.

    Raises:
        Refused: If it can't be one.
    """
    found = index.find(place, "run or sweep")
    if found is None and (Path(place).exists() or not place.isalnum()):
        known = "a run's or a sweep's directory, a sweep's id, MLflow's id of a run, or latest"
        raise Refused(f"{place} must be {known}, got none of them; name another")
    return found


def pages_of(place: str | Directory | None, tracking: Tracking) -> dict[str, str]:
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
    if isinstance(place, SweepRecord):
        return pages_of_sweep(info.experiment_id, info.run_id, str(place.read_info().sweep_id))
    return {"the run": run_page(info.experiment_id, info.run_id)}


def _latest_sweep(tracking: Tracking) -> str | None:
    """Return the id of the sweep below outputs/ that was begun last of those meant for a store and its experiment."""
    found = index.latest_that(lambda directory, _: isinstance(directory, SweepRecord) and _is_in(directory, tracking))
    return found.read_info().sweep_id if found else None


def _is_in(sweep: SweepRecord, tracking: Tracking) -> bool:
    """Say whether a sweep was meant for a store, and for the experiment there."""
    with suppress(Refused, OSError):
        stored = read_written(sweep.config).tracking
        return (stored.uri, stored.experiment) == (tracking.uri, tracking.experiment)
    return False
