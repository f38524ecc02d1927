"""MLflow's copy of a run: the only module that imports mlflow."""

import json
import logging
import os
import platform
import re
import sqlite3
import time
import warnings
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from wavesweep import interrupts
from wavesweep.config import Config, Tracking, flatten
from wavesweep.redaction import public_address, without_password
from wavesweep.rundir import COMPLETE, PARENT, RunDirectory, RunInfo, SweepRecord, write_atomically
from wavesweep.schema import Refused

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Experiment, Run

log = logging.getLogger("wavesweep")

STATUS = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "diverged": "FAILED",
    "pruned": "KILLED",
    "failed": "FAILED",
    "killed": "KILLED",
}
STATUS_TAG, KEY_TAG = "wavesweep.status", "wavesweep.run_key"
SQLITE = "sqlite:///"
PATIENCE = {  # by default MLflow tries for four minutes to reach a server that isn't there
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
IMPATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
CHOSEN = PATIENCE.keys() & os.environ.keys()  # by the user
SECONDS_AT_THE_END, SECONDS_AFTER_SIGNAL = 60.0, 1.0
BROKEN = ("SQLITE_ERROR", "SQLITE_CORRUPT")
"""What sqlite says where a table is missing or there already, or a page is not what it should be."""


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a sqlite store; None for other stores."""
    return Path(uri.removeprefix(SQLITE)).absolute() if uri.startswith(SQLITE) else None


def artifact_root(tracking: Tracking) -> Path:
    """Return where the artifacts of a store without a server go: below outputs/, or beside a store elsewhere."""
    path = sqlite_path(tracking.uri)
    elsewhere = path is not None and not path.is_relative_to(Path.cwd())
    return (path.parent if path and elsewhere else Path("outputs").absolute()) / "mlartifacts"


class LeftAlone(Exception):
    """MLflow's record of the run is not ours to change."""


def deliver(directory: RunDirectory, tracking: Tracking, there: dict[str, int] | None = None) -> str:
    """Make MLflow's record of a run equal to the run's directory; harmless to repeat.

    The run is found by its key before it is created. Points that are already there merge, since they carry
    the time at which they were recorded; artifacts and dataset inputs overwrite. Artifacts travel once the
    run has ended. The tag of its status is `running` until all is there (see `is_delivered`).

    Args:
        directory: Of the run, with configuration and run.json; whoever calls holds its lock.
        tracking: Where to.
        there: How many records MLflow is known to have, by its id of the run; brought up to date. They are not sent
            again, which would cost MLflow more than the first time.

    Returns:
        MLflow's id of the run.

    Raises:
        LeftAlone: If someone deleted the run, or the directory is an older copy of it.
        Refused: If the directory can't be read.
        Exception: Whatever MLflow raises if the store can't be used.
    """
    info = directory.read_info()
    client, experiment_id = connect(tracking)
    run = _record(client, experiment_id, directory)
    run_id, status = run.info.run_id, run.data.tags.get(STATUS_TAG)
    if status in COMPLETE and not info.complete:
        raise LeftAlone(f"the run has {status} there, and this is an older copy of it; remove that")
    if status != "running":
        client.set_tag(run_id, STATUS_TAG, "running")
    _log_params_and_tags(client, run_id, directory, info)
    if info.sweep_id and not directory.is_sweep and "mlflow.parentRunId" not in run.data.tags:
        _log_parent(client, experiment_id, run_id, directory)
    if info.ended is None and run.info.status != "RUNNING":
        client.update_run(run_id, "RUNNING")  # resumed
    if info.status in ("killed", "failed"):
        client.set_terminated(run_id, STATUS[info.status], info.ended)  # at once: time may be short
    rows, there = directory.read_metrics(), {} if there is None else there
    _log_metrics(client, run_id, rows[there.get(run_id, 0) :])
    there[run_id] = len(rows)
    if info.inputs:
        client.log_inputs(run_id, [_dataset_input(part) for part in info.inputs])
    if info.ended is not None:
        _log_artifacts(client, run_id, directory)
        _announce_model(client, run_id, directory)
        client.set_terminated(run_id, STATUS[info.status], info.ended)
    client.set_tag(run_id, STATUS_TAG, info.status)
    directory.undelivered.unlink(missing_ok=True)
    return run_id


def _record(client: "MlflowClient", experiment_id: str, directory: RunDirectory) -> "Run":
    """Return MLflow's record, created if it wasn't there: of a sweep by one process at a time, since all its runs do.

    Raises:
        LeftAlone: If someone deleted it.
    """
    from filelock import FileLock

    info, lock = directory.read_info(), FileLock(directory.path / ".parent.lock", timeout=SECONDS_AT_THE_END)
    with lock if directory.is_sweep else nullcontext():
        if there := _find(client, experiment_id, info):
            return there
        tags = {KEY_TAG: info.run_key, STATUS_TAG: "running"}
        created = client.create_run(experiment_id, info.started, tags, info.name)
        return _find(client, experiment_id, info) or created


def _log_parent(client: "MlflowClient", experiment_id: str, run_id: str, directory: RunDirectory) -> None:
    """Hang a run of a sweep under the sweep's."""
    sweep = next((path for path in directory.path.absolute().parents if (path / PARENT).exists()), None)
    if sweep is not None:
        with suppress(LeftAlone):
            parent = _record(client, experiment_id, SweepRecord(sweep))
            client.set_tag(run_id, "mlflow.parentRunId", parent.info.run_id)


def is_delivered(directory: RunDirectory, tracking: Tracking) -> bool:
    """Say whether MLflow's record of a run is complete.

    Raises:
        LeftAlone: If someone deleted the run.
        Refused: If the directory can't be read.
        Exception: Whatever MLflow raises if the store can't be used.
    """
    info = directory.read_info()
    client, experiment_id = connect(tracking)
    run = _find(client, experiment_id, info)
    return run is not None and run.data.tags.get(STATUS_TAG) == info.status and run.info.end_time == info.ended


def connect(tracking: Tracking) -> tuple["MlflowClient", str]:
    """Return a client of the store and the id of the experiment, made if it wasn't there.

    Processes that come first at once to a sqlite store would spoil it: a lock beside it lets in one by one.

    Raises:
        mlflow.exceptions.MlflowException, sqlite3.Error: If the store can't be used.
        ValueError: If the experiment was deleted.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    # MLflow also prints the server's address at the end of each run, password included.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    from filelock import FileLock
    from mlflow import MlflowClient

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
            _make_store(path)
        client = MlflowClient(tracking.uri if path is None else f"{SQLITE}{path}")
        experiment = client.get_experiment_by_name(tracking.experiment) or _create_experiment(client, tracking)
    if experiment.lifecycle_stage != "active":
        name = tracking.experiment
        raise ValueError(f"its experiment {name} was deleted; restore it, or choose another tracking.experiment")
    return client, experiment.experiment_id


def _create_experiment(client: "MlflowClient", tracking: Tracking) -> "Experiment":
    """Create the experiment; where another process was faster, return that one's."""
    from mlflow.exceptions import MlflowException

    # The default artifact root, ./mlruns, would lie outside outputs/.
    root = None if tracking.uri.startswith("http") else artifact_root(tracking).as_uri()
    try:
        return client.get_experiment(client.create_experiment(tracking.experiment, artifact_location=root))
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
    """
    if path.exists():
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection:
            connection.execute("SELECT name FROM sqlite_master")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=path.parent):
        pass


def _make_store(path: Path) -> None:
    """Make a sqlite store under another name first: cut short, its making would leave one that can't be used."""
    from mlflow import MlflowClient

    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    MlflowClient(f"{SQLITE}{new}").get_experiment_by_name("any")
    new.replace(path)


def require(tracking: Tracking) -> str:
    """Make sure, within seconds, that the store can be used; return the id of the experiment.

    Requests are tried once and shortly, unless the user has said how often and how long.

    Raises:
        Refused: If it can't.
    """
    names = IMPATIENCE.keys() - CHOSEN
    os.environ.update({name: IMPATIENCE[name] for name in names})
    try:
        return connect(tracking)[1]
    except Exception as error:
        server = "start the server, or " if tracking.uri.startswith("http") else ""
        raise Refused(
            f"tracking.uri={public_address(tracking.uri)} can't be used ({reason(error, tracking)}); "
            f"{server}give another address"
        ) from None
    finally:
        os.environ.update({name: PATIENCE[name] for name in names})


def import_mlflow() -> None:
    """Import what a courier needs, before its thread is there: imports of several threads at once get in their way."""
    import mlflow  # noqa: F401


class Courier(AbstractContextManager["Courier"]):
    """Delivers a run in the background while it trains, spaced such that this costs a fiftieth of the time at most.

    What fails is tried again later: training goes on, and the run's directory holds all.

    Args:
        directory: Of the run; whoever makes the courier holds its lock until it has ended, and has imported mlflow.
        tracking: Where to.

    Attributes:
        run_id: MLflow's id of the run, once that is known.
        delivered: Whether all that there was went well the last time.
        left_alone: Whether MLflow's record is not ours to change.
    """

    patience = SECONDS_AT_THE_END  # with the end of a run; of a sweep's runs, only the first waits for a silent server

    def __init__(self, directory: RunDirectory, tracking: Tracking) -> None:
        self.directory, self.tracking = directory, tracking
        self.run_id: str | None = None
        self.delivered, self.left_alone = False, False
        self._there: dict[str, int] = {}
        self._complaint = ""
        self._ended = Event()
        self._thread = Thread(target=self._work, name="courier", daemon=True)
        self._thread.start()

    @property
    def has_all(self) -> bool:
        """Whether MLflow's record is complete, or not ours to complete."""
        return not self._thread.is_alive() and (self.delivered or self.left_alone)

    def __exit__(self, *_: object) -> None:
        """Deliver for the last time, since the run has ended; wait for it, after a signal only for a moment."""
        self.directory.undelivered.touch()
        self._ended.set()
        began = time.monotonic()
        while self._thread.is_alive() and time.monotonic() - began < Courier.patience:
            if interrupts.waited() > SECONDS_AFTER_SIGNAL:
                return
            self._thread.join(0.05)
        Courier.patience = SECONDS_AT_THE_END if self.has_all else SECONDS_AFTER_SIGNAL

    def _work(self) -> None:
        pause = 0.0
        with suppress(Exception):  # where memory doesn't even suffice to say what failed, the run says so
            while not self.left_alone:
                last = self._ended.wait(pause)
                began = time.thread_time()
                self._send()
                pause = max(2.0, 50 * (time.thread_time() - began))
                if last or (self._ended.is_set() and not self.delivered):
                    return

    def _send(self) -> None:
        self.delivered = False
        try:
            self.run_id = deliver(self.directory, self.tracking, self._there)
            self.delivered = True
            if self._complaint:
                log.info("MLflow takes the run again")
            self._complaint = ""
        except Exception as error:
            self.left_alone = isinstance(error, LeftAlone)
            complaint = reason(error, self.tracking)
            if complaint != self._complaint:
                what = "is left alone" if self.left_alone else "has not taken the run yet"
                log.warning("MLflow %s: %s", what, complaint)
            self._complaint = complaint


def reason(error: BaseException, tracking: Tracking) -> str:
    """Return in a few words why the store could not be used: the system's own where it has any."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorname", "") in BROKEN:
            path = str(sqlite_path(tracking.uri))
            move = f"mv {quote(path)} {quote(path + '.broken')}"
            return f"it is half made or damaged: {move}, then wavesweep sync makes it anew"
        if isinstance(cause, sqlite3.Error):
            return str(cause)
        if isinstance(cause, TimeoutError):
            seconds = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
            return f"no answer within {seconds} s; MLFLOW_HTTP_REQUEST_TIMEOUT=60 waits longer"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    text = without_password(str(error)).strip() or type(error).__name__
    if code := re.search(r"too many (\d+) error responses", text):
        return f"it answers {code[1]}"
    if "Connection aborted" in text:
        return "it ends the connection without an answer"
    return text.splitlines()[0].partition(". ")[0]


def _find(client: "MlflowClient", experiment_id: str, info: RunInfo) -> "Run | None":
    """Return MLflow's record of the run, if it has one; of several, delete all but one.

    There may be more where a request to create it was carried out, but its answer lost.

    Raises:
        LeftAlone: If there are only deleted ones.
    """
    from mlflow.entities import ViewType

    wanted = f"tags.`{KEY_TAG}` = '{info.run_key}'"
    found = client.search_runs([experiment_id], wanted, ViewType.ALL)
    active = sorted((run for run in found if run.info.lifecycle_stage == "active"), key=lambda run: run.info.run_id)
    if found and not active:
        raise LeftAlone("the run was deleted there, and stays so")
    for double in active[1:]:
        client.delete_run(double.info.run_id)
    return active[0] if active else None


def _log_params_and_tags(client: "MlflowClient", run_id: str, directory: RunDirectory, info: RunInfo) -> None:
    from mlflow.entities import Param, RunTag

    values = {} if directory.is_sweep else flatten(directory.read_config()) | info.choices  # which its runs don't share
    params = [Param(key, str(value)) for key, value in values.items() if not key.startswith("tracking.")]
    more = {"mlflow.note.content": info.description, "wavesweep.sweep_id": info.sweep_id or ""}
    tags = info.tags | {key: value for key, value in more.items() if value}
    client.log_batch(run_id, params=params, tags=[RunTag(key, value) for key, value in tags.items()])


def _log_metrics(client: "MlflowClient", run_id: str, rows: list[dict[str, Any]]) -> None:
    """Log all points, with the epoch as step; one that is not finite is left out: MLflow would rank inf first.

    What is measured once has step 0: the UI then shows the values of all runs above each other.
    """
    from mlflow.entities import Metric

    points = [
        Metric(key, value, row["timestamp"], row.get("epoch", 0))
        for row in rows
        for key, value in row.items()
        if "/" in key and value is not None  # the others say of which epoch, and at what cost
    ]
    client.log_batch(run_id, points)


def _dataset_input(part: dict[str, Any]) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = json.dumps(dict(zip(("num_series", "num_steps", "num_channels"), part["shape"], strict=True)))
    dataset = Dataset(part["name"], part["digest"], "wavesweep", json.dumps(part["source"]), profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", part["context"])])


def _log_artifacts(client: "MlflowClient", run_id: str, directory: RunDirectory) -> None:
    for path in directory.artifacts():
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))


def _announce_model(client: "MlflowClient", run_id: str, directory: RunDirectory) -> None:
    """Let the UI show the folder `model` as a model, with its signature and how to use it."""
    from mlflow.models import Model

    if directory.model.exists():
        model = Model.load(str(directory.model / "MLmodel"))
        model.run_id, model.artifact_path = run_id, directory.model.name
        client.set_tag(run_id, "mlflow.log-model.history", json.dumps([model.get_tags_dict()]))


def save_model(directory: RunDirectory, config: Config) -> None:
    """Save the trained network as an MLflow pyfunc model that stores tensors and no code.

    `mlflow models serve --env-manager local` serves it; see served_model.py for what it takes. Not by
    `mlflow.pyfunc.save_model`, which looks through all installed packages for half a second.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import add_to_model
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    data = directory.model / "data"
    data.mkdir(parents=True, exist_ok=True)
    for path in (directory.config, directory.weights):
        write_atomically(data / path.name, path.read_bytes())
    requirements = [f"{package}=={version(package).partition('+')[0]}" for package in ("wavesweep", "mlflow", "torch")]
    write_atomically(directory.model / "requirements.txt", "\n".join([*requirements, ""]).encode())
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    write_atomically(directory.model / "python_env.yaml", json.dumps(environment).encode())  # JSON is YAML

    columns = Schema([ColSpec("double", channel) for channel in config.dataset.channels])
    horizon = ParamSchema([ParamSpec("horizon", "long", config.forecast.horizon)])
    model = Model(signature=ModelSignature(inputs=columns, outputs=columns, params=horizon))
    add_to_model(model, loader_module="wavesweep.served_model", data="data", python_env="python_env.yaml")
    write_atomically(directory.model / "MLmodel", model.to_yaml().encode())
