"""MLflow's record of a run or a sweep, made equal to its directory."""

import json
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wavesweep.config import tag_names as names
from wavesweep.config.config import Tracking, flatten
from wavesweep.evaluation.metric_names import DIGITS, OBJECTIVE, SCALED, TEST_DIGITS, is_metric, metric
from wavesweep.experiment.description import digits
from wavesweep.trackers.mlflow.addresses import artifact_page, runs_page, store_override
from wavesweep.trackers.mlflow.artifacts import upload
from wavesweep.trackers.mlflow.logged_model import log_model
from wavesweep.trackers.mlflow.store import connect
from wavesweep.trackers.mlflow.views import View, of_sweep, publish, runs_view, sweep_view, sweeps_view
from wavesweep.tracking.tracker import LeftAlone
from wavesweep.workspace.directory import Directory, RunDirectory, SweepRecord
from wavesweep.workspace.info import COMPLETE, RunInfo
from wavesweep.workspace.places import PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Run


POINTS = 1000  # which MLflow sends by one request
SECONDS_FOR_PARENT = 60.0

IN_DIGITS = {OBJECTIVE: DIGITS, metric("test", SCALED): TEST_DIGITS}
"""Errors that MLflow also gets as -log10, which its narrow columns and its linear axes can show."""

STATUS = {"diverged": "FAILED", "pruned": "KILLED"}
"""What MLflow calls a status; the others it calls as we do, in capital letters."""


def deliver(directory: Directory, tracking: Tracking, sent: dict[str, int] | None = None) -> list[str]:
    """Make MLflow's record of a run equal to the run's directory; harmless to repeat.

    The run is found by its key before it is created. Points that are already there merge, since they carry
    the time at which they were recorded; artifacts and dataset inputs overwrite. Artifacts travel once the
    run has ended. The tag of its status is `running` until all is there (see `is_delivered`).

    Args:
        directory: Of the run, with configuration and run.json; whoever calls holds its lock of delivery.
        tracking: Where to.
        sent: How many of the run's records MLflow has, by MLflow's id of the run: kept by who delivers again and
            again, and brought up to date here. They are not sent again, which would cost MLflow more than the first
            time.

    Returns:
        MLflow's ids of the experiment and of the run.

    Raises:
        LeftAlone: If someone deleted the run, or the directory is an older copy of it.
        Refused: If the directory can't be read.
        Exception: Whatever MLflow raises if the store can't be used.
    """
    sent = {} if sent is None else sent
    info = directory.read_info()
    client, experiment_id = connect(tracking)
    run = _find_or_create(client, experiment_id, directory)
    run_id = run.info.run_id
    _check_age(info, run)

    if run.data.tags.get(names.STATUS) != "running":
        client.set_tag(run_id, names.STATUS, "running")
    if info.status in ("killed", "failed"):
        _terminate(client, run_id, info)  # at once: time may be short
    _log_params_and_tags(client, experiment_id, run_id, directory, info, tracking)
    if info.sweep_id and not isinstance(directory, SweepRecord) and "mlflow.parentRunId" not in run.data.tags:
        _log_parent(client, experiment_id, run_id, directory)
    if info.ended is None and run.info.status != "RUNNING":
        client.update_run(run_id, "RUNNING")  # resumed
    rows = directory.read_metrics()
    exact = _may_be_exact(directory)
    there = sent.get(run_id, 0)
    last = _points(rows[:there][-1:], exact)
    if any(run.data.metrics.get(point.key) != point.value for point in last):  # the store is an older copy of itself
        there = 0
    _log_points(client, run_id, _points(rows[there:], exact))
    sent[run_id] = len(rows)
    if info.inputs:
        client.log_inputs(run_id, [_dataset_input(part) for part in info.inputs])
    if views := _views(directory, info, exact):
        publish(client, experiment_id, views)
    if info.ended is not None:
        _upload_artifacts(client, run, directory, info)
        if info.status == "finished" and isinstance(directory, RunDirectory) and directory.model.exists():
            kept = directory.read_kept_epoch()
            log_model(client, run, directory, _points([row for row in rows if row.get("epoch", kept) == kept], exact))
        _terminate(client, run_id, info)
    client.set_tag(run_id, names.STATUS, info.status)
    return [experiment_id, run_id]


def _check_age(info: RunInfo, run: "Run") -> None:
    """Make sure that the directory is no copy of before the run ended, or before its sweep went on.

    Raises:
        LeftAlone: If it is.
    """
    status = run.data.tags.get(names.STATUS)
    if status in COMPLETE and not info.complete and _times_reopened(info.tags) <= _times_reopened(run.data.tags):
        raise LeftAlone(f"the run has {status} there, and this is an older copy of it; remove that")


def _times_reopened(tags: dict[str, str]) -> int:
    text = tags.get(names.REOPENED, "")
    return int(text) if text.isdecimal() else 0


def _terminate(client: "MlflowClient", run_id: str, info: RunInfo) -> None:
    client.set_terminated(run_id, STATUS.get(info.status, info.status.upper()), info.ended)


def _log_points(client: "MlflowClient", run_id: str, points: list["Metric"]) -> None:
    for start in range(0, len(points), POINTS):
        client.log_batch(run_id, points[start : start + POINTS])


def _upload_artifacts(client: "MlflowClient", run: "Run", directory: Directory, info: RunInfo) -> None:
    for path in directory.artifacts():
        if path == directory.data and info.sweep_id and not isinstance(directory, SweepRecord):
            continue  # the sweep has it
        upload(client, path, str(run.info.artifact_uri), directory.path)


def _may_be_exact(directory: Directory) -> bool:
    """Say whether the series are generated: without noise, errors span decades, and digits tell them apart."""
    return "path" not in directory.read_config().get("dataset", {})


def _views(directory: Directory, info: RunInfo, exact: bool) -> list[View]:
    """Return the views that show a run: a single one's once it has ended; those of a sweep show its jobs too."""
    if isinstance(directory, SweepRecord):
        return [sweep_view(info, in_digits=exact), sweeps_view()]
    return [runs_view()] if info.ended is not None and not info.sweep_id else []


def _find_or_create(client: "MlflowClient", experiment_id: str, directory: Directory) -> "Run":
    """Return MLflow's record, created if it wasn't there.

    Raises:
        LeftAlone: If someone deleted it.
    """
    info = directory.read_info()
    if there := _find(client, experiment_id, info):
        return there
    tags = {names.RUN_KEY: info.run_key, names.STATUS: "running"}
    created = client.create_run(experiment_id, info.started, tags, info.name)
    return _find(client, experiment_id, info) or created


def _log_parent(client: "MlflowClient", experiment_id: str, run_id: str, directory: Directory) -> None:
    """Tag a run of a sweep with its parent, the sweep's run."""
    sweep = next((path for path in directory.path.absolute().parents if (path / PARENT).exists()), None)
    if sweep is not None:
        record = SweepRecord(sweep)
        with suppress(LeftAlone), record.being_delivered(SECONDS_FOR_PARENT):  # one process makes it, whoever comes
            parent = _find_or_create(client, experiment_id, record)
            client.set_tag(run_id, "mlflow.parentRunId", parent.info.run_id)


def is_delivered(directory: Directory, tracking: Tracking) -> bool:
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
    client: "MlflowClient", experiment_id: str, run_id: str, directory: Directory, info: RunInfo, tracking: Tracking
) -> None:
    from mlflow.entities import Param, RunTag

    values = {} if isinstance(directory, SweepRecord) else flatten(directory.read_config()) | info.choices | info.params
    params = [Param(key, str(value)) for key, value in values.items() if not key.startswith("tracking.")]
    note = [info.description]
    if isinstance(directory, SweepRecord):
        runs, charts = (runs_page(experiment_id, of_sweep(str(info.sweep_id)), charts=some) for some in (False, True))
        links = f"All runs: [list]({runs}), [charts]({charts})"
        if info.ended is not None:
            links += f", [leaderboard]({artifact_page(run_id, 'leaderboard.csv')})"
        note.insert(0, f"{links}.")
    else:
        command = shlex.join(["wavesweep", "reproduce", run_id, *store_override(tracking)])
        note.append(f"`{command}` runs it again and compares every metric.")
    tags = {key: _as_typed(value) for key, value in tracking.tags.items()} | info.tags
    if isinstance(directory, SweepRecord):  # as tags, since params can't be changed, and a sweep may grow
        tags |= {f"{names.OWN}{key}": text for key, text in info.params.items()}
    if info.sweep_id:
        tags[names.SWEEP_ID] = info.sweep_id
    if text := "\n\n".join(filter(None, note)):
        tags["mlflow.note.content"] = text
    client.log_batch(run_id, params=params, tags=[RunTag(key, value) for key, value in tags.items()])


def _as_typed(value: object) -> str:
    """Return the value of a tag as it is written on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _points(rows: list[dict[str, Any]], exact: bool) -> list["Metric"]:
    """Return all points, with the epoch as step, and errors in digits too where forecasts may be exact.

    One that is not finite is left out: MLflow would rank inf first.
    What is measured once has step 0: the UI then shows the values of all runs above each other.
    """
    from mlflow.entities import Metric

    return [
        Metric(key, value, row["timestamp"], row.get("epoch", 0))
        for row in rows
        for key, value in (row | _in_digits(row) if exact else row).items()
        if is_metric(key) and value is not None
    ]


def _in_digits(row: dict[str, Any]) -> dict[str, float]:
    """Return -log10 of the errors of a record, to two decimals, by their names."""
    return {name: digits(row[key]) for key, name in IN_DIGITS.items() if (row.get(key) or 0) > 0}


def _dataset_input(part: dict[str, Any]) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = json.dumps(dict(zip(("num_series", "num_steps", "num_channels"), part["shape"], strict=True)))
    dataset = Dataset(part["name"], part["digest"], "wavesweep", json.dumps(part.get("source")), profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", part["context"])])
