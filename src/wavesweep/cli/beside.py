"""The command in a process beside a program of the user's: see `runs/sweeping.py`, which starts it."""

import os
import signal
import sys
from threading import Thread

from wavesweep.base.processes import wait_for_end_of
from wavesweep.cli.main import main as run_command


def main() -> None:
    """Run the command line that stands after the number of the program's process; end in order once that is gone."""
    program, *arguments = sys.argv[2:]
    sys.argv = ["wavesweep", *arguments]
    Thread(target=_end_with, args=(int(program),), daemon=True).start()
    run_command()


def _end_with(program: int) -> None:
    wait_for_end_of(program)
    os.kill(os.getpid(), signal.SIGTERM)
