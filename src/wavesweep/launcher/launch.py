"""Runs Hydra jobs on this machine, each in a process of its own, so that no death takes others along.

What a child needs and what it returns travel by cloudpickle, since tasks may be closures, or live in `__main__`.
"""

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import cast

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from joblib import cpu_count
from omegaconf import DictConfig

from wavesweep.base.signals import deferred, pending
from wavesweep.launcher.child import SIGNALS, Job, failed, run_child

SECONDS_TO_END = 10.0  # for the children, after a signal
_TICK = 0.1  # seconds between looks at signals and ends
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def launch(
    jobs: list[Job], hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig, n_jobs: int | None
) -> list[JobReturn]:
    """Run jobs, each in a process of its own.

    A signal is passed on to the processes, which may end in order; so where one came, jobs may lack a result. While
    they run, signals only set the mark of `signals`: a task that doesn't look at it is killed in the end.

    Args:
        jobs: Number and overrides of each.
        hydra_context: As Hydra gives it to launchers.
        task_function: What a job runs. One with an attribute `at_work` is given a function there: where a process has
            called it, and dies without a result, another takes its place at once.
        config: Of the sweep.
        n_jobs: Most processes at once; none: one for each core that this process may use.

    Returns:
        How each job ended, in their order; failed, with a RuntimeError, where a process ended without a result.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    work = cloudpickle.dumps((hydra_context, task_function, config, Singleton.get_state()))
    children = _Children(work)
    missing = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))  # libraries read them once, as they are imported
    with deferred(), ThreadPoolExecutor(n_jobs or cpu_count(), initializer=_block_signals) as pool:
        resource_tracker.ensure_running()  # the first process would start it, and that lets signals through again
        futures = [pool.submit(children.run, job) for job in jobs]
        try:
            while wait(futures, _TICK).not_done and not pending():
                pass
        finally:
            children.end(futures)
            for name in missing:
                del os.environ[name]
    return [future.result() for future in futures]


def _block_signals() -> None:
    """Leave signals to the main thread; processes started here begin with them blocked, until they can answer."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


class _Children:
    """The processes of one launch, each looked after by a thread.

    Args:
        work: What all jobs share, pickled.
    """

    def __init__(self, work: bytes) -> None:
        self.work = work
        self.running: set[SpawnProcess] = set()
        self.ended = False

    def run(self, job: Job) -> JobReturn:
        """Run a job to its result, by several processes if need be."""
        cause = "not run: a signal came before"
        again = True
        while again and not self.ended and not pending():
            result, code, again = self._run_once(job)
            if result is not None:
                return _unpacked(result, job)
            cause = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        return failed(RuntimeError(cause), job)

    def _run_once(self, job: Job) -> tuple[bytes | None, int, bool]:
        """Run a process to its end; return its result, if it has any, its exit code, and whether it was at work."""
        ours, theirs = cast("tuple[Connection, Connection]", Pipe())  # Windows, which has others, has no such signals
        process = SpawnProcess(target=run_child, args=(theirs,))
        process.start()
        theirs.close()
        self.running.add(process)
        if self.ended:  # meanwhile
            process.terminate()
        result = None
        at_work = False
        try:
            ours.send_bytes(cloudpickle.dumps((self.work, job)))
            # Not by its sentinel, nor by the pipe's end alone: processes that the child forked hold both open.
            while result is None and (process.exitcode is None or ours.poll()):
                if ours.poll(_TICK):
                    result = ours.recv_bytes() or None  # an empty message says that it is at work
                    at_work = True
        except (EOFError, OSError):
            pass
        while process.exitcode is None:  # as another thread that starts a process may have to notice the end first
            process.join(_TICK)
        self.running.discard(process)
        return result, process.exitcode, at_work

    def end(self, futures: list[Future[JobReturn]]) -> None:
        """Let the children that still run end in order, and kill those that don't."""
        self.ended = True
        for process in list(self.running):
            process.terminate()
        wait(futures, SECONDS_TO_END)
        for process in list(self.running):
            process.kill()


def _unpacked(result: bytes, job: Job) -> JobReturn:
    try:
        return cloudpickle.loads(result)
    except Exception as error:  # of what unpickling imports
        return failed(error, job)
