"""The trained network as an MLflow model: a folder of tensors, and MLflow's record of it."""

import json
import platform
import re
from importlib.metadata import version
from typing import TYPE_CHECKING

from wavesweep.base.files import write_atomically
from wavesweep.base.schema import known
from wavesweep.config import tag_names as names
from wavesweep.config.config import Config, flatten, parse
from wavesweep.models.columns import columns_of
from wavesweep.runs.directory import RunDirectory
from wavesweep.runs.info import RunInfo
from wavesweep.tracking.answers import upload

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric, Run

    from wavesweep.data.splits import Split

EXAMPLE, REQUEST = "input_example.json", "serving_input_example.json"
FORBIDDEN = re.compile(r"[/:.%\"']")  # in names of models
FEWEST_ROWS = 20  # of an example, where a context has as many


def log_model(client: "MlflowClient", run: "Run", directory: RunDirectory, points: list["Metric"]) -> None:
    """Make MLflow's record of a run's model, which the Models tab lists and which can be registered.

    Harmless to repeat: there is one such record in the end, wherever this was cut short, and however often a request
    was carried out of which the answer was lost. A server that knows no such records has the folder alone.

    Args:
        client: Of the store.
        run: MLflow's record of a run that has finished.
        directory: Of the run.
        points: The scores of the weights that it kept, as MLflow has them of the run.
    """
    from mlflow.entities import LoggedModelStatus, Metric
    from mlflow.exceptions import MlflowException

    try:
        model = _record(client, run, directory)
    except MlflowException as error:
        if error.error_code == "ENDPOINT_NOT_FOUND":  # a server older than MLflow 3
            return
        raise
    if model.status != LoggedModelStatus.READY:
        upload(client, directory.model, model.artifact_location, directory.model)
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    of_model = [Metric(one.key, one.value, one.timestamp, one.step, model.model_id) for one in points]
    client.log_batch(run.info.run_id, of_model)
    _link(client, run, model.model_id)
    oldest = _find(client, run, directory.read_info())  # a request may have been carried out late
    if oldest and oldest.model_id != model.model_id:
        log_model(client, run, directory, points)


def _record(client: "MlflowClient", run: "Run", directory: RunDirectory) -> "LoggedModel":
    """Return MLflow's record of the run's model, created if it wasn't there."""
    info = directory.read_info()
    if there := _find(client, run, info):
        return there
    created = _create(client, run, directory, info)
    return _find(client, run, info) or created


def _find(client: "MlflowClient", run: "Run", info: RunInfo) -> "LoggedModel | None":
    """Return MLflow's record of the run's model, if it has one; of several, delete all but the oldest.

    There may be more where a request to create it was carried out, but its answer lost. Those that the user made are
    not looked at.
    """
    wanted = f"source_run_id = '{run.info.run_id}' AND tags.`{names.RUN_KEY}` = '{info.run_key}'"
    found = client.search_logged_models([run.info.experiment_id], wanted)
    found = sorted(found, key=lambda model: (model.creation_timestamp, model.model_id))
    for double in found[1:]:
        client.delete_logged_model(double.model_id)
    return found[0] if found else None


def _create(client: "MlflowClient", run: "Run", directory: RunDirectory, info: RunInfo) -> "LoggedModel":
    """Create the record of the run's model, with the values that tell it from others."""
    config = directory.read_config()
    values = flatten(config)
    overridden = {override.lstrip("+").partition("=")[0] for override in info.overrides}
    main = {key for key in values if key in overridden or key.startswith("model.")} - {"model.kind"}
    main |= {"seed", "forecast.context", "forecast.horizon"}
    main -= parse(config).model.without_effect().keys()  # of all others, only the data tells: it may be gone
    params = {key: values[key] for key in sorted(main) if not key.startswith("tracking.")} | info.choices
    name = FORBIDDEN.sub("-", str(params.get("model", values["model.kind"])))
    return client.create_logged_model(
        run.info.experiment_id, name, run.info.run_id, {names.RUN_KEY: info.run_key}, params
    )


def _link(client: "MlflowClient", run: "Run", model_id: str) -> None:
    """Let the run's page show the model; MLflow refuses to be told so twice."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    def is_linked(run: "Run") -> bool:
        return run.outputs is not None and any(one.model_id == model_id for one in run.outputs.model_outputs)

    if is_linked(run):
        return
    try:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, step=0)])
    except MlflowException:
        if not is_linked(client.get_run(run.info.run_id)):
            raise


def save_model(directory: RunDirectory, config: Config, data: "Split") -> None:
    """Save the trained network as an MLflow pyfunc model that stores tensors and no code.

    `mlflow models serve --env-manager local` serves it; see served_model.py for what it takes. Not by
    `mlflow.pyfunc.save_model`, which looks through all installed packages for half a second.

    Args:
        directory: Of the run, with its weights.
        config: With derived values filled in.
        data: The parts of its data set; the first rows of the training part become the example.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import add_to_model
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    from wavesweep.models.weights import load_widths

    folder = directory.model / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (directory.config, directory.weights):
        write_atomically(folder / path.name, path.read_bytes())
    requirements = [f"{package}=={version(package).partition('+')[0]}" for package in ("wavesweep", "mlflow", "torch")]
    write_atomically(directory.model / "requirements.txt", "\n".join([*requirements, ""]).encode())
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    write_atomically(directory.model / "python_env.yaml", json.dumps(environment).encode())  # JSON is YAML

    channels, label = config.dataset.channels, config.dataset.series_label
    text = [] if label in channels else [ColSpec(AnyType(), label, required=False)]  # texts or numbers
    columns = Schema([*text, *(ColSpec("double", channel) for channel in channels)])
    horizon = ParamSchema([ParamSpec("horizon", "long", config.forecast.horizon)])
    bounds = load_widths(directory.read_weights()) is not None
    named = [name for some in columns_of(channels, bounds=bounds) for name in some]
    answer = Schema([*text, *(ColSpec("double", name, required=name in channels) for name in named)])
    signature = ModelSignature(inputs=columns, outputs=answer, params=horizon)
    model = Model(signature=signature, saved_input_example_info=_save_example(directory, config, data))
    add_to_model(model, loader_module="wavesweep.served_model", data="data", python_env="python_env.yaml")
    write_atomically(directory.model / "MLmodel", model.to_yaml().encode())


def _save_example(directory: RunDirectory, config: Config, data: "Split") -> dict[str, str]:
    """Save an example of the input, rows that suffice for a forecast; return what leads MLflow to it."""
    from wavesweep.models.weights import load_network

    network, _ = load_network(
        config.model, known(config.forecast.horizon), config.runtime.dtype, directory.read_weights()
    )
    num_rows = min(max(network.lead, known(config.training.washout), FEWEST_ROWS), known(config.forecast.context))
    example = {"columns": config.dataset.channels, "data": data.train[0][:num_rows].tolist()}
    write_atomically(directory.model / EXAMPLE, json.dumps(example).encode())
    write_atomically(directory.model / REQUEST, json.dumps({"dataframe_split": example}).encode())
    return {"artifact_path": EXAMPLE, "type": "dataframe", "pandas_orient": "split", "serving_input_path": REQUEST}
