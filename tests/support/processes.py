"""Starts the real command, watches how far it has come, and strikes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from wavesweep.runs.directory import RunDirectory

Process = subprocess.Popen[bytes]


def start(cwd: Path, *arguments: str) -> Process:
    """Start the command; what it says goes to the file `said`, which grows with each start."""
    with (cwd / "said").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "wavesweep", *arguments],
            cwd=cwd,
            stdout=said,
            stderr=said,
            # Ctrl-C is ignored by what a shell starts in the background, and inherited so.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def works(run: Path, process: Process) -> bool:
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


def wait_until(condition: Callable[[], bool], process: Process) -> None:
    """Wait for a condition, or the end of a process."""
    until = time.monotonic() + 60
    while not condition() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.001)
