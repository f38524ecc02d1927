"""The command: exit codes, messages, what it leaves."""

import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name

import pytest
import yaml
from mlflow import MlflowClient

from tests.support.commands import SMALL, Command, Done, call, run_process
from tests.support.records import on_disk
from wavesweep.base.exit_codes import FAILED
from wavesweep.cli.application import TARGETS
from wavesweep.cli.commands import COMMANDS, help_of
from wavesweep.cli.main import _run_command
from wavesweep.cli.progress import fail
from wavesweep.config.config import parse
from wavesweep.config.groups import conf_dir
from wavesweep.workspace.directory import RunDirectory

QUICK = (*SMALL, "model=tiny", "training.epochs=2")
BASIC = "hydra/launcher=basic"


def runs(place: Path, experiment: str = "wavesweep") -> list:
    client = MlflowClient(f"sqlite:///{place}/outputs/mlflow.db")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return client.search_runs([found.experiment_id])


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """One run by a process that is started."""
    place = tmp_path_factory.mktemp("a füll run")
    return place, run_process(*QUICK, "seed=0", cwd=place)


def test_a_run_ends_well_and_writes_below_outputs_alone(single: tuple[Path, Done]) -> None:
    place, done = single
    assert done.returncode == 0, done.stderr
    assert [path.name for path in place.iterdir()] == ["outputs"]
    assert "scaled MSE" in done.stdout
    assert "linear autoregression" in done.stdout
    assert "the network takes no differences: lines explain " in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    [run] = (place / "outputs" / "runs").iterdir()
    stored = yaml.safe_load((run / "config.yaml").read_text())
    assert parse(stored).seed == 0
    assert not {"checkpoint.pt", "checkpoint.previous.pt"} & {path.name for path in run.iterdir()}


def test_the_run_is_in_mlflow(single: tuple[Path, Done]) -> None:
    [run] = runs(single[0])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "tiny num_series=7 length=40 width=3 epochs=2 refine_epochs=1 batch_size=4 s=0"
    assert run.data.params["model"] == "tiny"


def test_a_command_that_is_called_does_all_that_a_started_one_does(single: tuple[Path, Done], tmp_path: Path) -> None:
    """The tests that call it rest on that."""
    called = tmp_path, call(*QUICK, "seed=0", cwd=tmp_path, pictures=True)
    outputs, logs, records, files = [], [], [], []
    for place, done in (called, single):
        [run], [entry] = (place / "outputs" / "runs").iterdir(), runs(place)
        outputs.append((done.returncode, timeless(done.stdout), timeless(done.stderr)))
        logs.append(timeless((run / "wavesweep.log").read_text()))
        records.append((on_disk(run), entry.info.run_name, entry.data.params))
        names = {str(path.relative_to(place)) for path in place.rglob("*")}
        files.append({re.sub(r"\b(m-)?[0-9a-f]{32}\b", "id", name.replace(run.name, "run")) for name in names})
    for of_the_called, of_the_started in (outputs, logs, records, files):
        assert of_the_called == of_the_started


@pytest.mark.parametrize("arguments", [("seed=1.5",), ("--help",), ("-sc", "query=bash")], ids=" ".join)
def test_a_command_that_is_called_says_all_that_a_started_one_says(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    text = "wavesweep dataset="
    started = run_process(*arguments, cwd=tmp_path, COMP_LINE=text, COMP_POINT="18")
    called = call(*arguments, cwd=tmp_path, COMP_LINE=text, COMP_POINT="18")
    assert started.stdout + started.stderr
    assert (called.returncode, called.stdout, called.stderr) == (started.returncode, started.stdout, started.stderr)


def timeless(text: str) -> str:
    """Return a text less MLflow's ids, the names of runs, and what tells the time or comes as time passes."""
    text = re.sub(r"(?m)^.*epoch (\d+)/(?!\1\b).*\n", "", text)
    return re.sub(r"\b[\d.]+ s\b|\b(?:[0-9a-f]{32}|[0-9a-f]{8})\b|\b\d{4}-\d\d-\d\d[_ ]\S*", "", text)


def test_a_sweep_gives_each_job_its_directory_and_run(wavesweep: Command, tmp_path: Path) -> None:
    swept = ["dataset=sine,cos_sin_squared", "model=tiny,linear", "training.epochs=1", BASIC]
    done = wavesweep("-m", *SMALL, *swept)
    assert done.returncode == 0, done.stderr
    [sweep] = (tmp_path / "outputs" / "sweeps").iterdir()
    jobs = sorted(path.parent.name for path in sweep.glob("*/run.json"))
    assert jobs == ["0", "1", "2", "3"]
    [parent] = [run for run in runs(tmp_path) if "mlflow.parentRunId" not in run.data.tags]
    found = [run for run in runs(tmp_path) if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert parent.info.status == "FINISHED"
    assert len({run.info.run_name for run in found}) == 4
    assert {run.data.tags["wavesweep.sweep_id"] for run in found} == {sweep.name}
    keys = [set(run.data.metrics) for run in found]
    assert keys[0] == keys[1] == keys[2] == keys[3], "the compare page draws one chart a key"


def test_a_failed_job_does_not_stop_the_others(wavesweep: Command, tmp_path: Path) -> None:
    overrides = ["model=tiny", "training.epochs=1", "training.window=10,20", "hydra.sweep.dir=sweep", BASIC]
    assert wavesweep("-m", *SMALL, *overrides, "hydra.sweeper.timeout=0").returncode == 0
    (tmp_path / "sweep" / "0").mkdir()
    (tmp_path / "sweep" / "0" / "plots").write_text("a file where a folder belongs")
    done = wavesweep("resume", "sweep", BASIC)
    assert done.returncode == 1
    reason = "sweep/0/plots: File exists"
    assert re.search(rf"failed    job 0  window=10 +[.\d]+ s  {reason}", done.stderr)
    assert f"failed: trial 0 (training.window=10): {reason}" in done.stdout
    assert "Traceback" not in done.stderr
    assert "Traceback" in (tmp_path / "sweep" / "0" / "wavesweep.log").read_text()
    states = {run.data.params.get("training.window"): run.info.status for run in runs(tmp_path)}
    assert states == {"10": "FAILED", "20": "FINISHED", None: "FAILED"}


def test_one_wrong_value_stops_a_sweep_before_it_begins(wavesweep: Command, tmp_path: Path) -> None:
    done = wavesweep("-m", *SMALL, "model=tiny", "seed=0,1", "training.window=10,1")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "model=tiny seed=0 training.window=1 (and 1 more): training.window must be from 2" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_diverged_run_exits_with_3(wavesweep: Command) -> None:
    done = wavesweep(
        *SMALL,
        "model=tiny",
        "optimizer=sgd",
        "optimizer.lr=1e30",
        "optimizer.schedule=constant",
        "training.clip_norm=0",
    )
    assert done.returncode == 3
    assert "diverged" in done.stdout
    assert "Traceback" not in done.stderr


def test_untracked_results_are_complete_and_exit_with_4(wavesweep: Command, tmp_path: Path) -> None:
    done = wavesweep(*QUICK, "tracking.uri=http://127.0.0.1:9")
    assert done.returncode == 4
    assert "MLflow has not taken the run" in done.stderr
    [run] = (tmp_path / "outputs" / "runs").iterdir()
    assert {"config.yaml", "model.safetensors", "metrics.jsonl", "plots", "model"} <= {p.name for p in run.iterdir()}


def test_an_error_of_ours_is_one_line_and_its_traceback_is_in_the_log(wavesweep: Command, tmp_path: Path) -> None:
    assert wavesweep(*QUICK, "hydra.run.dir=taken").returncode == 0
    info, plots = tmp_path / "taken" / "run.json", tmp_path / "taken" / "plots"
    info.write_text(info.read_text().replace('"finished"', '"killed"'))
    shutil.rmtree(plots)
    plots.write_text("a file where a folder belongs")
    done = wavesweep("resume", "taken")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "failed: taken/plots: File exists; wavesweep resume taken" in done.stderr
    assert "Traceback" in (tmp_path / "taken" / "wavesweep.log").read_text()


def test_a_directory_takes_one_run(wavesweep: Command) -> None:
    assert wavesweep(*QUICK, "hydra.run.dir=here").returncode == 0
    again = wavesweep(*QUICK, "hydra.run.dir=here")
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "here must be new or empty" in again.stderr


def test_what_is_ignored_is_said(wavesweep: Command) -> None:
    done = wavesweep(*SMALL, "model=linear", "optimizer.lr=0.5", "optimizer@training.refiner=sgd", "forecast.stride=2")
    assert done.returncode == 0
    assert "optimizer.lr=0.5 has no effect: model=linear is fitted by least squares" in done.stderr
    assert "optimizer@training.refiner=sgd has no effect: model=linear is fitted by least squares" in done.stderr
    assert "forecast.stride=2 has no effect" in done.stderr


def test_hydra_flags_work(wavesweep: Command, tmp_path: Path) -> None:
    shown = wavesweep("--cfg", "job", "dataset=cos_sin_squared")
    assert shown.returncode == 0
    assert yaml.safe_load(shown.stdout)["dataset"]["kind"] == "cos_sin_squared"
    usage = wavesweep("--help")
    assert usage.returncode == 0
    assert len(usage.stdout.splitlines()) <= 24
    assert wavesweep("--info").returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("wavesweep dataset=", {"dataset=cos_sin_squared", "dataset=csv", "dataset=linear_noise", "dataset=sine"}),
        ("wavesweep dataset=s", {"dataset=sine"}),
        ("wavesweep seed=1 optimizer.weig", {"optimizer.weight_decay="}),
        ("wavesweep u", {"ui"}),
        ("wavesweep seed=1 u", set()),
        ("wavesweep exp", {"experiment="}),
        ("wavesweep experiment=article/s", {"experiment=article/sine"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_completion_knows_groups_keys_and_words(tmp_path: Path, shell: str, line: str, expected: set[str]) -> None:
    done = call("-sc", f"query={shell}", cwd=tmp_path, COMP_LINE=line, COMP_POINT=str(len(line)))
    assert done.returncode == 0, done.stderr
    assert {text.rpartition("=")[0] + "=" if "." in text else text for text in done.stdout.split()} == expected


def test_bash_completes(tmp_path: Path) -> None:
    """As its users install it; zsh takes the same functions."""
    program = tmp_path / "wavesweep"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m wavesweep "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(wavesweep -sc install=bash)"; COMP_LINE="wavesweep dataset=s" COMP_POINT=19 COMP_CWORD=1; '
        'hydra_bash_completion; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "dataset=sine\n"


def test_the_console_script_is_the_same_program(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("wavesweep")
    done = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"wavesweep {version('wavesweep')}\n")


def test_what_conf_lets_hydra_call_is_listed() -> None:
    texts = [path.read_text("utf-8") for path in conf_dir().rglob("*.yaml")]
    named = [name for text in texts for name in re.findall(r"(?:_target_|class|\(\)): ([\w.]+)", text)]
    assert sorted({name for name in named if not name.startswith("logging.")}) == [*TARGETS]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_where_the_table_says_and_has_a_help(command: str) -> None:
    assert callable(resolve_name(COMMANDS[command]))
    assert f"usage: wavesweep {command} " in help_of(command)


@pytest.mark.parametrize("text", ["DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", "a bug"])
def test_memory_that_runs_out_within_a_library_is_one_line(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise RuntimeError(text)

    monkeypatch.setattr("wavesweep.cli.forecast.run", fail)
    if text == "a bug":
        with pytest.raises(RuntimeError, match=text):
            _run_command("forecast", [])
        return
    assert _run_command("forecast", []) == FAILED
    assert capsys.readouterr().err == "wavesweep: out of memory; take smaller sizes or end other programs\n"


def test_another_copy_of_the_engine_is_named(
    wavesweep: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "site" / "hydra_queue_sweeper-0.0.9.dist-info" / "METADATA"
    told.parent.mkdir(parents=True)
    told.write_text("Metadata-Version: 2.1\nName: hydra-queue-sweeper\nVersion: 0.0.9\n")
    jobs = ("-m", *SMALL, "seed=0,1", "hydra.sweeper.timeout=0", "tracking.followers=[]")
    assert "is installed beside" not in wavesweep(*jobs, "hydra.sweep.dir=first").stderr
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert "hydra-queue-sweeper 0.0.9 is installed beside wavesweep" in wavesweep(*jobs).stderr


def test_a_directory_that_may_not_be_read_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As under umask 777."""
    error = PermissionError(errno.EACCES, "Permission denied", "run.json")

    def exists(_: RunDirectory) -> bool:
        raise error

    monkeypatch.setattr(RunDirectory, "exists", exists)
    assert fail(error, RunDirectory(tmp_path)) == FAILED
    assert caplog.messages[0] == "failed: run.json: Permission denied; make it writable"
