"""Delivery: makes MLflow's record of a run equal to the run's directory."""

import json
import logging
import shlex
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

from wavesweep.base import names
from wavesweep.config.config import Tracking, flatten
from wavesweep.runs.directory import PARENT, RunDirectory, SweepRecord
from wavesweep.runs.info import COMPLETE, RunInfo
from wavesweep.tracking.model import announce_model
from wavesweep.tracking.store import SECONDS_AT_THE_END, connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run


log = logging.getLogger("wavesweep")

DEFAULT_STORE = "sqlite:///outputs/mlflow.db"

STATUS = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "diverged": "FAILED",
    "pruned": "KILLED",
    "failed": "FAILED",
    "killed": "KILLED",
}


class LeftAlone(Exception):
    """Raised where MLflow's record of the run is not ours to change."""


def deliver(directory: RunDirectory, tracking: Tracking, there: dict[str, int] | None = None) -> tuple[str, str]:
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
        MLflow's ids of the experiment and of the run.

    Raises:
        LeftAlone: If someone deleted the run, or the directory is an older copy of it.
        Refused: If the directory can't be read.
        Exception: Whatever MLflow raises if the store can't be used.
    """
    info = directory.read_info()
    client, experiment_id = connect(tracking)
    run = _record(client, experiment_id, directory)
    run_id, status = run.info.run_id, run.data.tags.get(names.STATUS)
    if status in COMPLETE and not info.complete:
        raise LeftAlone(f"the run has {status} there, and this is an older copy of it; remove that")
    if status != "running":
        client.set_tag(run_id, names.STATUS, "running")
    _log_params_and_tags(client, run_id, directory, info, tracking)
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
        announce_model(client, run_id, directory)
        client.set_terminated(run_id, STATUS[info.status], info.ended)
    client.set_tag(run_id, names.STATUS, info.status)
    directory.undelivered.unlink(missing_ok=True)
    return experiment_id, run_id


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
        tags = {names.RUN_KEY: info.run_key, names.STATUS: "running"}
        created = client.create_run(experiment_id, info.started, tags, info.name)
        return _find(client, experiment_id, info) or created


def _log_parent(client: "MlflowClient", experiment_id: str, run_id: str, directory: RunDirectory) -> None:
    """Tag a run of a sweep with its parent, the sweep's run."""
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
    return run is not None and run.data.tags.get(names.STATUS) == info.status and run.info.end_time == info.ended


def _find(client: "MlflowClient", experiment_id: str, info: RunInfo) -> "Run | None":
    """Return MLflow's record of the run, if it has one; of several, delete all but one.

    There may be more where a request to create it was carried out, but its answer lost.

    Raises:
        LeftAlone: If there are only deleted ones.
    """
    from mlflow.entities import ViewType

    wanted = f"tags.`{names.RUN_KEY}` = '{info.run_key}'"
    found = client.search_runs([experiment_id], wanted, ViewType.ALL)
    active = sorted((run for run in found if run.info.lifecycle_stage == "active"), key=lambda run: run.info.run_id)
    if found and not active:
        raise LeftAlone("the run was deleted there, and stays so")
    for double in active[1:]:
        client.delete_run(double.info.run_id)
    return active[0] if active else None


def _log_params_and_tags(
    client: "MlflowClient", run_id: str, directory: RunDirectory, info: RunInfo, tracking: Tracking
) -> None:
    from mlflow.entities import Param, RunTag

    values = {} if directory.is_sweep else flatten(directory.read_config()) | info.choices  # which its runs don't share
    params = [Param(key, str(value)) for key, value in values.items() if not key.startswith("tracking.")]
    note = [info.description, "" if directory.is_sweep else _how_to_repeat(run_id, tracking)]
    more = {"mlflow.note.content": "\n\n".join(filter(None, note)), names.SWEEP_ID: info.sweep_id or ""}
    tags = info.tags | {key: value for key, value in more.items() if value}
    client.log_batch(run_id, params=params, tags=[RunTag(key, value) for key, value in tags.items()])


def _how_to_repeat(run_id: str, tracking: Tracking) -> str:
    """Return a sentence with the command that runs a run again."""
    where = [] if tracking.uri == DEFAULT_STORE else [f"tracking.uri={tracking.uri}"]
    return f"`{shlex.join(['wavesweep', 'reproduce', run_id, *where])}` runs it again and compares every metric."


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
    dataset = Dataset(part["name"], part["digest"], "wavesweep", json.dumps(part.get("source")), profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", part["context"])])


def _log_artifacts(client: "MlflowClient", run_id: str, directory: RunDirectory) -> None:
    for path in directory.artifacts():
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))
