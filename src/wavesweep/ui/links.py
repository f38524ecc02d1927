"""Links into MLflow's UI."""

from urllib.parse import urlencode

RUNS, SWEEPS = "wavesweep.runs", "wavesweep.sweeps"
"""The views of single runs and of sweeps."""


def of_sweep(sweep_id: str) -> str:
    """Return the id of the view of a sweep's runs."""
    return f"wavesweep.sweep.{sweep_id}"


def runs_page(place: str, experiment_id: str, view: str, *, charts: bool = False) -> str:
    """Return the address of a view, as a list or as charts; where MLflow does not know it, of the plain list.

    MLflow's own start page is made for language models.
    """
    query = {"workflowType": "machine_learning", "viewStateShareKey": view}
    query |= {"compareRunsMode": "CHART"} if charts else {}
    return f"{place}/#/experiments/{experiment_id}/runs?{urlencode(query)}"


def run_page(place: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run."""
    return f"{place}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def pages_of_all(experiment_id: str, latest: str | None) -> dict[str, str]:
    """Return the pages of single runs, of sweeps, and of the latest sweep, if there is one.

    Returns:
        As seen from the UI's place, by what they show.
    """
    views = {"single runs": RUNS, "sweeps": SWEEPS} | ({"the latest sweep": of_sweep(latest)} if latest else {})
    return {what: runs_page("", experiment_id, view) for what, view in views.items()}


def pages_of_sweep(experiment_id: str, sweep_id: str) -> dict[str, str]:
    """Return the pages of a sweep's runs, likewise."""
    view = of_sweep(sweep_id)
    charts = runs_page("", experiment_id, view, charts=True)
    return {"the sweep's runs": runs_page("", experiment_id, view), "its charts": charts}


def pages_of_run(experiment_id: str, run_id: str) -> dict[str, str]:
    """Return the page of a run, likewise."""
    return {"the run": run_page("", experiment_id, run_id)}
