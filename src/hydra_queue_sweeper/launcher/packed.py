"""A Hydra job that travels to another machine, and runs there in a child by our local launcher.

`python -m hydra_queue_sweeper.launcher.packed` is a process for one, where what runs tasks has no main thread to spare,
as Dask: it reads the job from its input, and writes how it ended to its output.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.pickling import dumps, loads
from hydra_queue_sweeper.launcher.launch import SAFE_PATH, Job, launch


def pack(context: HydraContext, task: TaskFunction, config: DictConfig) -> bytes:
    """Return what all jobs share: what launchers are given, the directory, and where modules lie."""
    return dumps((str(Path.cwd()), sys.path, (context, task, config, Singleton.get_state())))


def run(shared: bytes, job: Job) -> JobReturn:
    """Run a job in a child of this process; return how it ended.

    Args:
        shared: What `pack` gave.
        job: Number and overrides.
    """
    directory, path = loads(shared)[:2]  # before the rest, which imports what lies there
    os.chdir(directory)
    sys.path[:] = path
    context, task, config, state = loads(shared)[2]
    Singleton.set_state(state)
    [returned] = launch([job], context, task, config, 1)
    return returned


def run_apart(shared: bytes, job: Job) -> bytes:
    """Run a job as `run` does, in a process for it alone, from any thread; return how it ended, pickled.

    Raises:
        RuntimeError: If the process ends without a result.
    """
    words = [sys.executable, "-m", __name__]
    variables = os.environ | dict([SAFE_PATH])
    # Its input stays open until it ends: by the end of that it sees that this process has died.
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables) as process:  # noqa: S603
        assert process.stdin
        assert process.stdout
        work = dumps((shared, job))
        process.stdin.write(len(work).to_bytes(8, "big") + work)
        process.stdin.flush()
        result = process.stdout.read()
    if not result:
        raise RuntimeError(f"exited with code {process.returncode}")
    return result


def main() -> None:
    """Run a job that comes by the input."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # where what the job prints goes
    size = int.from_bytes(sys.stdin.buffer.read(8), "big")
    shared, job = loads(sys.stdin.buffer.read(size))
    with signals.watched(), signals.deferred():
        Thread(target=_end_with_input, daemon=True).start()
        output.write(dumps(run(shared, job)))
        output.flush()
    os._exit(0)  # the thread still reads, which Python would wait for


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
