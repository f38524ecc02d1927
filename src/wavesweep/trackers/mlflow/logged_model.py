"""MLflow's record of a run's model, which the Models tab lists and which can be registered."""

import re
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.keys import is_below
from hydra_queue_sweeper.base.overrides import key_of
from wavesweep.config import tag_names as names
from wavesweep.config.config import flatten, parse_resolved
from wavesweep.trackers.mlflow.artifacts import upload
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric, Run

FORBIDDEN = re.compile(r"[/:.%\"']")  # in names of models


def log_model(client: "MlflowClient", run: "Run", directory: RunDirectory, points: list["Metric"]) -> None:
    """Make MLflow's record of a run's model.

    Harmless to repeat: there is one such record in the end, wherever this was cut short, and however often a request
    was carried out of which the answer was lost.

    Args:
        client: Of the store.
        run: MLflow's record of a run that has finished.
        directory: Of the run.
        points: The scores of the weights that it kept, as MLflow has them of the run.
    """
    from mlflow.entities import LoggedModelStatus, Metric

    info = directory.read_info()
    model = _find(client, run, info)
    if model is None:
        created = _create(client, run, directory, info)
        model = _find(client, run, info) or created
    if model.status != LoggedModelStatus.READY:
        upload(client, directory.model, model.artifact_location, directory.model)
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    of_model = [Metric(one.key, one.value, one.timestamp, one.step, model.model_id) for one in points]
    client.log_batch(run.info.run_id, of_model)
    _link(client, run, model.model_id)
    oldest = _find(client, run, info)  # a request may have been carried out late
    if oldest and oldest.model_id != model.model_id:
        log_model(client, run, directory, points)


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
    """Create the record of the run's model, with the values that tell it from others.

    It is called by the option that was chosen, or by what forecasts where that is not the chosen network.
    """
    config = directory.read_config()
    values = flatten(config)
    overridden = {key_of(override) for override in info.overrides}
    keys = {"seed", "forecast.context", "forecast.horizon"}
    keys |= {key for key in values if key in overridden or key.startswith("model.")}
    # Of all others without effect, only the data tells: it may be gone.
    without_effect = ["tracking", "model.kind", *parse_resolved(config).model.without_effect()]
    params = {key: values[key] for key in sorted(keys) if not is_below(key, without_effect)} | info.choices
    kind = str(values["model.kind"])
    forecasts_by = info.tags.get(names.FORECASTS_BY, kind)
    name = str(params.get("model", kind)) if forecasts_by == kind else forecasts_by
    return client.create_logged_model(
        run.info.experiment_id, FORBIDDEN.sub("-", name), run.info.run_id, {names.RUN_KEY: info.run_key}, params
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
