"""Runs Hydra jobs on this machine, each in a process of its own, so that no death takes others along.

What a child needs and what it returns travel by cloudpickle, since tasks may be closures, or live in `__main__`.
"""

import gc
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any, cast

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from wavesweep.interrupts import Interrupted, check, defer, deferred, pending, watch
from wavesweep.refusals import Refused

log = logging.getLogger(__name__)

SECONDS_TO_END = 10.0  # for the children, after a signal
SECONDS_AFTER_PARENT = 4.0  # for a child whose parent has died
EARLY = 10.0  # seconds from a process's start: what dies sooner may die of how it starts
MOST_EARLY_DEATHS = 5
_TICK = 0.1  # seconds between looks at the mark of a signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Job = tuple[int, list[str]]
"""A job's number and its overrides."""


def launch(
    jobs: list[Job], hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig, n_jobs: int | None
) -> list[JobReturn]:
    """Run jobs, each in a process of its own.

    A signal is passed on to the processes, which may end in order; so where one came, jobs may lack a result. While
    they run, signals only set the mark of `interrupts`: a task that doesn't look at it is killed in the end.

    Args:
        jobs: Number and overrides of each.
        hydra_context: As Hydra gives it to launchers.
        task_function: What a job runs. If its attribute `restartable` is true, a process that dies without a result
            is replaced, unless that is of no use.
        config: Of the sweep.
        n_jobs: Most processes at once; none: one for each core that this process may use.

    Returns:
        How each job ended, in their order; failed, with a RuntimeError, where a process ended without a result.

    Raises:
        Refused: If `n_jobs` is less than 1.
    """
    if n_jobs is not None and n_jobs < 1:
        raise Refused(f"hydra.launcher.n_jobs must be at least 1, got {n_jobs}; null takes every core")
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    log.debug("Launching %d jobs ...", len(jobs))
    work = cloudpickle.dumps((hydra_context, task_function, config, Singleton.get_state()))
    with deferred():
        return _Children(work, jobs, n_jobs or _num_cores(), getattr(task_function, "restartable", False)).run()


def _num_cores() -> int:
    """Return how many cores this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Child:
    """A process and its job.

    Attributes:
        index: Of its job, among those of the launch.
        process: Its process.
        connection: Where it writes its result to.
        started: When, on the monotonic clock.
        early_deaths: How many processes for this job have died soon after their start, in a row.
    """

    index: int
    process: SpawnProcess
    connection: Connection
    started: float
    early_deaths: int

    def has_ended(self) -> bool:
        """Ask the system: forked processes of the child may hold its sentinel open."""
        return self.process.exitcode is not None


class _Children:
    """The processes of one launch.

    Args:
        work: What all jobs share, pickled.
        jobs: Number and overrides of each.
        most: Processes at once.
        restartable: Whether those that die without a result are replaced.
    """

    def __init__(self, work: bytes, jobs: list[Job], most: int, restartable: bool) -> None:
        self.work, self.jobs, self.most, self.restartable = work, jobs, most, restartable
        self.waiting = deque(range(len(jobs)))
        self.running: list[_Child] = []
        self.results: dict[int, JobReturn] = {}

    def run(self) -> list[JobReturn]:
        """Run the jobs until all have ended, or a signal comes."""
        try:
            while (self.waiting or self.running) and not pending():
                if self.waiting and len(self.running) < self.most:
                    self._start(self.waiting.popleft())
                else:
                    self._collect()
        finally:
            self._end()
        unknown = "not run: a signal came before" if pending() else "not run"
        return [self.results.get(index) or _failed(RuntimeError(unknown), job) for index, job in enumerate(self.jobs)]

    def _start(self, index: int, early_deaths: int = 0) -> None:
        ours, theirs = cast("tuple[Connection, Connection]", Pipe())  # Windows, which has others, has no such signals
        process = get_context("spawn").Process(target=_child, args=(theirs,))
        with _one_thread_each(), _signals_blocked():
            process.start()
        theirs.close()
        self.running.append(_Child(index, process, ours, time.monotonic(), early_deaths))
        with suppress(OSError):  # if it has died already, that shows when it is looked at
            ours.send_bytes(cloudpickle.dumps((self.work, self.jobs[index])))

    def _collect(self) -> None:
        """Wait a little for results and ends, and take them."""
        without_result = [child.connection for child in self.running if not child.connection.closed]
        wait([*without_result, *(child.process.sentinel for child in self.running)], _TICK)
        for child in list(self.running):
            ended = child.has_ended()  # before its result is looked for: it may write that and end in between
            self._read(child)
            if ended:
                self.running.remove(child)
                self._bury(child)

    def _read(self, child: _Child) -> None:
        """Take a child's result, if it is there."""
        if child.connection.closed or not child.connection.poll():
            return
        with child.connection, suppress(EOFError, OSError):
            result = child.connection.recv_bytes()
            self.results[child.index] = _unpacked(result, self.jobs[child.index])

    def _bury(self, child: _Child) -> None:
        """Replace a process that has ended without a result, or say that its job failed."""
        code, lived = child.process.exitcode, time.monotonic() - child.started
        child.connection.close()
        child.process.close()
        if child.index in self.results:
            return
        deaths = child.early_deaths + 1 if lived < EARLY else 0
        if self.restartable and deaths < MOST_EARLY_DEATHS and not pending():
            self._start(child.index, deaths)
        else:
            self.results[child.index] = _failed(RuntimeError(_cause(code)), self.jobs[child.index])

    def _end(self) -> None:
        """Let the children that still run end in order, and kill those that don't."""
        self.restartable = False
        until = time.monotonic() + SECONDS_TO_END
        for child in self.running:
            child.process.terminate()
        while self.running and time.monotonic() < until:
            self._collect()
        for child in self.running:
            child.process.kill()
        while self.running:
            self._collect()


def _cause(code: int | None) -> str:
    """Say what an exit code means."""
    return f"ended by {signal.Signals(-code).name}" if code and code < 0 else f"exited with code {code}"


def _failed(error: Exception, job: Job) -> JobReturn:
    return JobReturn(overrides=job[1], status=JobStatus.FAILED, _return_value=error)


def _unpacked(result: bytes, job: Job) -> JobReturn:
    try:
        return cloudpickle.loads(result)
    except Exception as error:  # of what unpickling imports
        return _failed(error, job)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes started meanwhile compute on one thread, unless the user has chosen a number.

    It must be said before they start: libraries read it once, as they are imported.
    """
    missing = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Let processes started meanwhile begin with signals blocked: those that come wait until one can answer them."""
    resource_tracker.ensure_running()  # the first process would start it, and that lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _child(connection: Connection) -> None:
    """Run a job in a process of its own and write its result to a connection; where a signal came before, just end."""
    watch()
    defer()
    gc.set_threshold(100_000, 50, 100)  # imports make many objects and little garbage
    Thread(target=_end_with_parent, daemon=True).start()  # while signals are blocked, which leaves them to this thread
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        work = connection.recv_bytes()
        check()
        connection.send_bytes(_outcome(work))
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_code)
    except (EOFError, OSError):  # the parent has died
        sys.exit(1)
    finally:
        gc.freeze()  # else Python looks for garbage as it ends, for more than a second


def _end_with_parent() -> None:
    """When the parent dies, let the job end in order, as after a signal; soon after, end it in any case."""
    parent = parent_process()
    assert parent
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_AFTER_PARENT)
    os._exit(1)


def _outcome(work: bytes) -> bytes:
    """Run a job; return how it ended, pickled."""
    shared, job = cloudpickle.loads(work)
    try:
        result = _run(job, *cloudpickle.loads(shared))
    except Exception as error:  # of composing, or of Hydra's callbacks
        result = _failed(error, job)
    finally:
        defer()  # which the task may have undone
    return _packed(result, job)


def _run(
    job: Job, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig, state: dict[str, Any]
) -> JobReturn:
    """Run a job as Hydra's own launchers do."""
    number, overrides = job
    setup_globals()
    Singleton.set_state(state)
    composed = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(composed):
        composed.hydra.job.id = f"{composed.hydra.job.name}_{number}"
        composed.hydra.job.num = number
    HydraConfig.instance().set_config(composed)
    check()
    return run_job(
        hydra_context=hydra_context,
        task_function=task_function,
        config=composed,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def _packed(result: JobReturn, job: Job) -> bytes:
    """Pickle a result; if it can't be pickled, or not be read again, its text instead."""
    try:
        packed = cloudpickle.dumps(result)
        cloudpickle.loads(packed)
    except Exception:
        value = result._return_value
        text = repr(value) if isinstance(value, Exception) else f"the result can't be pickled: {value!r}"
        return cloudpickle.dumps(_failed(RuntimeError(text), job))
    return packed
