"""MLflow's copy, on a real store and a real server."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from threading import Barrier
from urllib.request import Request, urlopen
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.pyfunc import load_model
from mlflow.pyfunc.scoring_server import get_cmd

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.signals import Interrupted
from tests.support.commands import SMALL, call, environment
from tests.support.following import carry_out
from tests.support.parts import small
from tests.support.records import for_mlflow, in_mlflow
from tests.support.servers import free_port, wait_for
from wavesweep.config.config import Config, Tracking
from wavesweep.config.replicates import config_hash
from wavesweep.experiment.preparation import prepare
from wavesweep.trackers.mlflow import MLflow
from wavesweep.trackers.mlflow.addresses import sqlite_path
from wavesweep.trackers.mlflow.record import deliver
from wavesweep.trackers.mlflow.store import connect, require
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

INFO = RunInfo(
    overrides=["seed=0", "model=small"],
    choices={"dataset": "sine", "model": "small"},
    sweep_id="sweep_1",
    name="seed=0 model=small",
)


def tracked(uri: str, *overrides: str) -> Config:
    return small(f"tracking.uri={uri}", *overrides)


def execute_quietly(config: Config, path: Path, info: RunInfo = INFO) -> RunDirectory:
    path.mkdir(parents=True)
    directory = RunDirectory(path)
    outcome = carry_out(prepare(config), directory, info)
    assert outcome.code == 0
    return directory


def only_run(config: Config) -> tuple[MlflowClient, Run]:
    client, experiment = connect(config.tracking)
    [run] = client.search_runs([experiment])
    return client, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, RunDirectory]:
    """One finished run on a sqlite store."""
    place = tmp_path_factory.mktemp("finished")
    config = tracked(f"sqlite:///{place}/outputs/mlflow.db")
    return config, execute_quietly(config, place / "outputs" / "run")


@pytest.fixture
def copied(finished: tuple[Config, RunDirectory], tmp_path: Path) -> tuple[Config, RunDirectory]:
    """The same run, to be spoiled, and a store of its own."""
    directory = RunDirectory(shutil.copytree(finished[1].path, tmp_path / "run"))
    return tracked(f"sqlite:///{tmp_path}/outputs/mlflow.db"), directory


class TestRecord:
    def test_params_hold_choices_and_flattened_values(self, finished: tuple[Config, RunDirectory]) -> None:
        _, run = only_run(finished[0])
        params = run.data.params
        assert params["dataset"] == "sine"
        assert params["model"] == "small"
        assert params["model.hidden_sizes"] == "[5]"
        assert params["forecast.horizon"] == "40"
        assert params["dataset.split"] == "[5, 1, 1]"
        assert not any(key.startswith("tracking") for key in params)

    def test_metrics_have_the_epoch_as_step(self, finished: tuple[Config, RunDirectory]) -> None:
        client, run = only_run(finished[0])
        rows = finished[1].read_metrics()
        for key in ("train/loss", "val/closed_loop_scaled_mse", "test/linear_scaled_mse"):
            history = client.get_metric_history(run.info.run_id, key)
            expected = [(row.get("epoch", 0), row[key], row["timestamp"]) for row in rows if key in row]
            assert [(point.step, point.value, point.timestamp) for point in history] == expected

    def test_tags_name_and_status(self, finished: tuple[Config, RunDirectory]) -> None:
        config, directory = finished
        _, run = only_run(config)
        tags = run.data.tags
        assert run.info.run_name == "seed=0 model=small"
        assert run.info.status == "FINISHED"
        assert run.info.end_time == directory.read_info().ended
        assert tags["wavesweep.run_key"] == directory.read_info().run_key
        assert tags["wavesweep.sweep_id"] == "sweep_1"
        assert tags["wavesweep.config_hash"] == config_hash(config)
        assert f"torch {version('torch')}" in tags["wavesweep.versions"]
        assert "baseline" in tags["mlflow.note.content"] or "does not beat" in tags["mlflow.note.content"]
        assert "| linear autoregression |" in tags["mlflow.note.content"]

    def test_artifacts_are_the_files_of_the_run(self, finished: tuple[Config, RunDirectory]) -> None:
        config, directory = finished
        client, run = only_run(config)
        copy = Path(client.download_artifacts(run.info.run_id, ""))
        for name in ("config.yaml", "metrics.jsonl", "model.safetensors", "plots/forecast.png", "model/MLmodel"):
            assert (copy / name).read_bytes() == (directory.path / name).read_bytes(), name
        assert Path(str(run.info.artifact_uri).removeprefix("file://")).is_relative_to(directory.path.parent)

    def test_dataset_inputs_have_digests(self, finished: tuple[Config, RunDirectory]) -> None:
        _, run = only_run(finished[0])
        assert run.inputs is not None
        inputs = {entry.tags[0].value: entry.dataset for entry in run.inputs.dataset_inputs}
        assert inputs.keys() == {"training", "validation", "test"}
        assert len({dataset.digest for dataset in inputs.values()}) == 3
        assert json.loads(inputs["training"].profile or "")["num_series"] == 5

    def test_delivering_again_changes_nothing(self, finished: tuple[Config, RunDirectory]) -> None:
        config, directory = finished
        before = only_run(config)[1]
        for _ in range(2):
            assert deliver(directory, config.tracking) == [before.info.experiment_id, before.info.run_id]
        client, after = only_run(config)
        assert after.to_dictionary() == before.to_dictionary()
        history = client.get_metric_history(after.info.run_id, "train/loss")
        assert len(history) == 4

    def test_the_model_loads_from_mlflow_and_forecasts(self, finished: tuple[Config, RunDirectory]) -> None:
        _, directory = finished
        model = load_model(str(directory.model))
        values = pd.DataFrame({"value": np.sin(np.arange(30) / 3)})
        assert model.predict(values).shape == (40, 1)
        short = model.predict(values, params={"horizon": 7})
        np.testing.assert_allclose(short["value"], model.predict(values)["value"][:7], rtol=1e-5)


def test_a_run_that_trains_is_there_already(tmp_path: Path) -> None:
    config = tracked(f"sqlite:///{tmp_path}/mlflow.db")
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    seen: list[str] = []

    def listen(*_: object) -> None:
        until = time.monotonic() + 20
        while not seen and time.monotonic() < until:
            client, experiment = connect(config.tracking)
            seen.extend(run.info.status for run in client.search_runs([experiment]))

    carry_out(prepare(config), directory, INFO, listen)
    assert seen == ["RUNNING"]
    assert only_run(config)[1].info.status == "FINISHED"


def test_a_failure_is_recorded(tmp_path: Path) -> None:
    config = tracked(f"sqlite:///{tmp_path}/mlflow.db")
    for name, error, status in (("a", RuntimeError("boom"), "FAILED"), ("b", Interrupted(15), "KILLED")):
        directory = RunDirectory(tmp_path / name)
        directory.path.mkdir()

        def listen(*_: object, error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)):
            carry_out(prepare(config), directory, RunInfo([name], {}, None, name), listen)
        client, experiment = connect(config.tracking)
        [run] = client.search_runs([experiment], f"attributes.run_name = '{name}'")
        assert run.info.status == status


def test_a_diverged_run_has_no_value_that_ranks(tmp_path: Path) -> None:
    config = tracked(
        f"sqlite:///{tmp_path}/mlflow.db", "optimizer=sgd", "optimizer.lr=1e30", "optimizer.schedule=constant",
        "training.clip_norm=0",
    )  # fmt: skip
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    assert carry_out(prepare(config), directory, INFO).code == 3
    _, run = only_run(config)
    assert run.info.status == "FAILED"
    assert run.data.tags["wavesweep.status"] == "diverged"
    assert all(abs(value) < 1e300 for value in run.data.metrics.values())


def test_a_server_gets_the_same_record(server: str, tmp_path: Path) -> None:
    config = tracked(server, "tracking.experiment=record")
    directory = execute_quietly(config, tmp_path / "run")
    deliver(directory, config.tracking)
    client, run = only_run(config)
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 4
    assert {artifact.path for artifact in client.list_artifacts(run.info.run_id)} >= {"plots", "model", "config.yaml"}


@pytest.mark.parametrize("content", [b"not a database, but a text of some length" * 40, None])
def test_a_file_that_is_no_store_is_refused_at_once(tmp_path: Path, content: bytes | None) -> None:
    store = tmp_path / "mlflow.db"
    store.mkdir() if content is None else store.write_bytes(content)
    with pytest.raises(Refused, match="can't be used"):
        require(tracked(f"sqlite:///{store}").tracking)


def test_a_deleted_experiment_is_refused_where_tracking_is_required(tmp_path: Path) -> None:
    tracking = tracked(f"sqlite:///{tmp_path}/mlflow.db").tracking
    client, experiment = connect(tracking)
    client.delete_experiment(experiment)
    with pytest.raises(Refused, match="experiment wavesweep was deleted; restore it"):
        require(tracking)


def check_served(model: Path, process: "subprocess.Popen[bytes]", port: int, place: Path) -> None:
    """Make sure that a process serves a model on a port, with the command's numbers to the last bit; end it."""
    series = ["b"] * 30 + ["a"] * 20
    table = pd.DataFrame({"series": series, "value": np.sin(np.arange(50) / 3)})
    table.to_csv(place / "data.csv", index=False)
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process)
        rows = {"columns": [*table], "data": [*zip(series, table["value"].tolist(), strict=True)]}
        body = {"dataframe_split": rows, "params": {"horizon": 3}}
        headers = {"Content-Type": "application/json"}
        request = Request(f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), headers)
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            served = pd.DataFrame(json.load(answer)["predictions"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    done = call(
        "forecast", str(model.parent), "--data", "data.csv", "--horizon", "3", "--output", "ahead.csv", cwd=place
    )
    assert done.returncode == 0, done.stderr
    written = pd.read_csv(place / "ahead.csv", converters={"value": float})
    assert served["series"].tolist() == written["series"].tolist() == ["b"] * 3 + ["a"] * 3
    assert np.array_equal(served["value"], written["value"])


@pytest.mark.slow
def test_the_model_is_served(finished: tuple[Config, RunDirectory], tmp_path: Path) -> None:
    """By the command that `mlflow models serve --env-manager local` runs."""
    model, port = finished[1].model, free_port()
    line, variables = get_cmd(str(model), port, nworkers=1)  # on this machine alone, by default
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *shlex.split(line)], cwd=tmp_path, env=variables, stdout=said, stderr=said
        )
    check_served(model, process, port, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("address", ["{folder}", "runs:/{run}/model", "models:/{model}"])
def test_mlflow_serves_the_model(address: str, finished: tuple[Config, RunDirectory], tmp_path: Path) -> None:
    (config, directory), port = finished, free_port()
    client, run = only_run(config)
    [model] = client.search_logged_models([run.info.experiment_id])
    address = address.format(folder=directory.model, run=run.info.run_id, model=model.model_id)
    arguments = ["models", "serve", "-m", address, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where uvicorn is
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *arguments],
        env=environment(PATH=path, MLFLOW_TRACKING_URI=config.tracking.uri),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    check_served(directory.model, process, port, tmp_path)


@pytest.mark.slow
def test_processes_that_come_first_at_once_make_one_store(tmp_path: Path) -> None:
    script = [sys.executable, "-m", "wavesweep", *SMALL, "model=tiny", "training.epochs=1"]
    processes = [
        subprocess.Popen([*script, f"seed={seed}"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for seed in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    config = tracked(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    client, experiment = connect(config.tracking)
    runs = client.search_runs([experiment])
    assert sorted(run.data.params["seed"] for run in runs) == ["0", "1", "2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


@pytest.mark.parametrize("where", ["a file", "a server"])
def test_runs_that_come_first_in_an_experiment_at_once_do_not_lose_a_delivery(
    where: str, finished: tuple[Config, RunDirectory], server: str, tmp_path: Path
) -> None:
    """MLflow looks whether a view or a data set is there, and then inserts it: of several, some are refused."""
    uri = server if where == "a server" else f"sqlite:///{tmp_path}/mlflow.db"
    runs = [RunDirectory(shutil.copytree(finished[1].path, tmp_path / str(number))) for number in range(4)]
    for experiment in range(2):
        tracking = tracked(uri, f"tracking.experiment=at_once_{experiment}").tracking
        connect(tracking)
        for run in runs:
            run.write_info(replace(run.read_info(), run_key=uuid4().hex, sweep_id=None))
        start = Barrier(len(runs))

        def deliver_at_once(run: RunDirectory, start: Barrier = start, tracking: Tracking = tracking) -> None:
            start.wait()
            MLflow(tracking).deliver(run)

        with ThreadPoolExecutor(len(runs)) as pool:
            list(pool.map(deliver_at_once, runs))
        client, experiment_id = connect(tracking)
        assert {run.info.status for run in client.search_runs([experiment_id])} == {"FINISHED"}


def test_an_experiment_that_another_process_just_made_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = tracked(f"sqlite:///{tmp_path}/mlflow.db").tracking
    _, made = connect(tracking)
    answers = iter([None])  # as a process sees it that asked a moment earlier
    asked = MlflowClient.get_experiment_by_name
    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", lambda *args: next(answers, asked(*args)))
    assert connect(tracking)[1] == made


def test_points_that_a_store_lost_as_it_was_restored_are_sent_again(copied: tuple[Config, RunDirectory]) -> None:
    """By who keeps in mind what has been sent: an older copy of the store has not all of that."""
    config, directory = copied
    path, whole, sent = sqlite_path(config.tracking.uri), directory.metrics.read_bytes(), {}
    assert path is not None
    directory.metrics.write_bytes(b"".join(whole.splitlines(keepends=True)[:1]))
    deliver(directory, config.tracking, sent)
    shutil.copyfile(path, backup := path.with_name("backup.db"))
    directory.metrics.write_bytes(whole)
    deliver(directory, config.tracking, sent)
    shutil.copyfile(backup, path)
    deliver(directory, config.tracking, sent)
    client, run = only_run(config)
    assert in_mlflow(client, run)["metrics"] == for_mlflow(directory)["metrics"]
