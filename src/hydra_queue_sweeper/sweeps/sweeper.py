"""A sweep from its start to its end: start workers, and start them again while anything is left."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import TIMEOUT_MAX, Timer
from uuid import uuid4

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher

from hydra_queue_sweeper.base import hydra_internals, signals
from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.base.files import write_yaml
from hydra_queue_sweeper.base.terminal import log
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.space import but_seed, varied
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.endings import begin_endings
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
from hydra_queue_sweeper.sweeps.store import REACHED, SweepDirectory
from hydra_queue_sweeper.sweeps.worker import Worker

FOR_WORKERS = "hydra.sweep.subdir=workers/${hydra.job.num}"
"""The override that keeps the files of workers apart from those of jobs."""

BYTES_OF_A_WORKER = 700 << 20  # that has imported all and trains a network of some thousand weights
SECONDS_TO_WAIT = 2.0  # for workers of an earlier start to end
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
    launcher = _launcher(sweep, prepared)
    refuse_taken(sweep)
    sweep.task.check_place(sweep.directory.path)
    sweep.directory.path.mkdir(parents=True, exist_ok=True)
    with sweep.directory.locked(), signals.deferred():
        refuse_taken(sweep)
        write(sweep, prepared, fingerprint)
        return _run(sweep, prepared, launcher)


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
        return _run(sweep, prepared, _launcher(sweep, prepared))


def _launcher(sweep: Sweep, prepared: Prepared) -> Launcher:
    """Return the launcher of workers, for whom no callback of the program is called: that is for jobs."""
    worker = Worker(sweep.task, sweep.config, prepared.composer.local, sweep.context, uuid4().hex)
    without_callbacks = replace(sweep.context, callbacks=type(sweep.context.callbacks)())
    return Plugins.instance().instantiate_launcher(
        hydra_context=without_callbacks, task_function=worker, config=sweep.config
    )


def _run(sweep: Sweep, prepared: Prepared, launcher: Launcher) -> list[list[JobReturn]]:
    """Run what is left of a sweep whose lock is held, while signals wait."""
    plan, directory = prepared.plan, sweep.directory
    directory.stop.unlink(missing_ok=True)
    directory.remove_parts()
    trials = directory.read_trials(plan)
    begin_endings(directory, trials)
    with (
        sweep.task.prepare_and_conclude(directory, plan, prepared.configs()[0]),
        _until_enough(sweep, plan, trials),
        watching(directory, plan, sweep.task),
    ):
        returned = _launch(sweep, prepared, launcher)
        _write_results(directory, plan)
    signals.check()
    returned.sort(key=lambda job: job.hydra_cfg.hydra.job.num)  # type: ignore[union-attr]
    for job in returned:
        _ = job.return_value  # which raises what a job of another application raised
    if sweep.task.wants_returns:
        for trial in directory.read_trials(plan):
            if trial.state == "failed":  # without an error to raise: it exited, or cost its workers
                raise CompactHydraException(f"job {trial.number} failed: {trial.reason}")
    return [returned]


def _write_results(directory: SweepDirectory, plan: Plan) -> None:
    """Write the best values as Optuna's own plugin for Hydra does."""
    for objective, group in plan.ranked(directory.read_trials(plan))[:1]:
        chosen = varied([*but_seed(plan.dimensions), *group[0].further], group[0].overrides)
        best = {"best_params": chosen, "best_value": plan.as_returned(objective)}
        write_yaml(directory.results, {"name": "optuna"} | best)


@contextmanager
def _until_enough(sweep: Sweep, plan: Plan, trials: list[Trial]) -> Iterator[None]:
    """Let no further job begin once the time is up, or the target reached: workers see that as jobs end."""
    enough = sweep.directory.enough
    enough.unlink(missing_ok=True)
    if plan.reached(trials):
        sweep.directory.end_early(REACHED)
    timeout = sweep.options.timeout
    seconds = TIMEOUT_MAX if timeout is None else min(timeout, TIMEOUT_MAX)
    timer = Timer(seconds, sweep.directory.end_early, ["since the time is up"])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _launch(sweep: Sweep, prepared: Prepared, launcher: Launcher) -> list[JobReturn]:
    """Start workers until nothing is left for them, or they get nowhere; return what trials returned.

    Raises:
        Exception: What ends workers, where the task is another application's.
    """
    returned: list[JobReturn] = []
    ended: Sequence[JobReturn] = []
    patience = PATIENCE
    left = _left(sweep.directory, prepared.plan)
    while left[0] and patience and not signals.pending() and not sweep.directory.enough.exists():
        ended = _launch_once(sweep, prepared, launcher, left[0])
        returned += [one for job in ended if job.status == JobStatus.COMPLETED for one in hydra_internals.outcome(job)]
        before, left = left, _left(sweep.directory, prepared.plan)
        patience = patience - 1 if left == before else PATIENCE
        if left == before and not signals.pending():
            time.sleep(SECONDS_TO_WAIT)
    if left[0] and not patience and not signals.pending():
        error = next((hydra_internals.outcome(job) for job in ended if job.status != JobStatus.COMPLETED), None)
        if error and sweep.task.wants_returns:
            raise error
        log.error("workers end before they get anywhere%s", f": {in_one_line(error)}" if error else "")
    return returned


def _launch_once(sweep: Sweep, prepared: Prepared, launcher: Launcher, num_left: int) -> Sequence[JobReturn]:
    """Start workers and wait for their end; return how they ended, or how the launcher did."""
    workers = min(sweep.options.n_workers or _most_workers(), num_left)
    if getattr(launcher, "n_jobs", 0) is None:
        launcher.n_jobs = workers  # type: ignore[attr-defined]
    try:
        with _in_silence(launcher):
            return launcher.launch([_of_workers(prepared)] * workers, initial_job_idx=0)
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


def _of_workers(prepared: Prepared) -> list[str]:
    """Return the overrides of the workers' own configuration.

    It needs options of groups, since a program may have no default; what they ask for the jobs that chose them is
    taken away again.
    """
    choice = prepared.composer.choice(prepared.plan.typical(0, prepared.composer.groups)[0])
    job = prepared.composer.chosen(choice).hydra.job
    # Hydra adds those that are copied once it has composed.
    without = [f"~hydra.job.env_set.{name}" for name in job.env_set if name not in job.env_copy]
    as_it_is = ["hydra.job.env_copy=[]", "hydra.job.chdir=false"]
    return [*choice, *prepared.composer.local, *without, *as_it_is, FOR_WORKERS]


def _left(directory: SweepDirectory, plan: Plan) -> tuple[int, int]:
    """Return how many jobs have not ended, and how many workers jobs have cost."""
    trials = directory.read_trials(plan)
    return plan.num_left(trials), sum(trial.deaths for trial in trials)


def _most_workers() -> int:
    """Return how many workers this machine holds: one a core, as memory allows."""
    from joblib import cpu_count  # which knows the limits of containers

    cores = cpu_count()
    fitting = max(1, _free_memory() // BYTES_OF_A_WORKER)
    if fitting < cores:
        text = "%d workers on %d cores, since memory holds no more; hydra.sweeper.n_workers=%d insists"
        log.warning(text, fitting, cores, cores)
    return min(cores, fitting)


def _free_memory() -> int:
    """Return the bytes that are free, within the limit of a container too; what is unknown doesn't limit."""
    free = [int(line.split()[1]) << 10 for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    cached = [int(line.split()[1]) for line in _lines("/sys/fs/cgroup/memory.stat") if line.startswith("inactive_file")]
    if limit and used and limit[0] != "max":
        free.append(int(limit[0]) - int(used[0]) + sum(cached))
    return max(0, min(free, default=1 << 62))


def _lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines() if Path(path).exists() else []
