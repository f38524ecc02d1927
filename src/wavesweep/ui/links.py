"""Links to pages of MLflow's UI, by what they show."""

from wavesweep.tracking.addresses import run_page, runs_page
from wavesweep.tracking.views import RUNS, SWEEPS, of_sweep


def pages_of_all(experiment_id: str, latest: str | None) -> dict[str, str]:
    """Return the pages of the latest sweep, if there is one, of single runs, and of all sweeps."""
    views = ({"the latest sweep": of_sweep(latest)} if latest else {}) | {"single runs": RUNS, "sweeps": SWEEPS}
    return {what: runs_page(experiment_id, view) for what, view in views.items()}


def pages_of_sweep(experiment_id: str, run_id: str, sweep_id: str) -> dict[str, str]:
    """Return the pages of a sweep's runs, as a list and as charts, and of the sweep itself, the parent of its runs."""
    view = of_sweep(sweep_id)
    return {
        "the sweep's runs": runs_page(experiment_id, view),
        "as charts": runs_page(experiment_id, view, charts=True),
        "the sweep": run_page(experiment_id, run_id),
    }


def pages_of_run(experiment_id: str, run_id: str) -> dict[str, str]:
    """Return the page of a run."""
    return {"the run": run_page(experiment_id, run_id)}


def as_text(address: str, pages: dict[str, str]) -> str:
    """Return links to pages, one a line, given the address at which the UI is served."""
    return "\n".join(f"{what}: {address}/{page}" for what, page in pages.items())
