"""Workers that outlive the command that started them, and others that join: watched, stopped and gone on with."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hydra_queue_sweeper.sweeps.control import read_control
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.postgres import Postgres
from tests.support.sweeping_elsewhere import SECONDS, Sweep
from tests.support.trees import wait_until

SLOW = pytest.mark.slow
DETACHED = "hydra.sweeper.detach=true"
TWO = "hydra.sweeper.n_workers=2"
PROCESSES = "hydra/launcher=processes"
QUEUE = (sys.executable, "-c", "from hydra_queue_sweeper.cli.main import main; main()")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Give an empty folder; no worker outlives the test."""
    yield tmp_path
    for number in workers(tmp_path):
        os.kill(number, signal.SIGKILL)


def workers(place: Path) -> list[int]:
    """Return the processes that are at work in a folder, those that look after others first."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").resolve() == place and int(entry.name) != os.getpid():
                words = (entry / "cmdline").read_bytes()
                if b"hydra_queue_sweeper" in words or b"spawn_main" in words:
                    found.append(int(entry.name))
        except OSError:  # it has ended
            continue
    return sorted(found)


def start(place: Path, jobs: int, seconds: float, *overrides: str) -> Sweep:
    """Start a sweep."""
    return Sweep(place, jobs, seconds, PROCESSES, *overrides)


def queue(place: Path, *words: str, code: int = 0) -> str:
    """Call hydra-queue; return what it says."""
    done = subprocess.run(
        [*QUEUE, *words],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


def ended(place: Path) -> None:
    """Wait until nobody is at work any more."""
    wait_until(lambda: not workers(place) and not SweepDirectory(place / "sweep").is_run(), SECONDS)


def test_workers_outlive_the_command_and_conclude(place: Path) -> None:
    sweep = start(place, 6, 0.5, DETACHED, TWO)
    said = sweep.end()
    assert "2 workers for 6 jobs of sweep, which outlive this command\n  hydra-queue watch sweep\n" in said
    assert "hydra.sweeper.resume=true goes on with what is left" in said
    assert len(sweep.trials()) < 6
    watched = queue(place, "watch", "sweep")
    assert re.search(r"\[6/6\] finished  job \d  number=", watched)
    assert "all 6 jobs of sweep have ended; hydra-queue summary sweep ranks them" in watched
    ended(place)
    sweep.check(6)
    sweep.check_as_on_one_machine()
    assert "best: 0 by job 0" in (place / "sweep/workers/output.log").read_text()
    results = "optimization_results.yaml"
    assert (place / "sweep" / results).read_text() == (place / "local" / results).read_text()


@SLOW
def test_they_are_stopped_in_order_and_gone_on_with(place: Path) -> None:
    sweep = start(place, 30, 0.5, DETACHED, TWO)
    sweep.end()
    sweep.wait_for(3)
    sweep.start("hydra.sweeper.resume=true")
    assert "sweep is being run by another process" in sweep.end(code=1)
    said = queue(place, "stop", "sweep")
    assert re.search(r"\d+ of 30 jobs of sweep are left, and nobody is at work there", said)
    ended(place)
    states = {str(trial["state"]) for trial in sweep.trials()}
    assert states <= {"finished", "interrupted"}
    assert re.search(r"\d+ of 30 jobs are left", (place / "sweep/workers/output.log").read_text())
    sweep.start("hydra.sweeper.resume=true")  # as it began: detached
    sweep.end()
    queue(place, "watch", "sweep")
    ended(place)
    sweep.check(30)


@SLOW
@pytest.mark.parametrize("which", ["all", "one that works"])
def test_killed_ones_cost_nothing_that_had_ended(which: str, place: Path) -> None:
    """One that works is replaced by what looks after it; after the death of all, the sweep is gone on with."""
    sweep = start(place, 10, 0.5, DETACHED, TWO)
    sweep.end()
    sweep.wait_for(3)
    for number in workers(place) if which == "all" else [int(sweep.begun()[-1][3])]:
        os.kill(number, signal.SIGKILL)
    if which == "all":
        ended(place)
        assert "of 10 jobs of sweep are left, and nobody is at work there" in queue(place, "watch", "sweep")
        sweep.start("hydra.sweeper.resume=true")
        sweep.end()
    queue(place, "watch", "sweep")
    ended(place)
    sweep.check(10, deaths=1)
    assert (place / "sweep/optimization_results.yaml").exists()


@SLOW
@pytest.mark.parametrize("further", [(DETACHED,), ()])
def test_a_worker_more_joins(further: tuple[str, ...], place: Path) -> None:
    """Whoever began the sweep waits for what it is at."""
    sweep = start(place, 8, 1.0, "hydra.sweeper.n_workers=1", *further)
    sweep.wait_for(1)
    said = queue(place, "work", "sweep", sys.executable, "program.py")
    assert "working for sweep, until nothing is left to begin there" in said
    sweep.end()
    queue(place, "watch", "sweep")
    ended(place)
    sweep.check(8)
    assert len({process for *_, process in sweep.begun()}) == 2
    again = queue(place, "work", "sweep", sys.executable, "program.py", code=0 if further else 1)
    if not further:
        assert "sweep is not being run; the same command with hydra.sweep.dir=sweep" in again


@SLOW
def test_a_sweeper_is_stopped_from_elsewhere(place: Path) -> None:
    sweep = start(place, 12, 0.5, TWO)
    sweep.wait_for(3)
    assert "jobs of sweep are left, and nobody is at work there" in queue(place, "stop", "sweep")
    assert "jobs are left, since it was stopped; the same command" in sweep.end()
    sweep.start("hydra.sweeper.resume=true")
    sweep.end()
    sweep.check(12)


@SLOW
def test_their_time_is_up_too(place: Path) -> None:
    sweep = start(place, 50, 0.3, DETACHED, TWO, "hydra.sweeper.timeout=3")
    sweep.end()
    queue(place, "watch", "sweep")
    ended(place)
    assert 1 <= len(sweep.trials()) < 50
    assert {str(trial["state"]) for trial in sweep.trials()} == {"finished"}
    assert "jobs are left, since the time is up" in (place / "sweep/workers/output.log").read_text()


@SLOW
def test_what_can_t_be_is_refused_in_a_line(place: Path) -> None:
    nowhere = Sweep(place, 2, 0.1, PROCESSES, "hydra.sweeper.claims=postgresql://me@127.0.0.1:9/none")
    assert "no database answers there" in nowhere.end(code=1)
    assert not (place / "sweep/sweep.json").exists()
    (place / "sweep/.lock").unlink()
    (place / "sweep").rmdir()
    sweep = Sweep(place, 2, 0.1, DETACHED)
    assert "detach=true needs hydra/launcher=processes, slurm or dask, got basic" in sweep.end(code=1)
    assert not (place / "sweep").exists()
    sweep.overrides = (TWO, PROCESSES)
    sweep.start()
    sweep.end()
    assert "say which program has begun the sweep" in queue(place, "work", "sweep", code=2)
    wrong = queue(place, "work", "sweep", sys.executable, "program.py", "+number=5", code=1)
    assert "is not being run" in wrong
    for command in ("watch", "stop"):
        assert "must be the directory of a sweep" in queue(place, command, "nowhere", code=2)
    assert "all 2 jobs of sweep have ended" in queue(place, "watch", "sweep")
    (place / "sweep/.control").unlink()
    (place / "sweep/.control").symlink_to(place / "program.py")
    before = (place / "program.py").read_text()
    assert "must be a file or a folder, got a link" in queue(place, "stop", "sweep", code=2)
    assert (place / "program.py").read_text() == before


@SLOW
def test_a_join_claims_where_the_others_do(place: Path, database: Postgres) -> None:
    claims = f"hydra.sweeper.claims={database.address}"
    sweep = start(place, 6, 0.5, DETACHED, TWO, claims)
    sweep.end()
    sweep.wait_for(1)
    program = (sys.executable, "program.py")
    wrong = queue(place, "work", "sweep", *program, code=1)
    assert "the trials of sweep are claimed by way of its postgresql; add hydra.sweeper.claims=postgresql://" in wrong
    assert "working for sweep" in queue(place, "work", "sweep", *program, claims)
    ended(place)
    sweep.check(6)


@SLOW
def test_200_trials_by_8_workers_with_the_database_restarted_twice(place: Path, database: Postgres) -> None:
    """In order, and as after a crash: no trial is lost, none runs twice, none is charged with a death."""
    sweep = start(place, 200, 0.2, "hydra.sweeper.n_workers=8", f"hydra.sweeper.claims={database.address}")
    for number, signum in ((30, signal.SIGINT), (90, signal.SIGQUIT)):
        sweep.wait_for(number)
        database.stop(signum)
        time.sleep(1)
        database.start()
    sweep.end()
    sweep.check(200)
    assert len(sweep.begun()) == 200
    assert read_control(SweepDirectory(place / "sweep")).claims == "postgresql"
    sweep.check_as_on_one_machine()
    with database.connected() as connection:
        rows = connection.execute(
            "select count(*), bool_and(ended), max(attempt) from hydra_queue where sweep = %s", [str(place / "sweep")]
        ).fetchone()
    assert rows == (200, True, 1)
