"""What resume and sync refuse, skip, or leave alone."""

import logging
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import write_yaml
from tests.support.following import carry_out
from tests.support.parts import small
from wavesweep.cli import summary
from wavesweep.cli.resume import find_waiting, finish, run
from wavesweep.config.composing import compose
from wavesweep.config.config import Config
from wavesweep.delivery.sync import MISSING, deliver_all
from wavesweep.experiment.preparation import prepare
from wavesweep.trackers.mlflow.store import connect, require
from wavesweep.tracking.patience import IMPATIENT
from wavesweep.workspace.directory import Directory, RunDirectory, SweepRecord
from wavesweep.workspace.info import RunInfo, Status

TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return small("model=linear", f"tracking.uri=sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")


@pytest.fixture(scope="module")
def delivered(store: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run that has ended well, and is in MLflow."""
    path = tmp_path_factory.mktemp("runs") / "ended"
    path.mkdir()
    carry_out(prepare(store), RunDirectory(path), RunInfo([], {}, None, "linear"))
    return path


@pytest.fixture
def ended(delivered: Path, tmp_path: Path) -> RunDirectory:
    """Return the same run in a directory of the test's own."""
    return RunDirectory(shutil.copytree(delivered, tmp_path / "runs" / "ended"))


def copy(ended: RunDirectory, name: str) -> RunDirectory:
    """Return a copy of a run, which counts as killed."""
    directory = RunDirectory(ended.path.with_name(name))
    shutil.copytree(ended.path, directory.path)
    directory.write_info(replace(ended.read_info(), status="killed"))
    return directory


def test_an_older_copy_leaves_mlflow_s_record_alone(ended: RunDirectory, store: Config) -> None:
    older = copy(ended, "older")
    for _ in range(2):
        assert deliver_all([older, ended], store, []) == {"left alone": 1, "up to date": 1}
    client, experiment = connect(store.tracking)
    assert [run.info.status for run in client.search_runs([experiment])] == ["FINISHED"]


def test_a_changed_configuration_is_refused(ended: RunDirectory, store: Config) -> None:
    killed = copy(ended, "killed")
    values = yaml.safe_load(killed.config.read_text())
    values["model"]["order"] += 1
    write_yaml(killed.config, values)
    with pytest.raises(Refused, match=r"killed/config\.yaml was changed since the run began"):
        finish(killed, store, [])
    assert killed.read_info().status == "killed"


def test_other_data_and_another_runtime_are_refused(ended: RunDirectory, store: Config) -> None:
    killed = copy(ended, "killed")
    info = killed.read_info()
    killed.write_info(replace(info, inputs=[part | {"digest": "other"} for part in info.inputs]))
    with pytest.raises(Refused, match="was begun on other data"):
        finish(killed, store, [])
    with pytest.raises(Refused, match=r"runtime\.threads must stay 1, since results depend on it, got 2"):
        finish(killed, compose("runtime.threads=2"), ["runtime.threads"])


def test_what_is_damaged_holds_up_no_other(
    ended: RunDirectory, store: Config, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("no text", "no address", "no records", "no configuration", "no info", "no values")
    damaged = [copy(ended, name) for name in names]
    damaged[0].config.write_bytes(b"\xff\xfe")
    write_yaml(damaged[1].config, {"tracking": {}})
    damaged[2].write_info(replace(ended.read_info(), status="running"))
    damaged[2].metrics.write_text("{\n{}\n")
    damaged[3].config.unlink()
    damaged[4].info.write_text("{")
    damaged[5].config.write_text("")
    with caplog.at_level(logging.WARNING):
        assert deliver_all([*damaged, ended], store, []) == {MISSING: 6, "up to date": 1}
    for directory, record in zip(damaged, caplog.records, strict=True):
        assert directory.path.name in record.getMessage()
        assert "\n" not in record.getMessage()


def test_without_a_name_what_was_begun_last_and_waits_goes_on(
    store: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def begun(name: str, started: int, status: Status, sweep_id: str | None = None) -> Directory:
        path = tmp_path / "outputs" / name
        path.mkdir(parents=True, exist_ok=True)
        directory = SweepRecord(path) if name == "sweep" else RunDirectory(path)
        directory.write_info(RunInfo([], {}, sweep_id, name, status=status, started=started))
        return directory

    begun("finished", 9, "finished")
    running = begun("running", 8, "running")
    begun("sweep/trial", 7, "killed", "sweep")  # resumes with its sweep
    damaged = begun("damaged", 6, "failed")
    damaged.info.write_text("{")
    expected = [begun("killed", 5, "killed"), begun("sweep", 4, "failed", "sweep"), begun("vanished", 3, "running")]
    with RunDirectory(running.path).locked():
        for directory in expected:
            found = find_waiting(store)
            assert found
            assert (found.path, found.what) == (Path("outputs", directory.path.name), directory.what)
            directory.write_info(replace(directory.read_info(), status="finished"))
        assert find_waiting(store) is None


def test_what_is_required_says_how_long_it_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert IMPATIENT[TIMEOUT] == "3"
    monkeypatch.setitem(IMPATIENT, TIMEOUT, "1")  # else the test waits for three times as long
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        tracking = compose(f"tracking.uri=http://127.0.0.1:{silent.getsockname()[1]}").tracking
        for _ in range(2):  # of which the first sets what holds for the rest of the process
            with pytest.raises(Refused, match="no answer within 1 s"):
                require(tracking)


def test_a_summary_takes_no_overrides_of_the_sweep() -> None:
    with pytest.raises(
        Refused, match=r"summary takes tracking\.\* and runtime\.\* overrides, got seed=1; leave it out"
    ):
        summary.run(["seed=1"])


@pytest.mark.parametrize(
    "more", [("seed=1",), ("--top", "3"), ("--top", "0"), ("hydra.sweeper.n_trials=9",)], ids=" ".join
)
def test_a_run_does_not_grow(more: tuple[str, ...], ended: RunDirectory) -> None:
    with pytest.raises(
        Refused, match=f"{' '.join(more)}: a run goes on as it began; .* wavesweep reproduce {ended.path}"
    ):
        run([str(ended.path), *more])
