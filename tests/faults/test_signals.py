"""SIGTERM and Ctrl-C end a run within two seconds, wherever it is, and it can be resumed."""

import random
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.commands import SMALL, Command, call, start
from tests.support.processes import Started, has_records, wait_until, works
from tests.support.records import is_in_mlflow, on_disk
from tests.support.stores import ready
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory

pytestmark = pytest.mark.alone
SECONDS = 2.0
STAGES = (*SMALL[:3], "model=tiny", "training.epochs=40", "training.refine_epochs=20")
LONG = ("training.epochs=3", "training.refine_epochs=0", "optimizer=lbfgs", "dataset.num_series=60", "model=large")
"""A step of the optimizer lasts more than ten seconds."""


def strike(process: Started, *signals: signal.Signals) -> float:
    """Send signals, one after the other; return the seconds from the first until the process has ended."""
    began = time.monotonic()
    for signum in signals:
        process.send_signal(signum)
        time.sleep(0.02)
    process.wait(timeout=60)
    return time.monotonic() - began


def states(cwd: Path) -> list[str]:
    """Return the statuses of the runs in MLflow, whose store is made if there is none yet, which takes seconds."""
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{cwd}/outputs/mlflow.db").tracking)
    return sorted(run.info.status for run in client.search_runs([experiment]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals", [(signal.SIGINT, signal.SIGINT, signal.SIGTERM), (signal.SIGTERM,)], ids=["several", "one"]
)
def test_a_signal_leaves_a_run_that_ends_as_if_left_alone(signals: tuple[signal.Signals, ...], tmp_path: Path) -> None:
    """Further ones, while it saves, harm nothing."""
    run, straight = tmp_path / "outputs" / "run", tmp_path / "straight"
    stages = (*STAGES, "training.epochs=400")  # MLflow, which is imported first, is to know of it before its end
    assert states(tmp_path) == []
    process = start(*stages, f"hydra.run.dir={run}", cwd=tmp_path)
    wait_until(lambda: has_records(run) and states(tmp_path) == ["RUNNING"], process)
    assert strike(process, *signals) < SECONDS
    assert process.returncode == 128 + signals[0]
    assert RunDirectory(run).checkpoint.exists()
    assert RunDirectory(run).read_info().status == "killed"
    assert states(tmp_path) == ["KILLED"]
    said = (tmp_path / "said").read_text()
    assert "wavesweep resume outputs/run goes on with the run\n" in said

    for arguments in (("resume",), (*stages, f"hydra.run.dir={straight}")):
        done = call(*arguments, cwd=tmp_path, pictures=True)
        assert done.returncode == 0
        said += done.stderr
    assert on_disk(run) == on_disk(straight)
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{tmp_path}/outputs/mlflow.db").tracking)
    is_in_mlflow(client, experiment, run)
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_signal_is_answered_within_a_step_of_the_optimizer(tmp_path: Path) -> None:
    assert states(tmp_path) == []
    run = tmp_path / "run"
    process = start(*LONG, f"hydra.run.dir={run}", cwd=tmp_path)
    wait_until(lambda: works(run, process), process)
    time.sleep(2)
    assert not has_records(run), "the step must last longer than that"
    assert strike(process, signal.SIGTERM) < SECONDS
    assert process.returncode == 143
    assert not has_records(run)
    assert RunDirectory(run).read_info().status == "killed"
    until = time.monotonic() + 10
    while states(tmp_path) != ["KILLED"]:  # the follower ends what it is at, but imports MLflow first
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.slow
def test_a_server_that_hangs_does_not_hold_up_a_signal(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = f"tracking.uri=http://127.0.0.1:{silent.getsockname()[1]}"
        process = start(*STAGES, store, f"hydra.run.dir={run}", cwd=tmp_path)
        wait_until(lambda: has_records(run), process)
        assert strike(process, signal.SIGINT) < SECONDS
    assert process.returncode == 130
    assert RunDirectory(run).read_info().status == "killed"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_a_signal_at_any_moment_is_answered(part: int, tmp_path: Path) -> None:
    """From the first moment of the program on to the last, in each fifth of them."""
    run = tmp_path / "run"
    process = start(*STAGES, f"hydra.run.dir={run}", cwd=tmp_path)
    time.sleep(0.5 + 8.5 * (part + random.Random(part).random()) / 5)
    assert strike(process, signal.SIGTERM) < SECONDS
    # It may have ended before; the system's own answer, as a shell sees it, is the same code.
    assert process.returncode in (143, 0, -signal.SIGTERM)
    if (run / "run.json").exists():
        status = RunDirectory(run).read_info().status
        assert status in ("killed", "finished")
        if process.returncode <= 0:
            assert (status, states(tmp_path)) == ("finished", ["FINISHED"])
    assert "Traceback" not in (tmp_path / "said").read_text()


@pytest.mark.slow
def test_what_vanished_is_marked_and_what_runs_is_left_alone(wavesweep: Command, tmp_path: Path) -> None:
    runs = {name: tmp_path / "outputs" / name for name in ("alive", "gone")}
    endless = (*SMALL[:3], "model=tiny", "training.epochs=100000", "training.refine_epochs=0", "optimizer=sgd")
    ready(tmp_path / "outputs" / "mlflow.db")
    processes = {name: start(*endless, f"hydra.run.dir={run}", cwd=tmp_path) for name, run in runs.items()}
    try:
        for name, process in processes.items():
            wait_until(lambda name=name: has_records(runs[name]), process)
        processes["gone"].kill()
        processes["gone"].wait()
        done = wavesweep("sync")
        assert (done.returncode, done.stdout) == (0, "1 running, 1 delivered\n")
        assert RunDirectory(runs["alive"]).read_info().status == "running"
        assert RunDirectory(runs["gone"]).read_info().status == "killed"
        assert states(tmp_path) == ["KILLED", "RUNNING"]

        taken = wavesweep("resume", str(runs["alive"]))
        assert taken.returncode == 2
        assert taken.stderr.count("\n") == 1
        assert "outputs/alive is in use by another process" in taken.stderr
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
