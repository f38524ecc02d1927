"""Hydra jobs that travel to another machine, and run there in children by our local launcher.

`python -m hydra_queue_sweeper.launcher.packed` is a process for them, where what runs tasks has no main thread to
spare, as Dask, or where they outlive what starts them: it reads the jobs from its input, and writes how they ended to
its output.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import IO

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.pickling import dumps, loads
from hydra_queue_sweeper.launcher.launch import SAFE_PATH, Job, launch

DETACHED = "detached"


def pack(context: HydraContext, task: TaskFunction, config: DictConfig) -> bytes:
    """Return what all jobs share: what launchers are given, the directory, and where modules lie."""
    return dumps((str(Path.cwd()), sys.path, (context, task, config, Singleton.get_state())))


def run(shared: bytes, jobs: list[Job]) -> list[JobReturn]:
    """Run jobs in children of this process, all at once; return how they ended.

    Args:
        shared: What `pack` gave.
        jobs: Number and overrides of each.
    """
    directory, path = loads(shared)[:2]  # before the rest, which imports what lies there
    os.chdir(directory)
    sys.path[:] = path
    context, task, config, state = loads(shared)[2]
    Singleton.set_state(state)
    return launch(jobs, context, task, config, len(jobs))


def detach(shared: bytes, jobs: list[Job], log: Path) -> None:
    """Start jobs in a process that outlives this one; what they print goes to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output, _start([DETACHED], output, output, apart=True) as process:
        _send(process, shared, jobs)
        process.returncode = 0  # nobody waits for it


def run_apart(shared: bytes, job: Job) -> bytes:
    """Run a job as `run` does, in a process for it alone, from any thread; return how it ended, pickled.

    Raises:
        RuntimeError: If the process ends without a result.
    """
    # Its input stays open until it ends: by the end of that it sees that this process has died.
    with _start([], subprocess.PIPE, None) as process:
        _send(process, shared, [job])
        assert process.stdout
        result = process.stdout.read()
    if not result:
        raise RuntimeError(f"exited with code {process.returncode}")
    return result


def _start(
    words: list[str], output: int | IO[bytes], errors: IO[bytes] | None, *, apart: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a process for jobs; one apart gets none of the terminal's signals."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", __name__, *words],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        env=os.environ | dict([SAFE_PATH]),
        start_new_session=apart,
    )


def _send(process: "subprocess.Popen[bytes]", shared: bytes, jobs: list[Job]) -> None:
    assert process.stdin
    work = dumps((shared, jobs))
    process.stdin.write(len(work).to_bytes(8, "big") + work)
    process.stdin.flush()


def main() -> None:
    """Run jobs that come by the input."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # where what the job prints goes
    size = int.from_bytes(sys.stdin.buffer.read(8), "big")
    shared, jobs = loads(sys.stdin.buffer.read(size))
    with signals.watched(), signals.deferred():
        if sys.argv[1:] == [DETACHED]:
            run(shared, jobs)
        else:
            Thread(target=_end_with_input, daemon=True).start()
            output.write(dumps(run(shared, jobs)[0]))
            output.flush()
    os._exit(0)  # the thread still reads, which Python would wait for


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
