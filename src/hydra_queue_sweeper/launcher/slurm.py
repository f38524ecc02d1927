"""Runs Hydra jobs on a SLURM cluster, each in a batch job of its own, which starts a process by our local launcher.

What a job does, and signals, are then as on one machine. SLURM's accounting is not needed: a job that is no longer in
the queue, and has left no result, has died.
"""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.base.hydra_releases import configure_log_of_sweep
from hydra_queue_sweeper.base.pickling import dumps, loads
from hydra_queue_sweeper.base.terminal import log
from hydra_queue_sweeper.launcher.launch import SAFE_PATH, Job, failed
from hydra_queue_sweeper.launcher.options import SlurmOptions
from hydra_queue_sweeper.launcher.packed import pack, run

if TYPE_CHECKING:
    from submitit.slurm.slurm import SlurmExecutor

SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_TO_END = 15.0  # for jobs, after a signal
LOOKS_FOR_A_RESULT = 3  # at the files, once a job is gone: a shared file system may be late
MOST_DEATHS = 3  # of batch jobs in a row that one worker's place is given


def launch_on_slurm(
    jobs: list[Job], context: HydraContext, task: TaskFunction, config: DictConfig, options: SlurmOptions
) -> list[JobReturn]:
    """Run jobs, each in a batch job.

    Where a task has an attribute `at_work`, as workers of a sweep have, a batch job that has died, or was told to leave
    by its time limit or by what preempts it, is replaced by another, as long as none has ended by itself: then nothing
    is left to do, and those that still wait in SLURM's queue are cancelled.

    Args:
        jobs: Number and overrides of each.
        context: As Hydra gives it to launchers.
        task: What a job runs.
        config: Of the sweep.
        options: Of the batch jobs.

    Returns:
        How the jobs ended, of one that was replaced each time that it ended in order.

    Raises:
        Refused: If there is no SLURM here, or it does not take the jobs.
    """
    setup_globals()
    configure_log_of_sweep(config, context)
    folder = _new_folder(config)
    shared = pack(context, task, config)
    executor = _executor(folder, options)

    def submit(place: _Place) -> str:
        return _submit(executor, run_packed, shared, place.job)

    with signals.deferred():
        cluster = _Cluster(folder, submit, can_replace=hasattr(task, "at_work"))
        return cluster.run([_Place(job) for job in jobs])


def detach_on_slurm(
    jobs: list[Job], context: HydraContext, task: TaskFunction, config: DictConfig, options: SlurmOptions
) -> None:
    """Submit a batch job for each job, and wait for none: SLURM queues it again at its time limit, or if it is lost.

    It takes what `launch_on_slurm` does.

    Raises:
        Refused: If there is no SLURM here, or it does not take the jobs.
    """
    shared = pack(context, task, config)
    executor = _executor(_new_folder(config), options, requeues=True)
    for job in jobs:
        _submit(executor, run_detached, shared, job)


def _new_folder(config: DictConfig) -> Path:
    """Make a folder under a name that nobody can guess: results in it are unpickled."""
    folder = Path(str(config.hydra.sweep.dir)).absolute() / f"slurm-{token_hex(8)}"
    folder.mkdir(parents=True)
    return folder


@dataclass
class _Place:
    """What one batch job after the other does.

    Attributes:
        job: Number and overrides of the Hydra job.
        current: The batch job that has it.
        looks: How often that was not to be seen.
        deaths: Of batch jobs in a row.
        ended: Whether no other follows.
        returned: How it ended, each time.
    """

    job: Job
    current: str = ""
    looks: int = 0
    deaths: int = 0
    ended: bool = False
    returned: list[JobReturn] = field(default_factory=list)


class _Cluster:
    """Looks after batch jobs.

    Args:
        folder: Where they leave their results.
        submit: Submits one for a place; returns its number.
        can_replace: Whether one that has died may be replaced.
    """

    def __init__(self, folder: Path, submit: Callable[[_Place], str], *, can_replace: bool) -> None:
        self.folder, self.submit, self.can_replace = folder, submit, can_replace
        self.nothing_left = False

    def run(self, places: list[_Place]) -> list[JobReturn]:
        """Submit a batch job for each place, and wait for their end."""
        try:
            for place in places:
                place.current = self.submit(place)
            until = float("inf")
            while any(not place.ended for place in places) and time.monotonic() < until:
                if signals.pending():
                    until = min(until, time.monotonic() + SECONDS_TO_END)
                self._look(places)
                _wait(SECONDS_BETWEEN_LOOKS, until)
        finally:
            self._cancel(place for place in places if not place.ended)
        for place in places:
            if not place.returned:
                error = RuntimeError(f"job {place.current} of SLURM ended without a result; {self.folder} has its log")
                place.returned.append(failed(error, place.job))
        return [one for place in places for one in place.returned]

    def _look(self, places: list[_Place]) -> None:
        """Take results, replace what has died, and cancel what waits for nothing."""
        states = _states()
        results = set(os.listdir(self.folder))  # noqa: PTH208
        for place in places:
            if place.ended:
                continue
            name = f"{place.current}_0_result.pkl"
            if name in results:
                self._take(place, (self.folder / name).read_bytes())
            elif states is not None and place.current not in states:
                place.looks += 1
                if place.looks > LOOKS_FOR_A_RESULT:
                    place.deaths += 1
                    log.warning("job %s of SLURM ended without a result; %s has its log", place.current, self.folder)
                    self._replace(place)
        if states is not None and (self.nothing_left or signals.pending()):
            waiting = [one for one in places if not one.ended and states.get(one.current) == "PENDING"]
            self._cancel(waiting)
            for place in waiting:
                place.ended = True

    def _take(self, place: _Place, content: bytes) -> None:
        outcome, value = loads(content)  # as submitit writes it
        place.deaths = 0
        if outcome != "success":
            place.returned.append(failed(RuntimeError(value.strip().rpartition("\n")[2]), place.job))
            place.ended = True
            return
        returned, told_to_leave = loads(value)
        place.returned.append(returned)
        if told_to_leave:
            self._replace(place)
        else:
            place.ended = True
            self.nothing_left |= self.can_replace and returned.status == JobStatus.COMPLETED

    def _replace(self, place: _Place) -> None:
        """Let another batch job go on, where one should."""
        if not self.can_replace or self.nothing_left or signals.pending() or place.deaths >= MOST_DEATHS:
            place.ended = True
            return
        place.looks = 0
        try:
            place.current = self.submit(place)
        except Refused as error:  # the others go on
            log.warning("%s", error)
            place.ended = True

    def _cancel(self, places: Iterator[_Place] | Sequence[_Place]) -> None:
        if numbers := [place.current for place in places if place.current]:
            _command("scancel", *numbers)


def _executor(folder: Path, options: SlurmOptions, *, requeues: bool = False) -> "SlurmExecutor":
    try:
        from submitit.slurm.slurm import SlurmExecutor
    except ImportError:
        raise Refused("hydra/launcher=slurm needs submitit; pip install submitit") from None
    try:
        executor = SlurmExecutor(folder)
    except RuntimeError:
        raise Refused(
            "hydra/launcher=slurm needs sbatch and srun, got a machine without SLURM; log in to one"
        ) from None
    try:
        executor.update_parameters(**_parameters(options, requeues=requeues))
    except (TypeError, ValueError) as error:
        raise Refused(f"hydra.launcher: {in_one_line(error)}") from None
    return executor


def _parameters(options: SlurmOptions, *, requeues: bool) -> dict[str, Any]:
    """Return options as submitit takes them."""
    given = {
        "job_name": options.name,
        "time": options.timeout_min,
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "cpus_per_task": options.cpus_per_task,
        "gpus_per_node": options.gpus_per_node,
        "mem": None if options.mem_gb is None else f"{round(1024 * options.mem_gb)}M",
        "signal_delay_s": options.signal_delay_s,
        # Whoever waits submits anew; and nothing in the working directory is imported by its name.
        "additional_parameters": {"requeue" if requeues else "no_requeue": True, **options.parameters},
        "setup": [f"export {SAFE_PATH[0]}={shlex.quote(SAFE_PATH[1])}", *options.setup],
        "stderr_to_stdout": True,
    }
    return {key: value for key, value in given.items() if value is not None}


def _submit(executor: "SlurmExecutor", function: Callable[[bytes, Job], Any], shared: bytes, job: Job) -> str:
    """Submit a batch job; return its number."""
    try:
        return executor.submit(function, shared, job).job_id
    except Exception as error:  # submitit's own, of several kinds
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise Refused(f"SLURM takes no job: {said.removeprefix('sbatch: error: ')}; see hydra.launcher") from None


def run_packed(shared: bytes, job: Job) -> bytes:
    """Run a job in a child of this process, which is a batch job's.

    Returns:
        How it ended, and whether the batch job was told to leave, pickled.
    """
    with signals.watched(), signals.deferred():
        _leave_before_the_limit()
        [returned] = run(shared, [job])
        return dumps((returned, signals.pending()))


def run_detached(shared: bytes, job: Job) -> None:
    """Run a job in a child of this process; have SLURM queue it again where it leaves for its time limit."""
    with signals.watched(), signals.deferred():
        warned = _leave_before_the_limit()
        run(shared, [job])
        if warned.is_set():
            _command("scontrol", "requeue", os.environ["SLURM_JOB_ID"])


def _leave_before_the_limit() -> Event:
    """Take SIGUSR2, which comes before a time limit, for SIGTERM; SLURM sends it to each process of the batch job.

    So it is blocked, which those inherit that are started; a thread waits for it.

    Returns:
        Set once it has come.
    """
    warned = Event()

    def leave(*_: object) -> None:
        warned.set()
        os.kill(os.getpid(), signal.SIGTERM)

    def wait() -> None:
        signal.sigwait([signal.SIGUSR2])
        leave()

    signal.signal(signal.SIGUSR2, leave)  # of threads that libraries started before
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    Thread(target=wait, daemon=True).start()
    return warned


def _states() -> dict[str, str] | None:
    """Return the state of each of the user's batch jobs that has not ended; None if SLURM does not answer."""
    answer = _command("squeue", "--me", "--noheader", "--format=%i %T")
    return None if answer is None else dict(line.split() for line in answer.splitlines())


def _command(*words: str) -> str | None:
    """Return what a command of SLURM's prints; None if it failed."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _wait(seconds: float, until: float) -> None:
    """Wait, or until a signal comes; after one, until some time."""
    came, end = signals.pending(), min(time.monotonic() + seconds, until)
    while time.monotonic() < end and signals.pending() == came:
        time.sleep(0.1)
