"""Connecting to MLflow's store, made where there is none, and finding a run in it."""

import logging
import os
import shlex
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from errno import EACCES
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from wavesweep.base.errors import Refused
from wavesweep.base.files import sync_directory
from wavesweep.config.config import Tracking
from wavesweep.config.tag_names import RUN_KEY
from wavesweep.runs.directory import RunDirectory
from wavesweep.tracking.addresses import SQLITE, artifact_root, full_address, sqlite_path
from wavesweep.tracking.answers import PATIENCE, bounded, reason, repository, with_bounds

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run


IMPATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
KIND, MACHINE_LEARNING = "mlflow.experimentKind", "custom_model_development"
"""What leads links to the pages for runs that train; MLflow would guess, and offer those for language models."""
SECONDS_AT_THE_END, SECONDS_AFTER_SIGNAL = 60.0, 1.0
SECONDS_LOCKED = 20.0  # for which MLflow, too, waits while others write to a sqlite store


@cache
def _chosen() -> frozenset[str]:
    """Return what the user has chosen of `PATIENCE`: asked once, before any of it is set here."""
    return frozenset(PATIENCE.keys() & os.environ.keys())


def connect(tracking: Tracking) -> tuple["MlflowClient", str]:
    """Return a client of the store and the id of the experiment, made if it wasn't there.

    Processes that come first at once to a sqlite store would spoil it: a lock beside it lets in one by one.

    Raises:
        mlflow.exceptions.MlflowException, sqlite3.Error: If the store can't be used.
        ValueError: If the experiment was deleted.
    """
    _chosen()
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    # MLflow also prints the server's address at the end of each run, password included.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    from filelock import FileLock
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    path = sqlite_path(tracking.uri)
    for name in ("alembic", "mlflow.store.db.utils", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="alembic")
    first_touch = nullcontext()
    if path is not None:
        _check_file(path)
        first_touch = FileLock(path.with_name(path.name + ".lock"), timeout=SECONDS_AT_THE_END)
    with first_touch:
        if path is not None and not path.exists():
            _make_store(path.resolve())  # of a link to where none is yet, the link stays
        client = MlflowClient(full_address(tracking) if path is None else f"{SQLITE}{path}")
        if tracking.uri.startswith("http"):
            client = with_bounds(client)
        experiment = client.get_experiment_by_name(tracking.experiment) or _create_experiment(client, tracking)
    if experiment.lifecycle_stage != "active":
        name = tracking.experiment
        raise ValueError(f"its experiment {name} was deleted; restore it, or choose another tracking.experiment")
    if KIND not in experiment.tags:
        try:
            client.set_experiment_tag(experiment.experiment_id, KIND, MACHINE_LEARNING)
        except MlflowException as error:
            if error.__context__:  # there was no answer; else the user may only read
                raise
    return client, experiment.experiment_id


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


def _check_file(path: Path) -> None:
    """Try a sqlite store: MLflow goes on trying for 100 s to open what can't be opened.

    Raises:
        sqlite3.Error: If the file is there and can't be used.
        OSError: If it is not there and can't be made.
        ValueError: If it is another program's.
    """
    if path.exists():
        address = f"{path.as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=SECONDS_LOCKED, uri=True)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            columns = {row[1] for row in connection.execute("PRAGMA table_info(experiments)")}
        if tables and not columns >= {"experiment_id", "artifact_location"}:  # MLflow would add its own to them
            raise ValueError("it is a database, but not MLflow's")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=path.parent):
        pass


def _make_store(path: Path) -> None:
    """Make a sqlite store under another name first: cut short, its making would leave one that can't be used.

    So it reaches the disk once, when it is whole, and not a thousand times on the way.
    """
    from mlflow import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    new = path.with_name(f".{path.name}.wavesweep")
    new.unlink(missing_ok=True)

    def leave_to_the_system(connection: object, _: object) -> None:
        """Of all that this process connects to meanwhile, in other threads too, take this store alone."""
        is_sqlite = isinstance(connection, sqlite3.Connection)
        if is_sqlite and str(new) in connection.execute("PRAGMA database_list").fetchone():
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", leave_to_the_system)
    try:
        MlflowClient(f"{SQLITE}{new}").get_experiment_by_name("any")
    finally:
        event.remove(Engine, "connect", leave_to_the_system)
    with new.open("rb") as made:
        os.fsync(made.fileno())
    new.replace(path)
    sync_directory(path.parent)


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


@contextmanager
def _at_once(tracking: Tracking) -> Iterator[None]:
    """Likewise, with requests tried once and shortly, unless the user has said how often and how long."""
    names = IMPATIENCE.keys() - _chosen()
    os.environ.update({name: IMPATIENCE[name] for name in names})
    try:
        with refusing(tracking):
            yield
    finally:
        os.environ.update({name: PATIENCE[name] for name in names})


def reach(tracking: Tracking) -> str:
    """Make sure, within seconds (20 where others write to it), that the store is there; return the experiment's id.

    Raises:
        Refused: If it isn't.
    """
    with _at_once(tracking):
        return connect(tracking)[1]


def require(tracking: Tracking) -> None:
    """Make sure, within seconds, that the store takes runs, as far as can be asked without making one.

    Asked is what a delivery asks first, and for leave to write: a tag gets the value that it has. Of artifacts a list
    is asked for, since nothing harmless tells whether any would be taken.

    Raises:
        Refused: If it doesn't.
    """
    path = sqlite_path(tracking.uri)
    with _at_once(tracking):
        client, experiment_id = connect(tracking)
        if path is None:
            experiment = client.get_experiment(experiment_id)
            client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = 'none'", max_results=1)
            client.set_experiment_tag(experiment_id, KIND, experiment.tags.get(KIND, MACHINE_LEARNING))
            if experiment.artifact_location.startswith("mlflow-artifacts:"):  # others need not go by the server
                bounded(repository(client, experiment.artifact_location).list_artifacts, "none")
        elif not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):  # a write takes 30 ms
            raise PermissionError(EACCES, os.strerror(EACCES))


def find_record(place: str | RunDirectory, tracking: Tracking) -> tuple["MlflowClient", "Run"]:
    """Return a client of the store, and MLflow's record of a run, or of a sweep.

    Args:
        place: The beginning of MLflow's id of it, or its directory.
        tracking: The store.

    Raises:
        Refused: If there is not one such record.
    """
    path, text = sqlite_path(tracking.uri), str(place.path if isinstance(place, RunDirectory) else place)
    if path is not None and not path.exists():
        raise Refused(f"{text} must be a run, but {tracking.uri} is not there; give another tracking.uri")
    wanted = f"attributes.run_id LIKE '{place}%'"
    if isinstance(place, RunDirectory):
        wanted = f"tags.`{RUN_KEY}` = '{place.read_info().run_key}'"
    with _at_once(tracking):
        client, _ = connect(tracking)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, wanted, max_results=2)
    if isinstance(place, RunDirectory) and not runs:
        raise Refused(f"{text} is not in {tracking.uri}; wavesweep sync {shlex.quote(text)} delivers it")
    if len(runs) != 1:
        problem = "has several; type more of it" if runs else "has none; name another, or its tracking.uri"
        raise Refused(f"{text} must be the beginning of one run's id, but {tracking.uri} {problem}")
    return client, runs[0]


def import_mlflow() -> None:
    """Import mlflow before a courier's thread starts, since imports of several threads at once block each other."""
    import mlflow  # noqa: F401
