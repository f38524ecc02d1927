"""The launcher, with real processes: what it returns, whom a death takes along, and how all end."""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite
from hydra.types import HydraContext, RunMode
from hydra.version import VersionBase

from hydra_plugins.wavesweep.launcher import WavesweepLauncher
from wavesweep.base import signals
from wavesweep.base.errors import Refused
from wavesweep.sweeps import launcher

PROGRAM = """
import os, sys, time
from pathlib import Path
from tests.launcher.test_launcher import sweep
from hydra_plugins.wavesweep.launcher import WavesweepLauncher
from wavesweep.base import signals
from wavesweep.sweeps import launcher

def started(number):
    Path(f"started{number}").write_text(str(os.getpid()))

def task(config):
    $WORK
    Path(f"ended{config.number}").touch()
    return config.number

if __name__ == "__main__":
    signals.watch()
    launcher.SECONDS_TO_END = $SECONDS
    results = sweep(task, 3, Path.cwd(), 2)
    print([result._return_value for result in results], signals.pending(), flush=True)
"""
"""A program whose third job has to wait; its jobs tell their process, and whether they ended in order."""

POLITE = """started(config.number)
    while not signals.pending():
        time.sleep(0.01)
"""
STUBBORN = """started(config.number)
    time.sleep(60)
"""
COMPUTING = """import torch
    matrix = torch.rand(500, 500)
    started(config.number)
    while True:
        matrix = (matrix @ matrix).softmax(0)
"""


def sweep(task: Callable[[Any], Any], count: int, directory: Path, n_jobs: int | None = None) -> list[JobReturn]:
    """Launch jobs whose configuration is their number."""
    loader = ConfigLoaderImpl(create_config_search_path(None))
    settings = [f"hydra.sweep.dir={directory}/sweep", "hydra.job.chdir=false"]
    quiet = ["hydra/hydra_logging=disabled", "hydra/job_logging=disabled"]
    config = loader.load_configuration(None, [*settings, *quiet], RunMode.MULTIRUN)
    jobs = [(number, [f"+number={number}"]) for number in range(count)]
    return launcher.launch(jobs, HydraContext(loader, Callbacks(config)), task, config, n_jobs)


def said(result: JobReturn) -> str:
    """Return what a failed job says of itself."""
    assert result.status == JobStatus.FAILED
    assert type(result._return_value) is RuntimeError
    return str(result._return_value)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Say whether a process runs; one that nobody has waited for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Program:
    """A parent with its own process group.

    Args:
        directory: Where it runs.
        work: What each job does.
        seconds: What it grants them to end in order.
    """

    def __init__(self, directory: Path, work: str, seconds: float = 10) -> None:
        self.directory = directory
        file = directory / "program.py"
        file.write_text(Template(PROGRAM).substitute(WORK=work, SECONDS=seconds))
        self.process = subprocess.Popen(
            [sys.executable, file],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Ctrl-C is ignored by what a shell starts in the background, and inherited so.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def has_children(self) -> bool:
        """Say whether it has begun to start processes."""
        pid = self.process.pid
        return self.process.poll() is not None or bool(Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def children(self) -> list[int]:
        """Wait until two jobs have started; return their processes."""
        files = [self.directory / f"started{number}" for number in range(2)]
        wait_until(lambda: all(file.exists() and file.read_text() for file in files) or self.process.poll() is not None)
        return [int(file.read_text()) for file in files]

    def strike(self, signum: signal.Signals, group: bool) -> None:
        (os.killpg if group else os.kill)(self.process.pid, signum)

    def ended(self) -> list[str]:
        """Return which jobs ended in order."""
        return sorted(file.name for file in self.directory.glob("ended*"))

    def lines(self) -> list[str]:
        """Wait for its end, and that of all that write to where it does; return what they said."""
        return self.process.communicate(timeout=60)[0].splitlines()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start programs, and leave nothing of them behind."""
    started = []

    def start(work: str, seconds: float = 10) -> Program:
        started.append(Program(tmp_path, work, seconds))
        return started[-1]

    yield start
    for program in started:
        with suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.communicate()


def test_results_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    def task(config: Any) -> int:
        while config.number < 2 and not (tmp_path / str(config.number + 1)).exists():
            time.sleep(0.01)
        (tmp_path / str(config.number)).touch()  # the last job ends first
        return config.number

    results = sweep(task, 3, tmp_path, 3)
    assert [result.return_value for result in results] == [0, 1, 2]
    assert [result.overrides for result in results] == [[f"+number={number}"] for number in range(3)]


@pytest.mark.parametrize("n_jobs", [2, None])
def test_at_most_n_jobs_run_at_once(n_jobs: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)

    def task(_: Any) -> tuple[float, float]:
        began = time.monotonic()
        time.sleep(0.4)
        return began, time.monotonic()

    spans = [result.return_value for result in sweep(task, 4 if n_jobs else 2, tmp_path, n_jobs)]
    at_once = [sum(began <= moment < ended for began, ended in spans) for moment, _ in spans]
    assert max(at_once) <= (n_jobs or 1)


def test_n_jobs_of_none_is_refused() -> None:
    with pytest.raises(Refused, match="n_jobs must be at least 1, got 0"):
        WavesweepLauncher(n_jobs=0).setup(hydra_context=None, task_function=print, config=None)  # type: ignore[arg-type]


def test_a_death_takes_no_other_job_along(tmp_path: Path) -> None:
    def task(config: Any) -> int:
        if config.number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if config.number == 1:
            sys.exit(3)
        return config.number

    killed, exited, fine = sweep(task, 3, tmp_path, 2)
    assert (said(killed), said(exited), fine.return_value) == ("ended by SIGKILL", "exited with code 3", 2)


class Dying:
    """A task whose first job dies at its first starts.

    Args:
        directory: Where it counts starts.
        deaths: How often it dies.
    """

    restartable = True

    def __init__(self, directory: Path, deaths: int) -> None:
        self.directory, self.deaths = directory, deaths

    def starts(self, number: int) -> int:
        file = self.directory / f"starts{number}"
        return file.stat().st_size if file.exists() else 0

    def __call__(self, config: Any) -> int:
        with (self.directory / f"starts{config.number}").open("a") as file:
            file.write(".")
        if config.number == 0 and self.starts(0) <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.monotonic() + 10
        while config.number == 1 and self.starts(0) <= self.deaths and time.monotonic() < until:
            time.sleep(0.01)  # so that it runs while the other dies
        return config.number


def test_what_dies_is_replaced_alone_if_the_task_wants_that(tmp_path: Path) -> None:
    task = Dying(tmp_path, 1)
    assert [result.return_value for result in sweep(task, 2, tmp_path, 2)] == [0, 1]
    assert (task.starts(0), task.starts(1)) == (2, 1)


@pytest.mark.parametrize("early", [60, 0])
def test_early_deaths_in_a_row_are_too_many(early: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "EARLY", early)
    monkeypatch.setattr(launcher, "MOST_EARLY_DEATHS", 2)
    task = Dying(tmp_path, 2)
    [result] = sweep(task, 1, tmp_path)
    assert task.starts(0) == (2 if early else 3)
    assert result.status == (JobStatus.FAILED if early else JobStatus.COMPLETED)


def test_exceptions_come_back(tmp_path: Path) -> None:
    class Unreadable(Exception):
        def __init__(self, key: str, value: int) -> None:
            super().__init__(f"{key}={value}")

    def task(config: Any) -> Any:
        if config.number == 0:
            raise ValueError("wrong")
        if config.number == 1:
            raise RuntimeError(threading.Lock())
        if config.number == 2:
            raise Unreadable("key", 1)
        return threading.Lock()

    wrong, *others = sweep(task, 4, tmp_path)
    with pytest.raises(ValueError, match="wrong"):
        _ = wrong.return_value
    locked, unreadable, lock = map(said, others)
    assert locked.startswith("RuntimeError(<unlocked _thread.lock")
    assert unreadable == "Unreadable('key=1')"
    assert lock.startswith("the result can't be pickled: <unlocked _thread.lock")


def test_what_cannot_be_composed_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch = launcher.launch
    monkeypatch.setattr(launcher, "launch", lambda jobs, *rest: launch([(0, ["unknown=1"]), *jobs[1:]], *rest))
    refused, fine = sweep(lambda config: config.number, 2, tmp_path)
    assert refused.status == JobStatus.FAILED
    assert "unknown" in str(refused._return_value)
    assert fine.return_value == 1


def test_jobs_compute_on_one_thread_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    [result] = sweep(lambda _: [os.environ[name] for name in names], 1, tmp_path)
    assert result.return_value == ["1", "3", "1"]
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("group", [False, True], ids=["parent", "group"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_after_a_signal_jobs_end_in_order(signum: signal.Signals, group: bool, program: Callable[..., Program]) -> None:
    parent = program(POLITE)
    parent.children()
    parent.strike(signum, group)
    unstarted = "RuntimeError('not run: a signal came before')"
    assert parent.lines() == [f"[0, 1, {unstarted}] True"]
    assert parent.ended() == ["ended0", "ended1"]


def test_an_error_of_the_launcher_lets_jobs_end_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As KeyboardInterrupt in programs that don't defer it."""

    def fail(*_: object) -> None:
        wait_until((tmp_path / "started").exists)
        raise OSError("broken")

    monkeypatch.setattr(launcher, "wait", fail)

    def task(config: Any) -> None:
        if config.number == 1:
            (tmp_path / "started").touch()
        wait_until(lambda: signals.pending() if config.number == 1 else (tmp_path / "started").exists())
        (tmp_path / f"ended{config.number}").touch()

    with pytest.raises(OSError, match="broken"):
        sweep(task, 2, tmp_path, 2)
    assert (tmp_path / "ended1").exists()


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
def test_a_signal_while_processes_start_is_no_error(delay: float, program: Callable[..., Program]) -> None:
    parent = program(POLITE)
    wait_until(parent.has_children)
    time.sleep(delay)
    parent.strike(signal.SIGINT, group=True)
    [results] = parent.lines()
    assert results.endswith("True")
    assert "ended by" not in results
    assert parent.process.returncode == 0


def test_what_does_not_end_after_a_signal_is_killed(program: Callable[..., Program]) -> None:
    parent = program(STUBBORN, seconds=0.5)
    children = parent.children()
    parent.strike(signal.SIGTERM, group=False)
    killed = "RuntimeError('ended by SIGKILL')"
    assert f"[{killed}, {killed}, RuntimeError('not run" in parent.lines()[-1]
    assert not any(map(lives, children))


@pytest.mark.parametrize("work", [POLITE, COMPUTING], ids=["polite", "computing"])
def test_no_job_outlives_its_parent(work: str, program: Callable[..., Program]) -> None:
    parent = program(work)
    children = parent.children()
    parent.strike(signal.SIGKILL, group=False)
    wait_until(lambda: not any(map(lives, children)), 5)
    assert parent.lines() == []
    assert parent.ended() == (["ended0", "ended1"] if work is POLITE else [])


def test_finding_the_plugin_imports_nothing_heavy() -> None:
    """Every Hydra program does it."""
    code = "import sys, hydra_plugins.wavesweep.launcher; print({'torch', 'mlflow', 'cloudpickle'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_a_process_that_imports_the_command_does_not_run_it() -> None:
    runpy.run_module("wavesweep.__main__", run_name="__mp_main__")


@pytest.fixture
def no_version_base() -> Iterator[None]:
    """Forget which behaviour of Hydra's other tests chose: its own expect none to be chosen."""
    chosen = Singleton._instances.pop(VersionBase, None)
    yield
    Singleton._instances.pop(VersionBase, None)
    if chosen is not None:
        Singleton._instances[VersionBase] = chosen


@pytest.mark.slow
@pytest.mark.usefixtures("no_version_base")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("wavesweep", [])])
class TestHydrasOwn(LauncherTestSuite):
    """What Hydra asks of every launcher."""


@pytest.mark.slow
@pytest.mark.usefixtures("no_version_base")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("wavesweep", ["hydra.sweeper.max_batch_size=2"])])
class TestHydrasOwnInBatches(BatchedSweeperTestSuite):
    """What Hydra asks of it where a sweep comes in batches."""


@pytest.mark.slow
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=wavesweep"])])
class TestHydrasOwnPrograms(IntegrationTestSuite):
    """What Hydra asks of programs run with it."""
