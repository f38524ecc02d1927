"""What a run has left, on disk and in MLflow, in a form in which two runs can be compared."""

import json
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import ViewType

from wavesweep.rundir import RunDirectory

SPENT = ("timestamp", "seconds", "time/train_seconds")


def rows(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return all records, less the times that they took."""
    return [{key: value for key, value in row.items() if key not in SPENT} for row in directory.read_metrics()]


def on_disk(path: Path) -> dict[str, Any]:
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
    info = directory.read_info()
    found = client.search_runs([experiment_id], f"tags.`wavesweep.run_key` = '{info.run_key}'", ViewType.ALL)
    [run] = [run for run in found if run.info.lifecycle_stage == "active"]
    wanted = {"finished": "FINISHED", "killed": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
    assert run.info.status == wanted[info.status]
    assert (run.info.start_time, run.info.end_time) == (info.started, info.ended)
    assert {**run.data.tags, **info.tags} == run.data.tags
    for key in {key for row in directory.read_metrics() for key in row if "/" in key}:
        points = client.get_metric_history(run.info.run_id, key)
        assert sorted((point.step, point.timestamp, point.value) for point in points) == sorted(
            (row.get("epoch", 0), row["timestamp"], row[key])
            for row in directory.read_metrics()
            if row.get(key) is not None
        )
    assert run.inputs is not None
    assert len(run.inputs.dataset_inputs) == len(info.inputs)
    for artifact in directory.artifacts():
        files = [artifact] if artifact.is_file() else [file for file in artifact.rglob("*") if file.is_file()]
        for file in files:
            copy = Path(client.download_artifacts(run.info.run_id, str(file.relative_to(path))))
            assert copy.read_bytes() == file.read_bytes()
    [announced] = json.loads(run.data.tags["mlflow.log-model.history"])
    assert announced["run_id"] == run.info.run_id
