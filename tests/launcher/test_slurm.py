"""The launcher of SLURM jobs, on a real SLURM of two nodes: nothing is lost, whatever ends a batch job."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.slurm import NODES, Slurm, missing, missing_accounting
from tests.support.sweeping_elsewhere import PROGRAM, SECONDS, Sweep
from tests.support.trees import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]
SECONDS_TO_OUTLIVE = 420  # SLURM lets what is queued again wait for two minutes
# SLURM looks at limits every half a minute and signals half a minute early: here after 15 to 45 seconds. A signal that
# is sent before the job's step has begun reaches nobody, and isn't sent again.
TIME_LIMIT = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=15")
DETACHED = "hydra.sweeper.detach=true"
Start = Callable[..., Sweep]
QUEUE = Path(sys.executable).with_name("hydra-queue")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def accounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    cluster = Slurm(tmp_path_factory.mktemp("accounted"), accounting=True)
    yield cluster
    cluster.close()


@pytest.fixture
def start(slurm: Slurm, tmp_path: Path) -> Iterator[Start]:
    with starting(slurm, tmp_path) as begin:
        yield begin


@pytest.fixture
def start_accounted(accounted: Slurm, tmp_path: Path) -> Iterator[Start]:
    with starting(accounted, tmp_path) as begin:
        yield begin


@contextmanager
def starting(slurm: Slurm, tmp_path: Path) -> Iterator[Start]:
    """Start sweeps, and leave nothing of them behind."""
    started = []

    def begin(jobs: int, seconds: float, *overrides: str, workers: int = 2, launcher: str = "slurm") -> Sweep:
        own = (f"hydra/launcher={launcher}", f"hydra.sweeper.n_workers={workers}", *overrides)
        sweep = Sweep(tmp_path, jobs, seconds, *own, before=slurm.within(), variables=slurm.variables)
        started.append(sweep)
        return sweep

    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()
    slurm.ask("scancel", *slurm.states())
    wait_until(lambda: not slurm.states(), SECONDS)


def end(sweep: Sweep, slurm: Slurm, jobs: int, deaths: int = 0) -> str:
    """Wait for the end; make sure that all is there, and nothing in SLURM's queue any more."""
    said = sweep.end()
    sweep.check(jobs, deaths)
    wait_until(lambda: not slurm.states(), SECONDS)
    return said


def test_jobs_run_on_both_nodes_with_the_leaderboard_of_one_machine(start: Start, slurm: Slurm) -> None:
    sweep = start(24, 0.3, workers=4)
    end(sweep, slurm, 24)
    assert {node for _, _, node, _ in sweep.begun()} == {*NODES}
    sweep.check_as_on_one_machine()


def test_what_is_preempted_goes_on(start: Start, slurm: Slurm) -> None:
    """No death is charged: the job stops in order, and another takes its place once the nodes are free."""
    sweep = start(8, 1.0)
    sweep.wait_for(2)
    slurm.ask("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    end(sweep, slurm, 8)
    assert len({job for _, job, _, _ in sweep.begun()}) > 2


def test_a_time_limit_is_followed_by_another_job(start: Start, slurm: Slurm) -> None:
    sweep = start(50, 1.0, *TIME_LIMIT, workers=1)
    end(sweep, slurm, 50)
    assert len({job for _, job, _, _ in sweep.begun()}) > 1


def test_a_cancelled_job_is_replaced(start: Start, slurm: Slurm) -> None:
    sweep = start(6, 1.0)
    sweep.wait_for(1)
    slurm.ask("scancel", sweep.begun()[0][1])
    end(sweep, slurm, 6)


def test_a_killed_worker_is_replaced_though_there_is_no_accounting(start: Start, slurm: Slurm) -> None:
    sweep = start(6, 1.5)
    kill_a_worker(sweep)
    assert "ended without a result" in end(sweep, slurm, 6, deaths=1)


@pytest.mark.clusters
@pytest.mark.skipif(bool(missing_accounting()), reason=missing_accounting())
def test_a_killed_worker_is_replaced_where_there_is_accounting(start_accounted: Start, accounted: Slurm) -> None:
    sweep = start_accounted(6, 1.5)
    killed = kill_a_worker(sweep)
    assert "ended without a result" in end(sweep, accounted, 6, deaths=1)
    asked = ("sacct", "--noheader", "--parsable2", "--allocations", "--format=jobid,state")
    wait_until(lambda: f"{killed}|FAILED" in accounted.ask(*asked), SECONDS)
    assert "|COMPLETED" in accounted.ask(*asked)


def kill_a_worker(sweep: Sweep) -> str:
    """Kill the process that a batch job is, with all that it has started; return the job's number."""
    sweep.wait_for(2)
    _, job, _, number = sweep.begun()[0]
    child = int(number)
    parent = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    for one in (parent, child):
        os.kill(one, signal.SIGKILL)
    return job


def test_a_node_that_is_gone_for_good_costs_its_worker_alone(start: Start, slurm: Slurm) -> None:
    sweep = start(20, 1.0, "hydra.launcher.cpus_per_task=2")
    wait_until(lambda: {node for _, _, node, _ in sweep.begun()} == {*NODES}, SECONDS)
    gone = NODES[1]
    slurm.kill(gone)
    try:
        end(sweep, slurm, 20, deaths=1)
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
    end(sweep, slurm, 12)


@pytest.mark.clusters
def test_all_cancelled_at_once_are_replaced(start: Start, slurm: Slurm) -> None:
    sweep = start(8, 1.0, workers=3)
    sweep.wait_for(3)
    slurm.ask("scancel", *slurm.states())
    end(sweep, slurm, 8)


@pytest.mark.clusters
def test_a_sweep_is_resumed_twice(start: Start, slurm: Slurm) -> None:
    """Batch jobs of an earlier start that still waited end as they begin: they would be workers too many."""
    sweep = start(16, 0.5, "hydra.launcher.cpus_per_task=2", workers=3)
    for number in (2, 6):
        sweep.wait_for(number)
        sweep.process.kill()
        sweep.process.communicate(timeout=SECONDS)
        sweep.start("hydra.sweeper.resume=true")
    end(sweep, slurm, 16)


def outlived(sweep: Sweep, slurm: Slurm, jobs: int, deaths: int = 0) -> None:
    """Wait until workers that outlive their command have ended; make sure that they have concluded the sweep."""
    assert "which outlive this command" in sweep.end()
    wait_until(lambda: len(sweep.begun()) >= jobs and not slurm.states(), SECONDS_TO_OUTLIVE)
    sweep.check(jobs, deaths)
    assert (sweep.place / "sweep/optimization_results.yaml").exists()


def test_workers_outlive_the_command_on_both_nodes(start: Start, slurm: Slurm) -> None:
    sweep = start(24, 0.3, DETACHED, workers=4)
    outlived(sweep, slurm, 24)
    assert {node for _, _, node, _ in sweep.begun()} == {*NODES}


@pytest.mark.clusters
def test_slurm_queues_detached_workers_again_at_their_time_limit(start: Start, slurm: Slurm) -> None:
    sweep = start(50, 1.0, DETACHED, *TIME_LIMIT, workers=1)
    outlived(sweep, slurm, 50)
    assert len({process for *_, process in sweep.begun()}) > 1
    assert len({job for _, job, _, _ in sweep.begun()}) == 1, "the same batch job"


@pytest.mark.clusters
def test_preempted_detached_workers_go_on(start: Start, slurm: Slurm) -> None:
    sweep = start(12, 1.0, DETACHED)
    sweep.wait_for(2)
    slurm.ask("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    outlived(sweep, slurm, 12, deaths=2)


@pytest.mark.clusters
def test_detached_workers_are_stopped_in_order_those_that_wait_too(start: Start, slurm: Slurm) -> None:
    sweep = start(40, 0.5, DETACHED, "hydra.launcher.cpus_per_task=2", workers=3)
    sweep.end()
    sweep.wait_for(3)
    assert "PENDING" in slurm.states().values()
    said = subprocess.run(
        [QUEUE, "stop", "sweep"], cwd=sweep.place, capture_output=True, text=True, check=True, timeout=SECONDS
    ).stdout
    assert "of 40 jobs of sweep are left, and nobody is at work there" in said
    wait_until(lambda: not slurm.states(), SECONDS)
    assert {str(trial["state"]) for trial in sweep.trials()} <= {"finished", "interrupted"}
    assert len(sweep.trials()) < 40
    sweep.start("hydra.sweeper.resume=true")
    outlived(sweep, slurm, 40)


@pytest.mark.clusters
def test_dask_asks_slurm_for_its_workers(start: Start, slurm: Slurm) -> None:
    cluster = "{cores: 1, processes: 1, memory: 500MB, queue: low, walltime: '00:10:00', nanny: false, interface: lo}"
    options = ("hydra.launcher.cluster=slurm", f"+hydra.launcher.options={cluster}")
    sweep = start(12, 0.3, *options, workers=3, launcher="dask")
    end(sweep, slurm, 12)
    assert {node for _, _, node, _ in sweep.begun()} == {*NODES}
    sweep.check_as_on_one_machine()


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
