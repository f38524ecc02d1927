"""What a run has left, on disk and in MLflow, in a form in which two runs can be compared."""

import math
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModelStatus, Run

from hydra_queue_sweeper.base.keys import is_below
from wavesweep.config.config import flatten, parse_resolved
from wavesweep.evaluation.metric_names import is_metric
from wavesweep.workspace.directory import RunDirectory

Record = dict[str, Any]

NO_ARTIFACTS = (".lock", ".delivery.lock", ".undelivered", "run.json", "wavesweep.log", "shown/", "by_origin.bin")
SPENT = ("timestamp", "seconds", "time/train_seconds")


def rows(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return all records, less the times that they took."""
    return [{key: value for key, value in row.items() if key not in SPENT} for row in directory.read_metrics()]


def on_disk(path: Path) -> Record:
    """Return all that must be equal in two runs of the same configuration."""
    directory = RunDirectory(path)
    info = directory.read_info()
    pictures = {picture.name: picture.read_bytes() for picture in directory.plots.iterdir()}
    return {
        "status": info.status,
        "files": sorted(file.name for file in path.iterdir() if file.suffix != ".log"),
        "rows": rows(directory),
        "weights": directory.weights.read_bytes(),
        "config": directory.config.read_bytes(),
        "tags": {key: value for key, value in info.tags.items() if key != "wavesweep.versions"},
        "inputs": info.inputs,
        # The learning curve and the description show seconds.
        "pictures": {name: content for name, content in pictures.items() if name != "learning_curve.png"},
        "names": sorted(pictures),
        "model": sorted(str(file.relative_to(path)) for file in directory.model.rglob("*")),
    }


def is_in_mlflow(client: MlflowClient, experiment_id: str, path: Path) -> None:
    """Assert that MLflow has what a directory holds, once and whole."""
    directory = RunDirectory(path)
    key = directory.read_info().run_key
    [run] = client.search_runs([experiment_id], f"tags.`wavesweep.run_key` = '{key}'")
    assert in_mlflow(client, run) == for_mlflow(directory)


def in_mlflow(client: MlflowClient, run: Run) -> Record:
    """Return all that MLflow has of a run."""
    assert run.inputs is not None
    tags = dict(run.data.tags)
    *note, again = tags.pop("mlflow.note.content").split("\n\n")
    assert again.startswith(f"`wavesweep reproduce {run.info.run_id}")
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    with TemporaryDirectory() as copy:
        client.download_artifacts(run.info.run_id, "", copy)
        artifacts = digests(Path(copy))
    return {
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": tags | {"mlflow.note.content": "\n\n".join(note)},
        "metrics": {
            key: sorted((point.step, point.value, point.timestamp) for point in points)
            for key, points in histories.items()
        },
        "inputs": sorted(
            # Not its source: of parts that are equal, MLflow keeps the one that came first.
            (entry.tags[0].value, entry.dataset.name, entry.dataset.digest)
            for entry in run.inputs.dataset_inputs
        ),
        "artifacts": artifacts,
        "model": model_of(client, run),
    }


def model_of(client: MlflowClient, run: Run) -> Record:
    """Return all that MLflow has of a run's model: one, ready, and known to the run."""
    [model] = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    assert model.status == LoggedModelStatus.READY
    assert run.outputs is not None
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    with TemporaryDirectory() as copy:
        download_artifacts(model.artifact_location, dst_path=copy, tracking_uri=client.tracking_uri)
        [folder] = Path(copy).iterdir()
        files = digests(folder)
    return {
        "params": model.params,
        "metrics": sorted((point.key, point.step, point.value, point.timestamp) for point in model.metrics or ()),
        "files": files,
    }


def for_mlflow(directory: RunDirectory) -> Record:
    """Return what MLflow must have of a run that has ended well."""
    info, rows = directory.read_info(), directory.read_metrics()
    config = yaml.safe_load(directory.config.read_text())
    if config["dataset"]["kind"] != "csv":
        rows = [row | in_digits(row) for row in rows]
    values = flatten(config)
    keys = {key for row in rows for key in filter(is_metric, row)}
    kept = directory.read_kept_epoch()
    params = (
        {key: str(value) for key, value in values.items() if not key.startswith("tracking.")}
        | info.choices
        | info.params
    )
    overridden = {override.partition("=")[0] for override in info.overrides}
    main = {"seed", "forecast.context", "forecast.horizon", *overridden} & params.keys()
    main |= {key for key in params if key.startswith("model.")} - {"model.kind"}
    ignored = parse_resolved(config).model.without_effect()
    main = {key for key in main if not is_below(key, ignored)} | info.choices.keys()
    return {
        "status": "FINISHED",
        "times": (info.started, info.ended),
        "params": params,
        "tags": {
            **info.tags,
            "wavesweep.run_key": info.run_key,
            "wavesweep.status": "finished",
            "mlflow.runName": info.name,
            "mlflow.note.content": info.description,
        },
        "metrics": {
            key: [(row.get("epoch", 0), row[key], row["timestamp"]) for row in rows if key in row] for key in keys
        },
        "inputs": sorted((part["context"], part["name"], part["digest"]) for part in info.inputs),
        "artifacts": {
            name: digest for name, digest in digests(directory.path).items() if not name.startswith(NO_ARTIFACTS)
        },
        "model": {
            "params": {key: params[key] for key in main},
            "metrics": sorted(
                (key, row.get("epoch", 0), row[key], row["timestamp"])
                for row in rows
                if row.get("epoch", kept) == kept
                for key in filter(is_metric, row)
            ),
            "files": digests(directory.model),
        },
    }


def in_digits(row: dict[str, Any]) -> dict[str, float]:
    """Return the errors of a record that MLflow shows as -log10 too."""
    names = {"objective": "digits", "test/closed_loop_scaled_mse": "test/digits"}
    return {names[key]: round(-math.log10(row[key]), 2) for key in names.keys() & row.keys() if row[key]}


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}
