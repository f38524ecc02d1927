"""The launcher of Dask's tasks, on a real local cluster of processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.sweeping_elsewhere import SECONDS, Sweep
from tests.support.trees import lives, wait_until

pytestmark = pytest.mark.slow
DETACHED = "hydra.sweeper.detach=true"
Start = Callable[..., Sweep]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start sweeps, and leave nothing of them behind."""
    started = []

    def begin(jobs: int, seconds: float, *overrides: str) -> Sweep:
        chosen = overrides or ("hydra.launcher.cluster=local",)
        started.append(Sweep(tmp_path, jobs, seconds, "hydra/launcher=dask", "hydra.sweeper.n_workers=2", *chosen))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()


def parent_of(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def test_two_workers_run_all_with_the_leaderboard_of_one_machine(start: Start) -> None:
    sweep = start(8, 0.3)
    sweep.end()
    sweep.check(8)
    assert len({process for *_, process in sweep.begun()}) == 2
    sweep.check_as_on_one_machine()


def test_a_worker_of_dask_s_that_is_killed_is_replaced(start: Start) -> None:
    """With its process, which beside it runs ours, goes the job; that is charged with a death at most."""
    sweep = start(8, 0.6)
    sweep.wait_for(2)
    own = int(sweep.begun()[0][3])
    apart = parent_of(own)
    os.kill(parent_of(apart), signal.SIGKILL)
    sweep.end()
    sweep.check(8, deaths=1)
    wait_until(lambda: not lives(own) and not lives(apart), SECONDS)


def test_a_worker_of_ours_that_is_killed_is_replaced(start: Start) -> None:
    sweep = start(8, 0.6)
    sweep.wait_for(2)
    os.kill(int(sweep.begun()[0][3]), signal.SIGKILL)
    sweep.end()
    sweep.check(8, deaths=1)
    assert len({process for *_, process in sweep.begun()}) == 3


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_sweeper_that_is_stopped_or_killed(start: Start, signum: int) -> None:
    sweep = start(16, 0.5)
    sweep.wait_for(2)
    sweep.process.send_signal(signum)
    sweep.process.communicate(timeout=SECONDS)
    wait_until(lambda: not any(lives(int(process)) for *_, process in sweep.begun()), SECONDS)
    assert len(sweep.begun()) < 16
    sweep.start("hydra.sweeper.resume=true")
    sweep.end()
    sweep.check(16)


def test_a_scheduler_that_is_there_is_used(start: Start, tmp_path: Path) -> None:
    told = tmp_path / "scheduler.json"
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0"]
    scheduler += ["--no-dashboard", f"--scheduler-file={told}"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", f"--scheduler-file={told}", "--no-dashboard"]
    worker += ["--nworkers=2", "--nthreads=1", f"--local-directory={tmp_path}"]
    started = [subprocess.Popen(words, stderr=subprocess.DEVNULL) for words in (scheduler, worker)]
    try:
        wait_until(lambda: told.exists() and bool(told.read_text()), SECONDS)
        sweep = start(4, 0.2, f"hydra.launcher.address={json.loads(told.read_text())['address']}")
        sweep.end()
        sweep.check(4)
        assert (sweep.place / "sweep").rename(sweep.place / "before")
        (sweep.place / "begun").unlink()
        sweep.start(DETACHED)
        assert "2 workers for 4 jobs of sweep, which outlive this command" in sweep.end()
        wait_until((sweep.place / "sweep/optimization_results.yaml").exists, SECONDS)
        sweep.check(4)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(SECONDS)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["hydra.launcher.cluster=local", DETACHED], "detach=true needs hydra.launcher.address with Dask"),
        (["hydra.launcher.cluster=nope"], "hydra.launcher.cluster must be one of local, htcondor"),
        (["hydra.launcher.retries=2"], "takes one of hydra.launcher.cluster and hydra.launcher.address"),
        (["hydra.launcher.cluster=kubernetes"], "hydra.launcher.cluster=kubernetes needs dask-kubernetes"),
    ],
)
def test_what_it_can_t_run_on_is_refused_in_a_line(start: Start, overrides: list[str], said: str) -> None:
    output = start(2, 0.1, *overrides).end(code=1)
    assert said in output
    assert "Traceback" not in output
