"""Runs Hydra jobs on this machine, each in a process of its own, so that no death takes others along.

What a child needs and what it returns travel by cloudpickle, since tasks may be closures, or live in `__main__`.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import parent_process, resource_tracker
from multiprocessing.connection import Connection, Pipe
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from hydra_queue_sweeper.base import hydra_internals
from hydra_queue_sweeper.base.garbage import leave_garbage
from hydra_queue_sweeper.base.hydra_releases import configure_log_of_sweep
from hydra_queue_sweeper.base.pickling import dumps, loads
from hydra_queue_sweeper.base.signals import Interrupted, check, defer, deferred, pending, watch

SECONDS_TO_END = 10.0  # for the children, after a signal
SECONDS_AFTER_PARENT = 4.0  # for a child whose parent has died
SIGNALS = (signal.SIGINT, signal.SIGTERM)
Job = tuple[int, list[str]]
"""A job's number and its overrides."""
_TICK = 0.1  # seconds between looks at signals and ends
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SAFE_PATH = ("PYTHONSAFEPATH", "of hydra_queue_sweeper")
"""A variable, else a child, which begins as `python -c`, imports what lies in the working directory; and our value."""
_of_thread = threading.local()  # holds the signals that it kept back before it forked


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
    from joblib import cpu_count  # which no child needs

    setup_globals()
    configure_log_of_sweep(config, hydra_context)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    method = multiprocessing.get_start_method(allow_none=True)
    work = dumps((hydra_context, task_function, config, Singleton.get_state(), method))
    children = _Children(work)
    # Signals are the main thread's; processes started here begin with them blocked, until they can answer.
    threads = ThreadPoolExecutor(n_jobs or cpu_count(), "", signal.pthread_sigmask, (signal.SIG_BLOCK, SIGNALS))
    with _variables(), deferred(), threads as pool:
        resource_tracker.ensure_running()  # the first process would start it, and that lets signals through again
        futures = [pool.submit(children.run, job) for job in jobs]
        try:
            while wait(futures, _TICK).not_done and not pending():
                pass
        finally:
            children.end(futures)
    return [future.result() for future in futures]


@contextmanager
def _variables() -> Iterator[None]:
    """Set the variables of the environment that children begin with, where there are none of the user's."""
    variables = dict.fromkeys(_THREADS, "1") | dict([SAFE_PATH])  # libraries read them once, as they are imported
    missing = variables.keys() - os.environ.keys()
    os.environ.update({name: variables[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


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
                return loads(result)
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
            ours.send_bytes(dumps((self.work, job)))
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


def failed(error: Exception, job: Job) -> JobReturn:
    """Return what Hydra takes for a job that failed."""
    result = JobReturn(overrides=job[1], status=JobStatus.FAILED)
    result.return_value = error
    return result


def run_child(connection: Connection) -> None:
    """Run a job in a process of its own and write its result to a connection; where a signal came before, just end."""
    name, ours = SAFE_PATH
    if os.environ.get(name) == ours:
        del os.environ[name]  # what the job starts is its own business
    watch()
    defer()
    multiprocessing.set_start_method(None, force=True)  # which is the program's to choose
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_end_at_once)
    gc.set_threshold(100_000, 50, 100)  # imports make many objects and little garbage
    Thread(target=_end_with_parent, daemon=True).start()  # while signals are blocked, which leaves them to this thread
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        work = connection.recv_bytes()
        check()
        connection.send_bytes(_outcome(work, connection))
        # Ends pools that a job has left, of whose processes Python would wait for the end before it tells them.
        threading._shutdown()  # type: ignore[attr-defined]
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_code)
    except (EOFError, OSError):  # the parent has died
        sys.exit(1)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a second one would find Python's handlers gone
        leave_garbage()


def _block() -> None:
    """Keep signals back while a job forks: one may be sent to the new process at once."""
    _of_thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _of_thread.mask)


def _end_at_once() -> None:
    """Let signals end a process that a job forks, as by default."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _unblock()


def _end_with_parent() -> None:
    """When the parent dies, let the job end in order, as after a signal; soon after, end it in any case."""
    parent = parent_process()
    assert parent
    wait_for([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_AFTER_PARENT)
    os._exit(1)


def _outcome(work: bytes, connection: Connection) -> bytes:
    """Run a job; return how it ended, pickled: of what can't be pickled, and read again, its text."""
    shared, job = loads(work)
    try:
        result = _run(job, shared, connection)
    except Exception as error:  # of composing, or of Hydra's callbacks
        result = failed(error, job)
    finally:
        defer()  # which the task may have undone
    try:
        packed = dumps(result)
        loads(packed)
    except Exception:
        value = hydra_internals.outcome(result)
        text = repr(value) if isinstance(value, Exception) else f"the result can't be pickled: {value!r}"
        return dumps(failed(RuntimeError(text), job))
    return packed


def _adopt(function: object) -> None:
    """Let `__main__` hold what came by value with a function of it: what is pickled by name is looked up there."""
    values = getattr(function, "__globals__", {})
    if values.get("__name__") == "__main__":
        own = {key: one for key, one in values.items() if not key.startswith("__") and one is not function}
        vars(sys.modules["__main__"]).update(own)


def _run(job: Job, shared: bytes, connection: Connection) -> JobReturn:
    """Run a job as Hydra's own launchers do."""
    context, task, config, state, method = loads(shared)
    if method:
        multiprocessing.set_start_method(method, force=True)
    _adopt(getattr(task, "function", task))
    configure_log_of_sweep(config, context)
    if hasattr(task, "at_work"):
        task.at_work = partial(connection.send_bytes, b"")
    number, overrides = job
    setup_globals()
    Singleton.set_state(state)
    composed = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(composed):
        composed.hydra.job.id = f"{composed.hydra.job.name}_{number}"
        composed.hydra.job.num = number
    HydraConfig.instance().set_config(composed)
    check()
    return run_job(task, composed, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context=context)
