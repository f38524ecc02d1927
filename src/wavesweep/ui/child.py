"""The process in which MLflow's server runs: it ends, with all that it started, when its parent does."""

import os
import runpy
import signal
import time
from threading import Thread

from wavesweep.base.streams import guard_streams

SECONDS_TO_END = 5.0


def run() -> None:
    """Do what the command line says as `python -m mlflow` does; stdin is a pipe that the parent holds open."""
    Thread(target=_end_with_parent, daemon=True).start()
    guard_streams()
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    """When the parent dies, however it does, end this group of processes: in order, soon after in any case."""
    os.read(0, 1)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(0, signum)
        time.sleep(SECONDS_TO_END)


if __name__ == "__main__":
    run()
