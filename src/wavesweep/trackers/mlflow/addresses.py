"""Addresses of MLflow's store, of its artifacts, and of pages of its UI, as seen from where that is served."""

import os
from pathlib import Path
from urllib.parse import urlencode

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.redaction import public_store
from wavesweep.config.config import Tracking
from wavesweep.config.credentials import check_credentials

SQLITE = "sqlite:///"
DEFAULT_STORE = f"{SQLITE}outputs/mlflow.db"


def full_address(tracking: Tracking) -> str:
    """Return the store's address with its password, which the environment alone holds.

    Raises:
        Refused: If the environment has another address, or none; or a secret that no request can carry.
    """
    check_credentials()
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    if "***" not in tracking.uri:
        return tracking.uri
    if public_store(given) != tracking.uri:
        raise Refused(f"tracking.uri={tracking.uri} hides a password; give the whole address by MLFLOW_TRACKING_URI")
    return given


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a sqlite store; None for other stores."""
    return Path(uri.removeprefix(SQLITE)).absolute() if uri.startswith(SQLITE) else None


def artifact_root(tracking: Tracking) -> Path:
    """Return where the artifacts of a store without a server go: below outputs/, or beside a store elsewhere."""
    path = sqlite_path(tracking.uri)
    if path is None or path.is_relative_to(Path.cwd()):
        return Path("outputs").absolute() / "mlartifacts"
    return path.parent / "mlartifacts"


def store_override(tracking: Tracking) -> list[str]:
    """Return what has to be typed for a command to find a store; nothing for the default."""
    return [] if tracking.uri == DEFAULT_STORE else [f"tracking.uri={tracking.uri}"]


def runs_page(experiment_id: str, view: str, *, charts: bool = False) -> str:
    """Return the address of a view, as a list or as charts; where MLflow does not know it, of the plain list.

    MLflow's own start page is made for language models.
    """
    query = {"workflowType": "machine_learning", "viewStateShareKey": view}
    if charts:
        query["compareRunsMode"] = "CHART"
    return f"#/experiments/{experiment_id}/runs?{urlencode(query)}"


def run_page(experiment_id: str, run_id: str) -> str:
    """Return the address of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def artifact_page(run_id: str, path: str) -> str:
    """Return the address of an artifact of a run."""
    return f"get-artifact?{urlencode({'path': path, 'run_uuid': run_id})}"
