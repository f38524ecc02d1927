"""The launcher of SLURM jobs, on a real SLURM of two nodes: nothing is lost, whatever ends a batch job."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.slurm import NODES, Slurm, missing
from tests.support.trees import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]
PROGRAM = """
import os
import time

import hydra


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    with open("begun", "a") as file:
        job, node = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURMD_NODENAME")
        file.write(f"{config.number} {job} {node} {os.getpid()}\\n")
    for _ in range(round(10 * config.seconds)):
        time.sleep(0.1)
    return config.number / 7


if __name__ == "__main__":
    main()
"""
SECONDS = 120


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.close()


class Sweep:
    """A sweep of a small program, started on a cluster."""

    def __init__(self, cluster: Slurm, place: Path, jobs: int, seconds: float, *overrides: str) -> None:
        self.cluster, self.place = cluster, place
        (place / "program.py").write_text(PROGRAM)
        self.words = [
            "program.py", "-m", "hydra/sweeper=queue", "hydra/launcher=slurm", f"+number=range({jobs})",
            f"+seconds={seconds}", "hydra.sweep.dir=sweep", *overrides,
        ]  # fmt: skip
        self.start()

    def start(self, *further: str) -> None:
        self.process = subprocess.Popen(
            self.cluster.within(sys.executable, *self.words, *further),
            cwd=self.place, env=self.cluster.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def begun(self) -> list[list[str]]:
        """Return number, batch job, node and process of each job that has begun."""
        path = self.place / "begun"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for(self, number: int) -> None:
        """Wait until so many jobs have begun."""
        wait_until(lambda: len(self.begun()) >= number, SECONDS)

    def end(self, code: int = 0) -> str:
        """Wait for the end; return what was said."""
        said, _ = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == code, said
        return said

    def trials(self) -> list[dict[str, object]]:
        """Return the records of all trials, in their order."""
        paths = sorted((self.place / "sweep" / "trials").glob("*.json"), key=lambda path: int(path.stem))
        return [json.loads(path.read_text()) for path in paths]

    def check(self, jobs: int, deaths: int = 0) -> None:
        """Make sure that each job has ended once, and that as many workers were charged."""
        trials = self.trials()
        assert [trial["state"] for trial in trials] == ["finished"] * jobs
        assert [trial["objective"] for trial in trials] == [number / 7 for number in range(jobs)]
        assert sum(trial["deaths"] for trial in trials) <= deaths  # type: ignore[misc]
        wait_until(lambda: not self.cluster.states(), SECONDS)


Start = Callable[..., Sweep]


@pytest.fixture
def start(slurm: Slurm, tmp_path: Path) -> Iterator[Start]:
    """Start sweeps, and leave nothing of them behind."""
    started = []

    def begin(jobs: int, seconds: float, *overrides: str, workers: int = 2) -> Sweep:
        started.append(Sweep(slurm, tmp_path, jobs, seconds, f"hydra.sweeper.n_workers={workers}", *overrides))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()
    slurm.ask("scancel", *slurm.states())
    wait_until(lambda: not slurm.states(), SECONDS)


def test_jobs_run_on_both_nodes_with_the_leaderboard_of_one_machine(start: Start, tmp_path: Path) -> None:
    sweep = start(24, 0.3, workers=4)
    sweep.end()
    sweep.check(24)
    assert {node for _, _, node, _ in sweep.begun()} == {*NODES}
    of_local = {"hydra/launcher=slurm": "hydra/launcher=processes", "hydra.sweep.dir=sweep": "hydra.sweep.dir=local"}
    words = [of_local.get(word, word) for word in sweep.words]
    subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, capture_output=True)
    for own, local in zip(sweep.trials(), sorted_trials(tmp_path / "local"), strict=True):
        assert {key: own[key] for key in SAME} == {key: local[key] for key in SAME}


SAME = ("number", "overrides", "state", "objective", "reason", "deaths", "directory")


def sorted_trials(sweep: Path) -> list[dict[str, object]]:
    paths = sorted((sweep / "trials").glob("*.json"), key=lambda path: int(path.stem))
    return [json.loads(path.read_text()) for path in paths]


def test_what_is_preempted_goes_on(start: Start, slurm: Slurm) -> None:
    """No death is charged: the job stops in order, and another takes its place once the nodes are free."""
    sweep = start(8, 1.0)
    sweep.wait_for(2)
    slurm.ask("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    assert "sent again" not in sweep.end()
    sweep.check(8)
    assert len({job for _, job, _, _ in sweep.begun()}) > 2


def test_a_time_limit_is_followed_by_another_job(start: Start) -> None:
    """SLURM looks at limits every half a minute."""
    sweep = start(45, 1.0, "hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=50", workers=1)
    sweep.end()
    sweep.check(45)
    assert len({job for _, job, _, _ in sweep.begun()}) > 1


def test_a_cancelled_job_is_replaced(start: Start, slurm: Slurm) -> None:
    sweep = start(6, 1.0)
    sweep.wait_for(1)
    slurm.ask("scancel", sweep.begun()[0][1])
    sweep.end()
    sweep.check(6)


def test_a_killed_worker_is_replaced_though_there_is_no_accounting(start: Start) -> None:
    """The process that the batch job is, with all that it has started."""
    sweep = start(6, 1.5)
    sweep.wait_for(2)
    child = int(sweep.begun()[0][3])
    for number in (parent_of(child), child):
        os.kill(number, signal.SIGKILL)
    assert "ended without a result" in sweep.end()
    sweep.check(6, deaths=1)


def parent_of(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_node_that_is_gone_for_good_costs_its_worker_alone(start: Start, slurm: Slurm) -> None:
    sweep = start(10, 1.0, "hydra.launcher.cpus_per_task=2")
    sweep.wait_for(2)
    [gone] = {node for _, _, node, _ in sweep.begun()} - {"n0"}
    slurm.kill(gone)
    try:
        sweep.end()
        sweep.check(10, deaths=1)
    finally:
        slurm.start(gone, "slurmd", "-D", "-N", gone)
        wait_until(lambda: slurm.ask("sinfo", "--noheader", "--format=%T %D").strip() == "idle 2", SECONDS)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_no_job_outlives_a_sweeper_that_is_stopped_or_killed(start: Start, slurm: Slurm, signum: int) -> None:
    """Nor does what waits in the queue, as there are more workers than cores; the sweep can be gone on with."""
    sweep = start(12, 0.5, "hydra.launcher.cpus_per_task=2", workers=3)
    sweep.wait_for(2)
    sweep.process.send_signal(signum)
    sweep.process.communicate(timeout=SECONDS)
    wait_until(lambda: not slurm.states(), SECONDS)
    assert len(sweep.begun()) < 12
    sweep.start("hydra.sweeper.resume=true")
    sweep.end()
    sweep.check(12)


def test_what_slurm_does_not_take_is_refused_in_a_line(start: Start) -> None:
    said = start(2, 0.1, "hydra.launcher.partition=nope").end(code=1)
    assert "SLURM takes no job: invalid partition specified: nope; see hydra.launcher" in said
    assert "Traceback" not in said


def test_without_slurm_it_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    words = ["program.py", "-m", "hydra/sweeper=queue", "hydra/launcher=slurm", "+number=1", "+seconds=0"]
    variables = os.environ | {"PATH": ""}
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "hydra/launcher=slurm needs sbatch and srun" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
