"""Connecting to MLflow's store, and finding a run in it."""

import logging
import os
import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from errno import EACCES
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Tracking
from wavesweep.config.tag_names import RUN_KEY
from wavesweep.trackers.mlflow.addresses import SQLITE, artifact_root, full_address, sqlite_path
from wavesweep.trackers.mlflow.answers import reason
from wavesweep.trackers.mlflow.artifacts import repository
from wavesweep.trackers.mlflow.bounds import bounded
from wavesweep.trackers.mlflow.sqlite_file import first_touch
from wavesweep.workspace.directory import Directory

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run


KIND, MACHINE_LEARNING = "mlflow.experimentKind", "custom_model_development"
"""What leads links to the pages for runs that train; MLflow would guess, and offer those for language models."""


def connect(tracking: Tracking, *, impatient: bool = False) -> tuple["MlflowClient", str]:
    """Return a client of the store and the id of the experiment, made if it wasn't there.

    Args:
        tracking: The store.
        impatient: Whether somebody waits for the answers before anything has begun.

    Raises:
        mlflow.exceptions.MlflowException, NoAnswer, sqlite3.Error: If the store can't be used.
        ValueError: If the experiment was deleted.
    """
    _quieten()
    path = sqlite_path(tracking.uri)
    with first_touch(path) if path else nullcontext():
        client = _client(tracking, impatient=impatient)
        experiment = client.get_experiment_by_name(tracking.experiment) or _create_experiment(client, tracking)
    if experiment.lifecycle_stage != "active":
        name = tracking.experiment
        raise ValueError(f"its experiment {name} was deleted; restore it, or choose another tracking.experiment")
    if KIND not in experiment.tags:
        _tell_kind(client, experiment)
    return client, experiment.experiment_id


def _quieten() -> None:
    """Let MLflow and what it stands on say nothing of their own."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    # MLflow also prints the server's address at the end of each run, password included.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    for name in ("alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it shows tracebacks of what it raises
    warnings.filterwarnings("ignore", module="alembic")


def _client(tracking: Tracking, *, impatient: bool) -> "MlflowClient":
    from mlflow import MlflowClient

    if path := sqlite_path(tracking.uri):
        return MlflowClient(f"{SQLITE}{path}")
    client = MlflowClient(full_address(tracking))
    return bounded(client, impatient=impatient) if tracking.uri.startswith("http") else client


def _create_experiment(client: "MlflowClient", tracking: Tracking) -> "Experiment":
    """Create the experiment; where another process was faster, return that one's."""
    from mlflow.exceptions import MlflowException

    # The default artifact root, ./mlruns, would lie outside outputs/.
    root = None if tracking.uri.startswith("http") else artifact_root(tracking).as_uri()
    try:
        return client.get_experiment(client.create_experiment(tracking.experiment, root, {KIND: MACHINE_LEARNING}))
    except MlflowException:
        experiment = client.get_experiment_by_name(tracking.experiment)
        if experiment is None:
            raise
        return experiment


def _tell_kind(client: "MlflowClient", experiment: "Experiment") -> None:
    """Let MLflow know that an experiment which somebody else has made holds runs that train."""
    from mlflow.exceptions import MlflowException

    try:
        client.set_experiment_tag(experiment.experiment_id, KIND, MACHINE_LEARNING)
    except MlflowException as error:
        if error.__context__:  # there was no answer; else the user may only read
            raise


@contextmanager
def refusing(tracking: Tracking) -> Iterator[None]:
    """Refuse a store that can't be used within the context."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        server = "start the server, or " if tracking.uri.startswith("http") else ""
        raise Refused(
            f"tracking.uri={tracking.uri} can't be used ({reason(error, tracking)}); {server}give another address"
        ) from None


def reach(tracking: Tracking) -> str:
    """Make sure, within seconds (20 where others write to it), that the store is there; return the experiment's id.

    Raises:
        Refused: If it isn't.
    """
    with refusing(tracking):
        return connect(tracking, impatient=True)[1]


def require(tracking: Tracking) -> None:
    """Make sure, within seconds, that the store takes runs, as far as can be asked without making one.

    Raises:
        Refused: If it doesn't.
    """
    path = sqlite_path(tracking.uri)
    with refusing(tracking):
        client, experiment_id = connect(tracking, impatient=True)
        if path is None:
            _ask_for_leave(client, experiment_id)
        elif not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):  # a write takes 30 ms
            raise PermissionError(EACCES, os.strerror(EACCES))


def _ask_for_leave(client: "MlflowClient", experiment_id: str) -> None:
    """Ask what a delivery asks first, and for leave to write: a tag gets the value that it has.

    Of artifacts a list is asked for, since nothing harmless tells whether any would be taken.
    """
    experiment = client.get_experiment(experiment_id)
    client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = 'none'", max_results=1)
    client.set_experiment_tag(experiment_id, KIND, experiment.tags.get(KIND, MACHINE_LEARNING))
    if experiment.artifact_location.startswith("mlflow-artifacts:"):  # others need not go by the server
        there = repository(client, experiment.artifact_location)
        bounded(there, impatient=True).list_artifacts("none")


def find_record(place: str | Directory, tracking: Tracking) -> tuple["MlflowClient", "Run"]:
    """Return a client of the store, and MLflow's record of a run, or of a sweep.

    Args:
        place: The beginning of MLflow's id of it, or its directory.
        tracking: The store.

    Raises:
        Refused: If there is not one such record.
    """
    path = sqlite_path(tracking.uri)
    if isinstance(place, Directory):
        text = str(place.path)
        wanted = f"tags.`{RUN_KEY}` = '{place.read_info().run_key}'"
    else:
        text = place
        wanted = f"attributes.run_id LIKE '{place}%'"
    if path is not None and not path.exists():
        raise Refused(f"{text} must be a run, but {tracking.uri} is not there; give another tracking.uri")
    with refusing(tracking):
        client, _ = connect(tracking, impatient=True)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, wanted, max_results=2)
    if len(runs) == 1:
        return _client(tracking, impatient=False), runs[0]
    if isinstance(place, Directory) and not runs:
        raise Refused(f"{text} is not in {tracking.uri}; wavesweep sync {shlex.quote(text)} delivers it")
    problem = "has several; type more of it" if runs else "has none; name another, or its tracking.uri"
    raise Refused(f"{text} must be the beginning of one run's id, but {tracking.uri} {problem}")
