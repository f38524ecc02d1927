"""Starts or forks the command, watches how far it has come, and strikes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.commands import environment
from tests.support.forking import Process, heavy
from wavesweep.workspace.directory import RunDirectory

Started = subprocess.Popen[bytes]


def start(cwd: Path, *arguments: str) -> Started:
    """Start the command; what it says goes to the file `said`, which grows with each start."""
    with (cwd / "said").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "wavesweep", *arguments],
            cwd=cwd,
            env=environment(),
            stdout=said,
            stderr=said,
            # Ctrl-C is ignored by what a shell starts in the background, and inherited so.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def fork(cwd: Path, *arguments: str) -> Process:
    """Fork the command, likewise (see forking.py)."""
    said = cwd / "said"
    return heavy().start(*arguments, cwd=cwd, environment=environment(), out=said, err=said, pictures=True)


def works(run: Path, process: Process | Started) -> bool:
    """Say whether a process has opened the lock of a run."""
    try:
        files = [file.readlink() for file in Path(f"/proc/{process.pid}/fd").iterdir()]
    except OSError:  # it has ended, or has just closed one
        return False
    return run / ".lock" in files


def has_records(run: Path) -> bool:
    """Say whether a run has recorded an epoch."""
    return bool(RunDirectory(run).read_metrics())


def has_ended(run: Path) -> bool:
    """Say whether nothing is left but to deliver a run."""
    return RunDirectory(run).read_info().complete


def wait_until(condition: Callable[[], bool], process: Process | Started) -> None:
    """Wait for a condition, or the end of a process."""
    until = time.monotonic() + 60
    while not condition() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.001)
