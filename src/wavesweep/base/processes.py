"""Processes that work beside a command."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """import sys
sys.path.insert(0, sys.argv[1])
import wavesweep
sys.path.append(sys.path.pop(0))
from {} import main
main()
"""
SECONDS_AFTER_SIGNAL = 0.5  # that such a process is waited for; what it is at, it ends by itself


def open_process(module: str) -> "subprocess.Popen[bytes]":
    """Start a process that runs the `main` of a module of ours; nothing of the working directory is imported there.

    It has a process group of its own, so that Ctrl-C passes it by. Its command line ends with the number of the process
    that started it.
    """
    package = str(Path(__file__).parents[2])
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-c", PROGRAM.format(module), package, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
