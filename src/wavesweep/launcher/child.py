"""The process that a job runs in."""

import gc
import os
import signal
import sys
import time
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from threading import Thread
from typing import Any

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from wavesweep.base.signals import Interrupted, check, defer, watch

SECONDS_AFTER_PARENT = 4.0  # for a child whose parent has died
SIGNALS = (signal.SIGINT, signal.SIGTERM)
Job = tuple[int, list[str]]
"""A job's number and its overrides."""


def failed(error: Exception, job: Job) -> JobReturn:
    """Return what Hydra takes for a job that failed."""
    return JobReturn(overrides=job[1], status=JobStatus.FAILED, _return_value=error)


def run_child(connection: Connection) -> None:
    """Run a job in a process of its own and write its result to a connection; where a signal came before, just end."""
    watch()
    defer()
    gc.set_threshold(100_000, 50, 100)  # imports make many objects and little garbage
    Thread(target=_end_with_parent, daemon=True).start()  # while signals are blocked, which leaves them to this thread
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        work = connection.recv_bytes()
        check()
        connection.send_bytes(_outcome(work, connection))
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_code)
    except (EOFError, OSError):  # the parent has died
        sys.exit(1)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a second one would find Python's handlers gone
        gc.freeze()  # else Python looks for garbage as it ends, for more than a second


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
    shared, job = cloudpickle.loads(work)
    try:
        context, task, *rest = cloudpickle.loads(shared)
        if hasattr(task, "at_work"):
            task.at_work = partial(connection.send_bytes, b"")
        result = _run(job, context, task, *rest)
    except Exception as error:  # of composing, or of Hydra's callbacks
        result = failed(error, job)
    finally:
        defer()  # which the task may have undone
    try:
        packed = cloudpickle.dumps(result)
        cloudpickle.loads(packed)
    except Exception:
        value = result._return_value
        text = repr(value) if isinstance(value, Exception) else f"the result can't be pickled: {value!r}"
        return cloudpickle.dumps(failed(RuntimeError(text), job))
    return packed


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
    return run_job(task_function, composed, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context=hydra_context)
