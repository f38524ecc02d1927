"""Links to pages of MLflow's UI, by what they show; where none would work, the command that opens them."""

import shlex
from pathlib import Path

from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow.addresses import run_page, runs_page, store_override
from wavesweep.trackers.mlflow.views import RUNS, of_sweep
from wavesweep.ui.places import served_at


def run_ending(tracking: Tracking, experiment_id: str, run_id: str) -> str:
    """Return the lines that say where a run is seen beside others: links where they work, else commands."""
    if address := served_at(tracking):
        this = f"{address}/{run_page(experiment_id, run_id)}"
        others = f"{address}/{runs_page(experiment_id, RUNS)}"
    else:
        this, others = _command(tracking, run_id[:8]), _command(tracking)
    return f"MLflow run: {run_id}   open it: {this}\ncompare runs: {others}"


def sweep_ending(tracking: Tracking, experiment_id: str, run_id: str, sweep_id: str, directory: Path) -> str:
    """Return the lines that say where the runs of a sweep are compared: links where they work, else a command."""
    if address := served_at(tracking):
        return as_text(address, pages_of_sweep(experiment_id, run_id, sweep_id))
    return f"compare its runs: {_command(tracking, str(directory))}"


def pages_of_sweep(experiment_id: str, run_id: str, sweep_id: str) -> dict[str, str]:
    """Return the pages of a sweep's runs, as a list and as charts, and of the sweep itself, the parent of its runs."""
    view = of_sweep(sweep_id)
    return {
        "the sweep's runs": runs_page(experiment_id, view),
        "as charts": runs_page(experiment_id, view, charts=True),
        "the sweep": run_page(experiment_id, run_id),
    }


def as_text(address: str, pages: dict[str, str]) -> str:
    """Return links to pages, one a line, given the address at which the UI is served."""
    return "\n".join(f"{what}: {address}/{page}" for what, page in pages.items())


def _command(tracking: Tracking, *opened: str) -> str:
    experiment = [] if tracking.experiment == "wavesweep" else [f"tracking.experiment={tracking.experiment}"]
    return shlex.join(["wavesweep", "ui", *opened, *store_override(tracking), *experiment])
