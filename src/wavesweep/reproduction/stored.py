"""A run as its directory or MLflow tells of it: plain values and tensors, never code that they name."""

from collections import defaultdict
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from wavesweep.base.errors import Refused, relative
from wavesweep.base.files import MOST_BYTES, PARENT
from wavesweep.config.config import Config, Tracking
from wavesweep.config.groups import groups
from wavesweep.config.tag_names import STATUS
from wavesweep.files.source import MOST_KEPT, lacks
from wavesweep.models import metric_names as names
from wavesweep.runs.directory import MOST_WEIGHTS, RunDirectory
from wavesweep.runs.finding import check_unchanged, read_stored, runs_below_outputs
from wavesweep.tracking.answers import bounded, repository
from wavesweep.tracking.store import find_record, refusing

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
        composed: The configuration before anything was filled in; None of runs of older versions.
        choices: The option chosen in each config group.
        tags: What it ran on, and what it kept.
        data: The digest of each part of its data, by the part's name.
        records: Metrics by epoch; at 0 what is measured once. What was not finite is missing.
        weights: The content of model.safetensors; empty where it has none.
    """

    place: str
    status: str
    config: Config
    composed: Config | None
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
    if place == "latest":
        return from_directory(_latest())
    if RunDirectory(Path(place)).info.exists():
        return from_directory(RunDirectory(Path(place)))
    if (Path(place) / PARENT).exists():
        raise Refused(f"{place} is a sweep; name one of its runs")
    if Path(place).exists() or not place.isalnum():
        raise Refused(f"{place} must be a run's directory, MLflow's id of a run, or latest, got no run; name another")
    return from_mlflow(place, tracking)


def _latest() -> RunDirectory:
    """Return the run that was begun last of those below outputs/."""
    runs = [run for run in runs_below_outputs() if not run.is_sweep]
    if not runs:
        raise Refused("latest names the run begun last below outputs, but there is none; name another")
    return max(runs, key=lambda run: run.read_info().started)


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
            _download(client, run, limits, directory.path)
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
    source = read_stored(directory.config, {}).dataset.source
    if source is None or not lacks(*source):
        return
    parent = run.data.tags.get("mlflow.parentRunId")
    copy = f"{directory.data.name}/{Path(source[0]).name}"
    directory.data.mkdir()
    for one in [run, *([client.get_run(parent)] if parent else [])]:
        if not (directory.path / copy).exists():
            _download(client, one, {copy: MOST_KEPT}, directory.path, directory.data.name)


def _download(client: "MlflowClient", run: "Run", limits: dict[str, int], to: Path, below: str | None = None) -> None:
    """Download some of a run's artifacts into a folder, given the most bytes that each may have."""
    there = repository(client, str(run.info.artifact_uri))
    for artifact in bounded(there.list_artifacts, below):
        size = artifact.file_size or 0
        if size <= limits.get(artifact.path, -1):
            # download_artifacts has threads of its own, which Python would wait for in the end
            bounded(there._download_file, artifact.path, str(to / artifact.path), num_bytes=size)


def _files(directory: RunDirectory) -> dict[str, Any]:
    """Read what stands in files of their own, of a run's directory as of its artifacts."""
    composed = directory.composed
    return {
        "config": read_stored(directory.config, {}),
        "composed": read_stored(composed, {}) if composed.exists() else None,
        "weights": directory.read_weights(),
    }


def _digests(run: "Run") -> dict[str, str]:
    """Return the digests of the data that MLflow has of a run, by the part's name."""
    inputs = run.inputs.dataset_inputs if run.inputs else []
    contexts = [{tag.key: tag.value for tag in one.tags}.get("mlflow.data.context", "") for one in inputs]
    return {context: one.dataset.digest for context, one in zip(contexts, inputs, strict=True)}
