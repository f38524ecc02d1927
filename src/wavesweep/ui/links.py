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
