"""A run as its directory or MLflow tells of it: plain values and tensors, never code that they name."""

from collections import defaultdict
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.base.files import MOST_BYTES
from wavesweep.config.config import Config, Resolved, Tracking
from wavesweep.config.groups import groups
from wavesweep.config.tag_names import STATUS
from wavesweep.evaluation import metric_names as names
from wavesweep.files.copies import MOST_KEPT, is_lost
from wavesweep.trackers.mlflow.artifacts import download
from wavesweep.trackers.mlflow.store import find_record, refusing
from wavesweep.workspace.configurations import check_unchanged, read_resolved, read_written
from wavesweep.workspace.directory import MOST_WEIGHTS, RunDirectory
from wavesweep.workspace.index import find_run as find_on_disk

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True)
class StoredRun:
    """A run that was begun.

    Attributes:
        place: Its directory, or MLflow's id of it.
        status: How it stands.
        config: Its complete configuration.
        composed: The configuration as it was written.
        choices: The option chosen in each config group.
        tags: What it ran on, and what it kept.
        data: The digest of each part of its data, by the part's name.
        records: Metrics by epoch; at 0 what is measured once. What was not finite is missing.
        weights: The content of model.safetensors; empty where it has none.
    """

    place: str
    status: str
    config: Resolved
    composed: Config
    choices: dict[str, str]
    tags: dict[str, str]
    data: dict[str, str]
    records: dict[int, dict[str, float]]
    weights: bytes


def find_run(place: str, tracking: Tracking) -> StoredRun:
    """Return the run that a place names: a directory, MLflow's id or its unique beginning, or `latest`.

    Raises:
        Refused: If there is none, or it can't be read.
    """
    if found := find_on_disk(place):
        return from_directory(found)
    return from_mlflow(place, tracking)


def from_directory(directory: RunDirectory) -> StoredRun:
    """Read a run from its directory.

    Raises:
        Refused: If it can't be read.
    """
    info, scores = directory.read_info(), directory.read_scores()
    stored = StoredRun(
        place=str(relative(directory.path)),
        status=info.status,
        choices=info.choices,
        tags=info.tags,
        data={part["context"]: part["digest"] for part in info.inputs},
        records={epoch: {key: x for key, x in row.items() if not isnan(x)} for epoch, row in scores.items()},
        **_files(directory),
    )
    check_unchanged(directory)
    return stored


def from_mlflow(beginning: str, tracking: Tracking) -> StoredRun:
    """Read a run from MLflow alone, by the beginning of its id.

    Raises:
        Refused: If there is not one such run, or it lacks what is needed.
    """
    client, run = find_record(beginning, tracking)
    run_id, records = run.info.run_id, defaultdict(dict)
    with TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder))
        limits = {directory.config.name: MOST_BYTES, directory.composed.name: MOST_BYTES}
        limits |= {directory.weights.name: MOST_WEIGHTS}
        with refusing(tracking):
            for key in run.data.metrics.keys() - {names.DIGITS, names.TEST_DIGITS}:
                for point in client.get_metric_history(run_id, key):
                    records[point.step][key] = point.value
            download(client, str(run.info.artifact_uri), limits, directory.path)
            if not directory.config.exists():
                lacks_it = f"run {run_id} has no config.yaml among its artifacts, as sweeps haven't"
                raise Refused(f"{lacks_it}; name another run")
            _fetch_data(client, run, directory)
        return StoredRun(
            place=run_id,
            status=run.data.tags.get(STATUS, "running"),
            choices={group: run.data.params[group] for group in groups() if group in run.data.params},
            tags=run.data.tags,
            data=_digests(run),
            records=dict(records),
            **_files(directory),
        )


def _fetch_data(client: "MlflowClient", run: "Run", directory: RunDirectory) -> None:
    """Download the copy of the file that a run read, its own or its sweep's, where the file is no more what it was."""
    file = read_resolved(directory.config).dataset.file
    if file is None or not is_lost(*file):
        return
    copy = f"{directory.data.name}/{Path(file[0]).name}"
    directory.data.mkdir()
    for run_id in filter(None, [run.info.run_id, run.data.tags.get("mlflow.parentRunId")]):
        if not (directory.path / copy).exists():
            address = str(client.get_run(run_id).info.artifact_uri)
            download(client, address, {copy: MOST_KEPT}, directory.path, directory.data.name)


def _files(directory: RunDirectory) -> dict[str, Any]:
    """Read what stands in files of their own, of a run's directory as of its artifacts."""
    return {
        "config": read_resolved(directory.config),
        "composed": read_written(directory.composed),
        "weights": directory.read_weights(),
    }


def _digests(run: "Run") -> dict[str, str]:
    """Return the digests of the data that MLflow has of a run, by the part's name."""
    inputs = run.inputs.dataset_inputs if run.inputs else []
    contexts = [{tag.key: tag.value for tag in one.tags}.get("mlflow.data.context", "") for one in inputs]
    return {context: one.dataset.digest for context, one in zip(contexts, inputs, strict=True)}
