"""A sweep from its start to its end: start workers, and start them again while anything is left."""

import logging
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from uuid import uuid4

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher

from hydra_queue_sweeper.base import hydra_internals, signals
from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused, in_one_line, relative
from hydra_queue_sweeper.base.machine import most_workers
from hydra_queue_sweeper.base.overrides import written
from hydra_queue_sweeper.base.terminal import log, say
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.claims import Claims
from hydra_queue_sweeper.sweeps.conducting import conducting
from hydra_queue_sweeper.sweeps.control import REACHED, Control, read_control, write_control
from hydra_queue_sweeper.sweeps.live_view import watching
from hydra_queue_sweeper.sweeps.planning import (
    Prepared,
    Sweep,
    check,
    list_jobs,
    list_jobs_left,
    prepare,
    refuse_taken,
    reopen,
    write,
)
from hydra_queue_sweeper.sweeps.queue import claims_of
from hydra_queue_sweeper.sweeps.store import Records, SweepDirectory
from hydra_queue_sweeper.sweeps.worker import Worker

FOR_WORKERS = "hydra.sweep.subdir=workers/${hydra.job.num}"
"""The override that keeps the files of workers apart from those of jobs."""

SECONDS_TO_WAIT = 2.0  # for workers of an earlier start to end
SECONDS_BETWEEN_LOOKS = 0.5  # at workers that others have started
PATIENCE = 3
"""Starts of workers in vain, in a row, after which a sweep gives up.

This and `queue.MOST_DEATHS` are all that bounds it. A worker that dies while it holds a trial is charged to that, and
the third such death fails it: so the deaths of workers at work come to an end, and our launcher replaces each at once.
A worker that dies before it takes a trial is charged to none: it is started again after the end of the others, as long
as some trial has ended, or was charged, since the start before.
"""


def start(sweep: Sweep, arguments: list[str]) -> list[list[JobReturn]]:
    """Run a sweep, or go on with one.

    Args:
        sweep: Which.
        arguments: The overrides of the command line, less Hydra's own.

    Returns:
        What Hydra expects: the jobs' returns, where the task wants them.

    Raises:
        Refused: Before anything runs or is written, where some job can't be run. Another application gets a
            CompactHydraException.
        Interrupted: If a signal came. Another application's own handler gets it.
    """
    with _as_others_expect() if sweep.task.wants_returns else nullcontext():
        sweep.options.check()
        if sweep.options.resume == "join":
            return _join(sweep, arguments)
        return _go_on(sweep, arguments) if sweep.options.resume else _begin(sweep, arguments)


@contextmanager
def _as_others_expect() -> Iterator[None]:
    """Refuse and stop as a program does that knows of Hydra alone."""
    try:
        with signals.handing_on():
            yield
    except Refused as error:
        raise CompactHydraException(str(error)) from None  # of which Hydra shows the text alone


def _begin(sweep: Sweep, arguments: list[str]) -> list[list[JobReturn]]:
    """Check all jobs, write the plan and run it."""
    prepared = prepare(sweep, arguments)
    check(sweep, prepared)
    if sweep.options.dry_run:
        list_jobs(prepared.plan)
        return []
    fingerprint = sweep.task.fingerprint(prepared.configs())
    start_id = uuid4().hex
    launcher = _launcher(sweep, prepared, start_id)
    refuse_taken(sweep)
    sweep.task.check_place(sweep.directory.path)
    sweep.directory.path.mkdir(parents=True, exist_ok=True)
    with sweep.directory.locked(), signals.deferred():
        refuse_taken(sweep)
        claims = _start_claims(sweep, prepared, start_id, [])
        write(sweep, prepared, fingerprint)
        return _run(sweep, prepared, launcher, claims)


def _go_on(sweep: Sweep, arguments: list[str]) -> list[list[JobReturn]]:
    """Go on with a sweep, grown by what is typed; what failed waits again."""
    directory = sweep.directory
    if not directory.plan.exists():
        raise Refused(f"{directory.path} must hold a sweep to go on with, but has none; name its directory")
    with directory.locked(), signals.deferred():
        plan = directory.read_plan()
        prepared = reopen(sweep, plan, arguments)
        has_grown = prepared.plan != plan
        if has_grown:
            check(sweep, prepared)
        if sweep.options.dry_run:
            list_jobs_left(prepared.plan, plan, directory.read_trials(prepared.plan))
            return []
        if has_grown:
            write(sweep, prepared, sweep.task.fingerprint(prepared.configs()))
        for trial in directory.read_trials(prepared.plan):
            if trial.state == "failed":
                directory.write_trial(replace(trial, state="waiting", reason="", deaths=0))
        start_id = uuid4().hex
        claims = _start_claims(sweep, prepared, start_id, directory.read_trials(prepared.plan))
        return _run(sweep, prepared, _launcher(sweep, prepared, start_id), claims)


def _start_claims(sweep: Sweep, prepared: Prepared, start_id: str, trials: list[Trial]) -> Claims:
    claims = claims_of(Records(sweep.directory, prepared.plan), start_id, sweep.options.claims)
    claims.start(trials)
    return claims


def _join(sweep: Sweep, arguments: list[str]) -> list[list[JobReturn]]:
    """Work for a sweep that is run by others, until nothing is left for this worker."""
    directory, place = sweep.directory, relative(sweep.directory.path)
    if not directory.plan.exists():
        raise Refused(f"{place} must hold a sweep to work for, but has none; name its directory")
    control = read_control(directory)
    if control.stop or not (control.is_detached or directory.is_run()):
        again = sweep.task.resume_command(place)
        raise Refused(f"{place} is not being run; {again} goes on with it")
    if (control.claims == "postgresql") != (sweep.options.claims is not None):
        instead = "leave it out" if sweep.options.claims else "add hydra.sweeper.claims=postgresql://USER@HOST/DATABASE"
        raise Refused(f"the trials of {place} are claimed by way of its {control.claims}; {instead}")
    with signals.deferred():
        plan = directory.read_plan()
        prepared = reopen(sweep, plan, arguments)
        if prepared.plan.parts != plan.parts:
            raise Refused("a worker adds no jobs to a sweep; resume it with them once it has ended")
        launcher = _launcher(sweep, prepared, control.launch)
        say(f"working for {place}, until nothing is left to begin there")
        with _in_silence(launcher):
            returned = launcher.launch([_of_workers(directory, prepared)], initial_job_idx=os.getpid())
    signals.check()
    if returned and returned[0].status != JobStatus.COMPLETED:
        raise hydra_internals.outcome(returned[0])
    return []


def _launcher(sweep: Sweep, prepared: Prepared, start_id: str) -> Launcher:
    """Return the launcher of workers, for whom no callback of the program is called: that is for jobs."""
    worker = Worker(sweep.task, sweep.config, prepared.composer.local, sweep.context, start_id)
    without_callbacks = replace(sweep.context, callbacks=type(sweep.context.callbacks)())
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=without_callbacks, task_function=worker, config=sweep.config
    )
    if sweep.options.detach and not hasattr(launcher, "detach"):
        name = sweep.config.hydra.runtime.choices["hydra/launcher"]
        raise Refused(f"hydra.sweeper.detach=true needs hydra/launcher=processes, slurm or dask, got {name}")
    return launcher


def _run(sweep: Sweep, prepared: Prepared, launcher: Launcher, claims: Claims) -> list[list[JobReturn]]:
    """Run what is left of a sweep whose lock is held, while signals wait."""
    plan, directory = prepared.plan, sweep.directory
    directory.remove_parts()
    trials = directory.read_trials(plan)
    if plan.num_left(trials):
        _write_control(sweep, plan, claims.launch, trials)
        if sweep.options.detach:
            _detach(sweep, prepared, launcher)
            return []
    conducted = conducting(directory, plan, sweep.task, prepared.configs()[0])
    with conducted, watching(directory, plan, sweep.task):
        returned = _launch(sweep, prepared, launcher, claims)
    signals.check()
    jobs = [returned[number] for number in sorted(returned)]
    for job in jobs:
        _ = job.return_value  # which raises what a job of another application raised
    if sweep.task.wants_returns:
        for trial in directory.read_trials(plan):
            if trial.state == "failed":  # without an error to raise: it exited, or cost its workers
                raise CompactHydraException(f"job {trial.number} failed: {trial.reason}")
    return [jobs]


def _write_control(sweep: Sweep, plan: Plan, start_id: str, trials: list[Trial]) -> None:
    timeout = sweep.options.timeout
    control = Control(
        launch=start_id,
        is_detached=sweep.options.detach,
        claims="directory" if sweep.options.claims is None else "postgresql",
        enough=REACHED if plan.reached(trials) else "",
        until=None if timeout is None else time.time() + timeout,
    )
    write_control(sweep.directory, control)


def _detach(sweep: Sweep, prepared: Prepared, launcher: Launcher) -> None:
    """Start workers that outlive this command; say how they are watched, stopped and gone on with."""
    left, _ = _left(sweep.directory, prepared.plan)
    workers = _num_workers(sweep, left)
    launcher.detach([(number, _of_workers(sweep.directory, prepared)) for number in range(workers)])  # type: ignore[attr-defined]
    place = relative(sweep.directory.path)
    quoted = shlex.quote(str(place))
    say(
        f"{counted(workers, 'worker')} for {counted(left, 'job')} of {place}, which outlive this command\n"
        f"  hydra-queue watch {quoted}\n"
        f"  hydra-queue stop {quoted}\n"
        f"once none is at work, {sweep.task.resume_command(place)} goes on with what is left"
    )


def _launch(sweep: Sweep, prepared: Prepared, launcher: Launcher, claims: Claims) -> dict[int, JobReturn]:
    """Start workers until nothing is left for them, or they get nowhere; return what trials returned, by number.

    Raises:
        Exception: What ends workers, where the task is another application's.
    """
    returned: dict[int, JobReturn] = {}
    ended: Sequence[JobReturn] = []
    patience = PATIENCE
    left = _left(sweep.directory, prepared.plan)
    while left[0] and patience and _goes_on(sweep):
        ended = _launch_once(sweep, prepared, launcher, left[0])
        for job in ended:
            if job.status == JobStatus.COMPLETED:
                returned |= hydra_internals.outcome(job)
        while _goes_on(sweep) and claims.others_at_work():
            time.sleep(SECONDS_BETWEEN_LOOKS)
        before, left = left, _left(sweep.directory, prepared.plan)
        patience = patience - 1 if left == before else PATIENCE
        if left == before and _goes_on(sweep):
            time.sleep(SECONDS_TO_WAIT)
    if left[0] and not patience and _goes_on(sweep):
        error = next((hydra_internals.outcome(job) for job in ended if job.status != JobStatus.COMPLETED), None)
        if error and sweep.task.wants_returns:
            raise error
        log.error("workers end before they get anywhere%s", f": {in_one_line(error)}" if error else "")
    return returned


def _goes_on(sweep: Sweep) -> bool:
    """Say whether further jobs are to begin."""
    control = read_control(sweep.directory)
    return not (signals.pending() or control.stop or control.enough)


def _num_workers(sweep: Sweep, num_left: int) -> int:
    return min(sweep.options.n_workers or most_workers(), num_left)


def _launch_once(sweep: Sweep, prepared: Prepared, launcher: Launcher, num_left: int) -> Sequence[JobReturn]:
    """Start workers and wait for their end; return how they ended, or how the launcher did."""
    workers = _num_workers(sweep, num_left)
    if getattr(launcher, "n_jobs", 0) is None:
        launcher.n_jobs = workers  # type: ignore[attr-defined]
    try:
        with _in_silence(launcher):
            return launcher.launch([_of_workers(sweep.directory, prepared)] * workers, initial_job_idx=0)
    except Refused:
        raise  # which another try would not help
    except Exception as error:
        log.warning("the launcher gave up: %s", in_one_line(error))
        given_up = JobReturn(status=JobStatus.FAILED)
        given_up.return_value = error
        return [given_up]


@contextmanager
def _in_silence(launcher: Launcher) -> Iterator[None]:
    """Keep a launcher from announcing workers as if they were jobs."""
    logger = logging.getLogger(type(launcher).__module__.rpartition(".")[0])
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _of_workers(directory: SweepDirectory, prepared: Prepared) -> list[str]:
    """Return the overrides of the workers' own configuration.

    It needs options of groups, since a program may have no default; what they ask for the jobs that chose them is
    taken away again.
    """
    choice = prepared.composer.choice(prepared.plan.typical(0, prepared.composer.groups)[0])
    job = prepared.composer.chosen(choice).hydra.job
    # Hydra adds those that are copied once it has composed.
    without = [f"~hydra.job.env_set.{name}" for name in job.env_set if name not in job.env_copy]
    as_it_is = ["hydra.job.env_copy=[]", "hydra.job.chdir=false"]
    place = f"hydra.sweep.dir={written(str(directory.path.absolute()))}"  # a launcher may run them in another folder
    return [*choice, *prepared.composer.local, *without, *as_it_is, place, FOR_WORKERS]


def _left(directory: SweepDirectory, plan: Plan) -> tuple[int, int]:
    """Return how many jobs have not ended, and how many workers jobs have cost."""
    trials = directory.read_trials(plan)
    return plan.num_left(trials), sum(trial.deaths for trial in trials)
