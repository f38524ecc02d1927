"""The process that delivers: whatever becomes of it, of its command and of others, and in which order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.commands import SMALL, Command, environment, start
from tests.support.processes import Started
from tests.support.records import is_in_mlflow
from tests.support.stores import ready
from tests.support.sweeping import is_whole
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory

LONG = (*SMALL[:3], "model=tiny", "training.epochs=100000", "training.refine_epochs=0", "training.record_every=100")
SHORT = (*SMALL, "model=tiny")
SECONDS = 5.0  # that anything may outlive what started it, and a moment to notice that


def processes() -> dict[int, str]:
    """Return all processes of this machine that live, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"\nState:\tZ" not in (folder / "status").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended
            pass
    return found


def of(command: Started, what: str) -> list[int]:
    """Return the processes that a command has started, of a kind."""
    found = []
    for pid, line in processes().items():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == command.pid and what in line:
            found.append(pid)
    return found


def follower(command: Started) -> int | None:
    """Return the follower of a command, once there is one."""
    return next(iter(of(command, "delivery.follower")), None)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


@contextmanager
def running(place: Path, *arguments: str) -> Iterator[Started]:
    """Start a command, and leave nothing of it behind."""
    ready(place / "outputs" / "mlflow.db")
    process = start(*arguments, cwd=place)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def statuses(place: Path) -> list[str]:
    """Return the statuses of all runs in MLflow."""
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{place}/outputs/mlflow.db").tracking)
    return sorted(run.info.status for run in client.search_runs([experiment]))


def check_whole(place: Path, *runs: Path) -> None:
    """Make sure that MLflow has each run, whole and once."""
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{place}/outputs/mlflow.db").tracking)
    for run in runs:
        is_in_mlflow(client, experiment, run)


@pytest.mark.slow
def test_it_has_a_group_of_its_own_and_imports_nothing_of_the_place(tmp_path: Path) -> None:
    """Ctrl-C on a terminal goes to the group of the command."""
    place = tmp_path / "place"
    place.mkdir()
    for name in ("mlflow.py", "sqlalchemy.py"):  # which the command itself imports from nowhere
        (place / name).write_text("raise SystemExit('imported')\n")
    with running(place, *LONG) as command:
        wait_until(lambda: statuses(place) == ["RUNNING"])
        pid = follower(command)
        assert pid
        assert os.getpgid(pid) == pid != os.getpgid(command.pid)
        os.kill(pid, signal.SIGINT)
        time.sleep(1)
        assert follower(command) == pid, "it is deaf to that"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while it trains", "at once"])
def test_a_run_ends_well_whose_follower_was_killed(moment: str, tmp_path: Path) -> None:
    run = tmp_path / "outputs" / "run"
    with running(tmp_path, *SHORT, "training.epochs=600", f"hydra.run.dir={run}") as command:
        wait_until(lambda: follower(command))
        pid = follower(command)
        assert pid
        if moment == "while it trains":
            wait_until(lambda: statuses(tmp_path) == ["RUNNING"])
        os.kill(pid, signal.SIGKILL)
        assert command.wait(120) == 0, (tmp_path / "said").read_text()
    check_whole(tmp_path, run)


@pytest.mark.slow
def test_a_run_says_what_is_missing_where_every_follower_dies(wavesweep: Command, tmp_path: Path) -> None:
    run = tmp_path / "outputs" / "run"
    with running(tmp_path, *SHORT, "training.epochs=300", f"hydra.run.dir={run}") as command:
        killed: set[int] = set()
        while command.poll() is None:
            for pid in set(of(command, "delivery.follower")) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.02)
        assert command.returncode == 4
    said = (tmp_path / "said").read_text()
    assert "the results are complete in outputs/run; wavesweep sync outputs/run delivers them to mlflow" in said
    assert "Traceback" not in said
    done = wavesweep("sync")
    assert (done.returncode, done.stdout) == (0, "1 delivered\n"), done.stderr
    check_whole(tmp_path, run)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_command(signum: signal.Signals, wavesweep: Command, tmp_path: Path) -> None:
    run = tmp_path / "outputs" / "run"
    with running(tmp_path, *LONG, f"hydra.run.dir={run}") as command:
        wait_until(lambda: statuses(tmp_path) == ["RUNNING"])
        pid = follower(command)
        command.send_signal(signum)
        command.wait(10)
        wait_until(lambda: pid not in processes(), SECONDS)
    if signum != signal.SIGKILL:
        assert statuses(tmp_path) == ["KILLED"]
    for _ in range(2):
        assert wavesweep("sync").returncode == 0
        assert statuses(tmp_path) == ["KILLED"]


SWEEP = (
    "-m",
    *SHORT,
    "training.epochs=200",
    "seed=0,1,2",
    "hydra.sweeper.n_workers=2",
    "hydra.sweep.dir=outputs/sweep",
)
ORDERS = (
    ("sweep", "follower", "worker"),
    ("follower", "worker", "sweep"),
    ("worker", "sweep", "follower"),
)
"""Each of them first, in the middle and last."""


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_a_sweep_of_which_parts_are_killed_in_any_order_is_whole_after_resume(
    order: tuple[str, ...], wavesweep: Command, tmp_path: Path
) -> None:
    sweep = tmp_path / "outputs" / "sweep"
    with running(tmp_path, *SWEEP) as command:
        wait_until(lambda: len(list(sweep.glob("*/run.json"))) >= 2)
        parts = {
            "sweep": [command.pid],
            "follower": of(command, "delivery.follower"),
            "worker": of(command, "spawn_main")[:1],
        }
        assert all(parts.values())
        left = {*of(command, "delivery.follower"), *of(command, "spawn_main")}
        for name in order:
            for pid in parts[name]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:  # it has ended with another
                    assert name != order[0]
            time.sleep(0.1)
        command.wait(10)
        wait_until(lambda: not left & processes().keys(), SECONDS + 1)
    done = wavesweep("resume", "latest", "hydra/launcher=basic")
    assert done.returncode == 0, done.stderr
    is_whole(tmp_path, sweep)
    assert statuses(tmp_path) == ["FINISHED"] * 4


@pytest.mark.slow
def test_a_second_one_waits_for_the_first(wavesweep: Command, tmp_path: Path) -> None:
    """Whoever holds the lock of delivery is left to it; the last delivery waits for that."""
    run = RunDirectory(tmp_path / "outputs" / "run")
    with running(tmp_path, *SHORT, "training.epochs=200", f"hydra.run.dir={run.path}") as command:
        wait_until(lambda: run.info.exists())
        with FileLock(run.path / ".delivery.lock"):
            wait_until(lambda: run.exists() and run.read_info().complete)
            done = wavesweep("sync")
            assert "1 running" in done.stdout or "1 not delivered" in done.stdout, done.stdout + done.stderr
            time.sleep(1)
            assert command.poll() is None
        assert command.wait(60) == 0
    check_whole(tmp_path, run.path)


@pytest.mark.slow
def test_neither_a_run_nor_a_worker_imports_mlflow(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import atexit, os, sys\n"
        "def tell():\n"
        "    heavy = [name for name in ('mlflow', 'sqlalchemy', 'torch') if name in sys.modules]\n"
        "    if 'torch' in heavy or 'mlflow' in heavy:\n"
        f"        open(f'{tmp_path}/site/{{os.getpid()}}.seen', 'w').write(' '.join(heavy))\n"
        "atexit.register(tell)\n"
    )
    ready(tmp_path / "outputs" / "mlflow.db")
    for arguments in (SHORT, ("-m", *SHORT, "seed=0,1", "hydra.sweeper.n_workers=2")):
        process = start(*arguments, cwd=tmp_path, PYTHONPATH=f"{tmp_path}/site:{os.environ.get('PYTHONPATH', '')}")
        assert process.wait(120) == 0, (tmp_path / "said").read_text()
    seen = [path.read_text() for path in (tmp_path / "site").glob("*.seen")]
    assert seen == ["torch"] * len(seen)
    assert len(seen) >= 2
    assert statuses(tmp_path) == ["FINISHED"] * 4


@pytest.mark.slow
def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    """No process of ours begins a script that calls `run` again."""
    ready(tmp_path / "outputs" / "mlflow.db")
    overrides = ", ".join(map(repr, (*SHORT, "runtime.device=cpu")))
    (tmp_path / "script.py").write_text(f"import wavesweep as ws\nprint(ws.run(ws.compose({overrides})).status)\n")
    line = [sys.executable, "script.py"]
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout == "finished\n", done.stderr
    assert statuses(tmp_path) == ["FINISHED"]
