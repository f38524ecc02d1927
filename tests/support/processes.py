"""Watches how far a command has come that was started."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from wavesweep.workspace.directory import RunDirectory

Started = subprocess.Popen[bytes]


class Process(Protocol):
    """What is used here of a process."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def poll(self) -> int | None:
        """Return how it ended; None: it runs."""
        ...


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
