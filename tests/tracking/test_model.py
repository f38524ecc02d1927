"""A run's model in MLflow: listed once, ready to be registered, loaded and served, on a real store and server."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.models import Model, convert_input_example_to_serving_input
from mlflow.pyfunc import load_model
from requests import Session

from hydra_queue_sweeper.base.errors import Pruned
from tests.support.commands import call
from tests.support.following import carry_out
from tests.support.parts import composed, small
from tests.support.records import is_in_mlflow
from wavesweep.config.composing import compose
from wavesweep.config.config import Config, Tracking
from wavesweep.config.tag_names import RUN_KEY
from wavesweep.evaluation.shown import ShownCurve, unpack
from wavesweep.experiment.preparation import load_data, prepare
from wavesweep.trackers.mlflow.record import deliver
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

INFO = RunInfo(["model.hidden_sizes=[5]", "training.epochs=3"], {"dataset": "sine", "model": "small"}, None, "small")
FILES = {
    "MLmodel", "data", "input_example.json", "python_env.yaml", "requirements.txt", "serving_input_example.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, RunDirectory]:
    """A run that has finished, delivered to a store of its own."""
    place = tmp_path_factory.mktemp("finished")
    config = small(f"tracking.uri=sqlite:///{place}/mlflow.db")
    path = place / "run"
    path.mkdir()
    assert carry_out(prepare(config), RunDirectory(path), INFO).code == 0
    return config, RunDirectory(path)


@pytest.fixture
def undelivered(finished: tuple[Config, RunDirectory], tmp_path: Path) -> Callable[[], RunDirectory]:
    """Give runs that have finished, each another one for MLflow."""
    numbers = count()

    def make() -> RunDirectory:
        directory = RunDirectory(Path(shutil.copytree(finished[1].path, tmp_path / f"run {next(numbers)}")))
        directory.write_info(replace(directory.read_info(), run_key=uuid4().hex))
        return directory

    return make


@pytest.fixture(params=["sqlite", "http"])
def tracking(request: pytest.FixtureRequest, tmp_path: Path) -> Tracking:
    uri = f"sqlite:///{tmp_path}/mlflow.db" if request.param == "sqlite" else request.getfixturevalue("server")
    return Tracking(followers=("mlflow",), uri=uri, experiment=tmp_path.name, required=False, tags={})


def models(tracking: Tracking) -> list[LoggedModel]:
    client, experiment = connect(tracking)
    return client.search_logged_models([experiment])


def the_run(tracking: Tracking) -> tuple[MlflowClient, Run]:
    client, experiment = connect(tracking)
    [run] = client.search_runs([experiment])
    return client, run


def test_it_is_listed_with_what_tells_it_from_others(
    tracking: Tracking, undelivered: Callable[[], RunDirectory]
) -> None:
    directory = undelivered()
    deliver(directory, tracking)
    is_in_mlflow(*connect(tracking), directory.path)
    [model] = models(tracking)
    assert model.name == "small"
    assert {"model", "model.hidden_sizes", "forecast.context", "training.epochs"} <= model.params.keys()
    assert not {"model.memory", "model.lags"} & model.params.keys(), "there is no highway"
    assert len(model.params) < 17
    [score] = [point.value for point in model.metrics or () if point.key == "val/closed_loop_scaled_mse"]
    assert score == directory.read_objective(), "of the weights that it has, not of the last epoch"


def test_a_start_that_was_kept_is_named_wherever_the_run_is_shown(tmp_path: Path) -> None:
    """Noise has nothing to be learnt but its mean: networks that correct the start don't forecast it."""
    noise = np.random.default_rng(0).normal(size=200)
    pd.DataFrame({"v": noise}).to_csv(tmp_path / "noise.csv", index=False)
    options = ("model.hidden_sizes=[3]", "model.start=autoregression", "training.epochs=2", "forecast.horizon=5")
    options += ("model.memories=[]",)
    places = (f"dataset.path={tmp_path}/noise.csv", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db")
    config = composed("dataset=csv", "model=small", *places, *options)
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    outcome = carry_out(prepare(config), directory, replace(INFO, overrides=[*options]))
    assert outcome.result
    assert outcome.result.epoch == 0
    name, (_, run) = "linear autoregression", the_run(config.tracking)
    assert run.data.tags["wavesweep.forecasts_by"] == name
    assert f"| {name} (test) |" in run.data.tags["mlflow.note.content"]
    assert "lstm" not in run.data.tags["mlflow.note.content"]
    [model] = models(config.tracking)
    assert (model.name, model.params["model"]) == (name, "small"), "what was chosen is told, too"
    assert Model.load(str(directory.model)).metadata == {"forecasts_by": name}
    shown = {path.stem: unpack(path.read_bytes()) for path in directory.shown.glob("*.safetensors")}
    titles = {name: one.title for name, one in shown.items() if not isinstance(one, ShownCurve)}
    assert titles["forecast"] == titles["drift"] == f"noise · test part · {name}"
    assert titles["forecast_epoch_001"] == "noise · validation part · epoch 1"
    assert call("forecast", str(directory.path), cwd=tmp_path).stdout.splitlines()[0].endswith(f"run ({name})")


def test_delivering_again_changes_nothing(tracking: Tracking, undelivered: Callable[[], RunDirectory]) -> None:
    directory = undelivered()
    deliver(directory, tracking)
    before = [model.to_dictionary() for model in models(tracking)]
    deliver(directory, tracking)
    assert [model.to_dictionary() for model in models(tracking)] == before
    is_in_mlflow(*connect(tracking), directory.path)


def test_a_request_carried_out_twice_leaves_one(
    tracking: Tracking, undelivered: Callable[[], RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an answer is lost and the client asks again: it sees the second one's."""
    create = MlflowClient.create_logged_model
    monkeypatch.setattr(MlflowClient, "create_logged_model", lambda *args: (create(*args), create(*args))[1])
    directory = undelivered()
    deliver(directory, tracking)
    is_in_mlflow(*connect(tracking), directory.path)


class Cut(BaseException):
    """A process that ends, whatever it is about to do."""


@pytest.mark.slow
def test_a_delivery_cut_short_at_any_request_is_made_good(
    server: str, undelivered: Callable[[], RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking, send = (
        Tracking(followers=("mlflow",), uri=server, experiment="cut", required=False, tags={}),
        Session.send,
    )

    def deliver_until(last: int, directory: RunDirectory) -> list[str]:
        """Deliver until so many requests were carried out, from the first on that asks for models; return them all."""
        requests: list[str] = []

        def cut(*args: Any, **more: Any) -> object:
            answer = send(*args, **more)
            if requests or "logged-models" in args[1].path_url:
                requests.append(args[1].path_url)
                if len(requests) == last:
                    raise Cut
            return answer

        with monkeypatch.context() as patch, suppress(Cut):
            patch.setattr(Session, "send", cut)
            deliver(directory, tracking)
        return requests

    requests = deliver_until(0, undelivered())
    assert len(requests) > 8 + len(FILES), "all that there are"
    for last in range(1, len(requests) + 1):
        directory = undelivered()
        assert len(deliver_until(last, directory)) == last
        deliver(directory, tracking)
        is_in_mlflow(*connect(tracking), directory.path)


def test_models_of_the_user_are_left_alone(tracking: Tracking, undelivered: Callable[[], RunDirectory]) -> None:
    directory = undelivered()
    _, run_id = deliver(directory, tracking)
    client, experiment = connect(tracking)
    own = client.create_logged_model(experiment, "lstm", run_id)
    deliver(directory, tracking)
    assert {model.model_id for model in models(tracking)} > {own.model_id}
    assert client.get_logged_model(own.model_id).to_dictionary() == own.to_dictionary()


@pytest.mark.parametrize(
    ("overrides", "folder"),
    [
        (("optimizer=sgd", "optimizer.lr=1e30", "optimizer.schedule=constant", "training.clip_norm=0"), True),
        ((), False),
    ],
    ids=["diverged", "pruned"],
)
def test_a_run_that_gave_none_has_none(tmp_path: Path, overrides: tuple[str, ...], folder: bool) -> None:
    config, directory = small(f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", *overrides), tmp_path / "run"
    directory.mkdir()

    def listen(*_: object) -> None:
        if not folder:
            raise Pruned

    try:
        carry_out(prepare(config), RunDirectory(directory), INFO, listen)
    except Pruned:
        assert not folder
    client, run = the_run(config.tracking)
    assert models(config.tracking) == []
    assert ("model" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}) == folder


@pytest.mark.parametrize(
    ("tracking", "address"), [("http", "models:/{model}"), ("sqlite", "runs:/{run}/model")], indirect=["tracking"]
)
def test_it_loads_and_can_be_registered(
    address: str,
    tracking: Tracking,
    undelivered: Callable[[], RunDirectory],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, run_id = deliver(undelivered(), tracking)
    address = address.format(model=models(tracking)[0].model_id, run=run_id)
    for name in ("_tracking_uri", "_registry_uri"):
        monkeypatch.setenv(f"MLFLOW{name.upper()}", connect(tracking)[0].tracking_uri)
    version = mlflow.register_model(address, tmp_path.name)
    assert version.run_id == run_id
    for place in (address, f"models:/{tmp_path.name}/{version.version}"):
        model = load_model(place)
        assert model.predict(model.input_example).shape == (40, 1), place


def test_the_folder_holds_no_code_and_an_example_that_works(finished: tuple[Config, RunDirectory]) -> None:
    config, directory = finished
    assert {path.name for path in directory.model.iterdir()} == FILES
    assert {path.name for path in (directory.model / "data").iterdir()} == {"config.yaml", "model.safetensors"}
    described = Model.load(directory.model)
    assert set(described.flavors) == {"python_function"}
    assert "code" not in described.flavors["python_function"]
    example: Any = described.load_input_example(str(directory.model))
    train = load_data(config).train
    assert np.array_equal(example, train[0][: len(example)])
    assert len(example) < len(train[0])
    model = load_model(str(directory.model))
    assert model.predict(example).shape == (40, 1)
    request: Any = described.get_serving_input(str(directory.model))
    assert json.loads(request) == json.loads(convert_input_example_to_serving_input(example) or "")


@pytest.mark.parametrize(("model", "rows"), [("linear", "model.order=30"), ("pointwise", "dataset.num_series=1")])
def test_the_example_has_as_many_rows_as_the_network_needs(tmp_path: Path, model: str, rows: str) -> None:
    config = small(f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"model={model}", rows)
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    assert carry_out(prepare(config), directory, INFO).code == 0
    served = load_model(str(directory.model))
    assert np.isfinite(served.predict(served.input_example)).all(axis=None)
    assert models(config.tracking)[0].tags[RUN_KEY] == directory.read_info().run_key


def test_series_are_told_apart_as_in_the_run_s_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow leaves out what the signature does not name: rows of all shops would be one series."""
    monkeypatch.chdir(tmp_path)
    rows = [
        (shop, (step % 7) * size, step % 3 + 0.5)
        for shop, size in (("north", 1.0), ("south", 900.0))
        for step in range(60)
    ]
    table = pd.DataFrame(rows, columns=["shop", "sales", "price"])
    table.to_csv("shops.csv", index=False)
    data = ("dataset=csv", "dataset.path=shops.csv", "dataset.series_column=shop")
    run = compose(*data, "model=linear", "tracking.uri=sqlite:///mlflow.db")
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    assert carry_out(prepare(run), directory, INFO).code == 0
    served = load_model(str(directory.model))
    forecast = served.predict(table, params={"horizon": 4})
    assert forecast["shop"].tolist() == ["north"] * 4 + ["south"] * 4
    bounds = [f"{channel}_{bound}" for channel in ("sales", "price") for bound in ("lower", "upper")]
    assert list(forecast.columns) == ["shop", "sales", *bounds[:2], "price", *bounds[2:]]
    answer: Any = served.metadata.get_output_schema()
    assert answer.input_names() == list(forecast.columns)
    assert answer.required_input_names() == ["sales", "price"]
    missing = forecast[bounds].map(lambda value: value is None)
    assert missing.all(axis=1).tolist() == missing.any(axis=1).tolist() == ([False] * 3 + [True]) * 2, "as JSON writes"
    np.testing.assert_allclose(forecast["sales"], [4, 5, 6, 0, 3600, 4500, 5400, 0], atol=1e-6)
