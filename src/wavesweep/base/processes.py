"""Processes that work beside a command."""

import os
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """import sys
sys.path.insert(0, sys.argv[1])
import wavesweep
sys.path.append(sys.path.pop(0))
from {} import main
main()
"""
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_AFTER_SIGNAL = 0.5  # that such a process is waited for; what it is at, it ends by itself


def open_process(module: str, *arguments: str, stderr: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
    """Start a process that runs the `main` of a module of ours; nothing of the working directory is imported there.

    It has a process group of its own, so that Ctrl-C passes it by.

    Args:
        module: Which.
        arguments: Stand in its `sys.argv` from the third place on; before them the number of this process.
        stderr: Where its standard error goes, as `Popen` takes it.
    """
    package = str(Path(__file__).parents[2])
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-c", PROGRAM.format(module), package, str(os.getpid()), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        process_group=0,
    )


def wait_for_end_of(parent: int) -> None:
    """Return once the process that started this one is gone."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
