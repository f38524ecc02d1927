"""Launches jobs whose configuration is their number, here and in programs of their own.

Processes import this module, so it imports little.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode

from hydra_queue_sweeper.launcher.launch import Job, launch
from tests.support.hydra_internals import Callbacks, ConfigLoaderImpl, create_config_search_path
from tests.support.trees import wait_until

PROGRAM = """
import os, sys, time
from pathlib import Path
from tests.support.launching import sweep
from hydra_queue_sweeper.base import hydra_internals, signals
from hydra_queue_sweeper.launcher import launch

def started(number):
    Path(f"started{number}").write_text(str(os.getpid()))

def task(config):
    $WORK
    Path(f"ended{config.number}").touch()
    return config.number

if __name__ == "__main__":
    signals.watch()
    launch.SECONDS_TO_END = $SECONDS
    results = sweep(task, 3, Path.cwd(), 2)
    print([hydra_internals.outcome(result) for result in results], signals.pending(), flush=True)
"""
"""A program whose third job has to wait; its jobs tell their process, and whether they ended in order."""

POLITE = """started(config.number)
    while not signals.pending():
        time.sleep(0.01)
"""
STUBBORN = """started(config.number)
    time.sleep(60)
"""
COMPUTING = """import numpy
    matrix = numpy.eye(500)
    started(config.number)
    while config.number or not signals.pending():
        matrix = matrix @ matrix
"""
"""The first job is polite."""


def sweep(
    task: Callable[[Any], Any], jobs: int | list[Job], directory: Path, n_jobs: int | None = None
) -> list[JobReturn]:
    """Launch jobs, or so many whose configuration is their number."""
    loader = ConfigLoaderImpl(create_config_search_path(None))
    settings = [f"hydra.sweep.dir={directory}/sweep", "hydra.job.chdir=false"]
    quiet = ["hydra/hydra_logging=disabled", "hydra/job_logging=disabled"]
    config = loader.load_configuration(None, [*settings, *quiet], RunMode.MULTIRUN)
    jobs = [(number, [f"+number={number}"]) for number in range(jobs)] if isinstance(jobs, int) else jobs
    return launch(jobs, HydraContext(loader, Callbacks(config)), task, config, n_jobs)


class Dying:
    """A task whose first job dies at its first starts.

    Args:
        directory: Where it counts starts.
        deaths: How often it dies.
        tells: Whether it is at work by then, and says so.
    """

    def __init__(self, directory: Path, deaths: int, tells: bool) -> None:
        self.directory, self.deaths, self.tells = directory, deaths, tells
        self.at_work: Callable[[], object] = list  # which tells nobody

    def starts(self, number: int) -> int:
        file = self.directory / f"starts{number}"
        return file.stat().st_size if file.exists() else 0

    def __call__(self, config: Any) -> int:
        with (self.directory / f"starts{config.number}").open("a") as file:
            file.write(".")
        if self.tells:
            self.at_work()
        if config.number == 0 and self.starts(0) <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.monotonic() + 10
        while config.number == 1 and self.starts(0) <= self.deaths and time.monotonic() < until:
            time.sleep(0.01)  # so that it runs while the other dies
        return config.number


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
