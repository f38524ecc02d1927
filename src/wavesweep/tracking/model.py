"""The trained network as an MLflow model."""

import json
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from wavesweep.base.files import read_yaml, write_atomically
from wavesweep.config.config import Config
from wavesweep.runs.directory import RunDirectory

if TYPE_CHECKING:
    from mlflow import MlflowClient


def announce_model(client: "MlflowClient", run_id: str, directory: RunDirectory) -> None:
    """Let the UI show the folder `model` as a model, with its signature and how to use it."""
    from mlflow.models import Model

    if directory.model.exists():
        model = Model.from_dict(read_yaml(directory.model / "MLmodel"))
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
    from mlflow.types.schema import AnyType

    data = directory.model / "data"
    data.mkdir(parents=True, exist_ok=True)
    for path in (directory.config, directory.weights):
        write_atomically(data / path.name, path.read_bytes())
    requirements = [f"{package}=={version(package).partition('+')[0]}" for package in ("wavesweep", "mlflow", "torch")]
    write_atomically(directory.model / "requirements.txt", "\n".join([*requirements, ""]).encode())
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    write_atomically(directory.model / "python_env.yaml", json.dumps(environment).encode())  # JSON is YAML

    channels = config.dataset.channels
    names = [] if "series" in channels else [ColSpec(AnyType(), "series", required=False)]  # texts or numbers
    columns = Schema([*names, *(ColSpec("double", channel) for channel in channels)])
    horizon = ParamSchema([ParamSpec("horizon", "long", config.forecast.horizon)])
    model = Model(signature=ModelSignature(inputs=columns, outputs=columns, params=horizon))
    add_to_model(model, loader_module="wavesweep.served_model", data="data", python_env="python_env.yaml")
    write_atomically(directory.model / "MLmodel", model.to_yaml().encode())
