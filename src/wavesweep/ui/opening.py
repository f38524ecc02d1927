"""Finding what MLflow's UI is to be opened at: on disk, else in MLflow."""

from contextlib import suppress

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow.addresses import run_page, runs_page
from wavesweep.trackers.mlflow.store import find_record, reach
from wavesweep.trackers.mlflow.views import RUNS, SWEEPS, of_sweep
from wavesweep.ui.links import pages_of_sweep
from wavesweep.workspace import index
from wavesweep.workspace.configurations import read_written
from wavesweep.workspace.directory import Directory, SweepRecord


def pages_of(place: str | Directory | None, tracking: Tracking) -> dict[str, str]:
    """Return pages of the UI, by what they show, the one to open first.

    Args:
        place: A run or a sweep on disk, or the beginning of MLflow's id of a run; None: all.
        tracking: The store.

    Raises:
        Refused: If MLflow does not know it, or the store can't be used.
    """
    if place is None:
        experiment_id = reach(tracking)
        latest = _latest_sweep(tracking)
        views = {"the latest sweep": of_sweep(latest)} if latest else {}
        views |= {"single runs": RUNS, "sweeps": SWEEPS}
        return {what: runs_page(experiment_id, view) for what, view in views.items()}
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
