"""The trained network as an MLflow model: a folder of tensors in the run's directory, written without MLflow."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hydra_queue_sweeper.base.files import write_atomically, write_yaml
from wavesweep.config.config import Resolved
from wavesweep.evaluation.columns import columns_of
from wavesweep.workspace.directory import RunDirectory

if TYPE_CHECKING:
    from wavesweep.data.data import Data

EXAMPLE, REQUEST = "input_example.json", "serving_input_example.json"
FEWEST_ROWS = 20  # of an example, where a context has as many


def save_model(directory: RunDirectory, config: Resolved, data: "Data", forecasts_by: str) -> None:
    """Save the trained network as an MLflow pyfunc model that stores tensors and no code.

    `mlflow models serve --env-manager local` serves it; see served_model.py for what it takes.

    Args:
        directory: Of the run, with its weights.
        config: What was run.
        data: The parts of its data set; the first rows of the training part become the example.
        forecasts_by: What people call that which forecasts; stands in the model's metadata.

    Source:
        The MLmodel format, https://mlflow.org/docs/latest/ml/model/, and the JSON of its signatures.
    """
    folder = directory.model / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (directory.config, directory.weights):
        write_atomically(folder / path.name, path.read_bytes())
    _save_environment(directory.model)
    function = {
        "data": "data",
        "env": {"virtualenv": "python_env.yaml"},
        "loader_module": "wavesweep.served_model",
        "python_version": platform.python_version(),
    }
    model = {
        "flavors": {"python_function": function},
        "metadata": {"forecasts_by": forecasts_by},
        "mlflow_version": version("mlflow"),
        "model_uuid": uuid4().hex,
        "saved_input_example_info": _save_example(directory, config, data),
        "signature": _signature(directory, config),
        "utc_time_created": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}",
    }
    write_yaml(directory.model / "MLmodel", model)


def _save_environment(folder: Path) -> None:
    """Save what has to be installed where the model is served."""
    requirements = [f"{package}=={version(package).partition('+')[0]}" for package in ("wavesweep", "mlflow", "torch")]
    write_atomically(folder / "requirements.txt", "\n".join([*requirements, ""]).encode())
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    write_atomically(folder / "python_env.yaml", json.dumps(environment).encode())  # JSON is YAML


def _signature(directory: RunDirectory, config: Resolved) -> dict[str, str]:
    """Return the columns that the model takes and gives: a channel each, and the names of series, texts or numbers."""
    from wavesweep.models.weights import load_widths

    channels, label = config.dataset.channels, config.dataset.series_label
    series = [] if label in channels else [_column("any", label, required=False)]
    has_bounds = load_widths(directory.read_weights()) is not None
    columns = columns_of(channels, bounds=has_bounds, levels=config.forecast.quantiles)
    forecast = [name for one in columns for name in one]
    inputs = [*series, *(_column("double", name) for name in (*channels, *config.dataset.known_columns))]
    time = _time_column(config)
    if time:
        inputs.insert(0, _column("any", time))
    outputs = [*series, *(_column("double", name, required=name in channels) for name in forecast)]
    horizon = {"name": "horizon", "default": config.forecast.horizon, "shape": None, "type": "long"}
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": json.dumps([horizon])}


def _time_column(config: Resolved) -> str | None:
    """Return the column of time stamps or steps, where a table is read as the run's own file is."""
    from wavesweep.files.dataset import Csv

    dataset = config.dataset
    return dataset.time_column if isinstance(dataset, Csv) and dataset.inputs else None


def _example_with_inputs(config: Resolved, data: "Data", num_rows: int) -> dict[str, Any]:
    """Return rows of the first series, and as many as are forecast that tell what is known in advance alone."""
    source, horizon = data.division.source, config.forecast.horizon
    rows = [[*values] for values in data.train[0][:num_rows].tolist()]
    rows += [[None] * len(source.channels)] * horizon
    if source.known[0] is not None:
        known = source.known[0].values[: len(rows)].tolist()
        rows = [[*one, *told] for one, told in zip(rows, known, strict=True)]
    columns = [*source.channels, *config.dataset.known_columns]
    time, stamps = _time_column(config), source.stamps[0]
    if time:
        told = range(len(rows)) if stamps is None else map(str, stamps)
        rows = [[step, *one] for one, step in zip(rows, told, strict=False)]
        columns.insert(0, time)
    if len(source.names) > 1:
        rows = [[source.names[0], *one] for one in rows]
        columns.insert(0, config.dataset.series_label)
    return {"columns": columns, "data": rows}


def _column(kind: str, name: str, *, required: bool = True) -> dict[str, Any]:
    return {"type": kind, "name": name, "required": required}


def _save_example(directory: RunDirectory, config: Resolved, data: "Data") -> dict[str, str]:
    """Save an example of the input, rows that suffice for a forecast; return what leads MLflow to it."""
    from wavesweep.models.weights import load_network

    horizon, loss = config.forecast.horizon, config.loss
    network, _ = load_network(config.model, horizon, config.runtime.dtype, loss, directory.read_weights())
    num_rows = min(max(network.lead, config.training.washout, FEWEST_ROWS), config.forecast.context)
    example = {"columns": config.dataset.channels, "data": data.train[0][:num_rows].tolist()}
    if config.dataset.inputs:
        example = _example_with_inputs(config, data, num_rows)
    write_atomically(directory.model / EXAMPLE, json.dumps(example).encode())
    write_atomically(directory.model / REQUEST, json.dumps({"dataframe_split": example}).encode())
    return {"artifact_path": EXAMPLE, "type": "dataframe", "pandas_orient": "split", "serving_input_path": REQUEST}
