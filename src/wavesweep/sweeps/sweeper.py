"""A sweep from its command line to its end: plan, check, start workers, and start them again while anything is left."""

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wavesweep import interrupts
from wavesweep.failures import in_one_line
from wavesweep.hydra_errors import explain
from wavesweep.refusals import Refused, suggestion
from wavesweep.sweeps.composition import Composer, by_hydra, choices_of_groups, group_keys, save
from wavesweep.sweeps.space import Dimension, grid_overrides, grid_size, is_grid, parse_dimensions, typical_overrides
from wavesweep.sweeps.store import Plan, SweepDirectory
from wavesweep.sweeps.task import SweepTask
from wavesweep.sweeps.view import watching
from wavesweep.sweeps.worker import Worker
from wavesweep.terminal import say

log = logging.getLogger("wavesweep")

PRUNERS = ("median", "successive_halving", "hyperband")
BYTES_OF_A_WORKER = 700 << 20  # that has imported all and trains a network of some thousand weights
MOST_PROBLEMS = 10
SECONDS_TO_WAIT = 2.0  # for workers of an earlier start to end


@dataclass(frozen=True)
class Options:
    """The values of `hydra.sweeper`.

    Attributes:
        n_workers: How many jobs run at once; None: one a core, fewer where memory would not hold them.
        n_trials: How many jobs in all, where a dimension is continuous.
        pruner: What ends poor jobs early: a name of `PRUNERS`, or None.
        seed: Of the sampler that chooses values of continuous dimensions.
        params: Dimensions, as if they stood on the command line before the others.
        dry_run: Whether to list the jobs instead of running them.
        resume: Whether to go on with the sweep that the directory holds: no, yes, or by force.
    """

    n_workers: int | None
    n_trials: int
    pruner: str | None
    seed: int
    params: Mapping[str, Any]
    dry_run: bool
    resume: str

    def check(self) -> None:
        """Refuse values that mean nothing."""
        for name, least in (("n_workers", 1), ("n_trials", 1), ("seed", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= least) and not (name == "n_workers" and value is None):
                raise Refused(f"hydra.sweeper.{name} must be a whole number of at least {least}, got {value}")
        if self.pruner is not None and self.pruner not in PRUNERS:
            raise Refused(f"hydra.sweeper.pruner={self.pruner} is not there; {suggestion(str(self.pruner), PRUNERS)}")


@dataclass(frozen=True)
class Sweep:
    """What a sweep has to do with: where it is, what it runs, and what Hydra gave.

    Attributes:
        directory: Of the sweep.
        task: What its jobs run.
        options: How.
        config: The configuration that Hydra composed, its own node included.
        context: Loads configurations.
    """

    directory: SweepDirectory
    task: SweepTask
    options: Options
    config: DictConfig
    context: HydraContext


@dataclass(frozen=True)
class Prepared:
    """A sweep that can be run.

    Attributes:
        plan: What is to be done.
        composer: Composes jobs.
        local: The overrides of local nodes, for the workers' own configuration.
    """

    plan: Plan
    composer: Composer
    local: list[str]

    def config(self) -> DictConfig:
        """Return the configuration of one of the jobs."""
        return self.composer.compose([f"{one.key}={one.typical(0)}" for one in self.plan.dimensions])[0]


def start(sweep: Sweep, arguments: list[str]) -> list[list[JobReturn]]:
    """Run a sweep, or go on with one.

    Args:
        sweep: Which.
        arguments: The overrides of the command line, less Hydra's own.

    Returns:
        What Hydra expects: the jobs' returns, where the task wants them.

    Raises:
        Refused: Before anything runs or is written, where some job can't be run.
    """
    sweep.options.check()
    if sweep.options.resume:
        with sweep.directory.locked():
            return _run(sweep, _reopened(sweep))
    prepared = _plan(sweep, arguments)
    jobs = _checked(sweep, prepared.plan, prepared.composer)
    if sweep.options.dry_run:
        _list(prepared.plan, jobs)
        return []
    _refuse_taken(sweep.directory)
    sweep.directory.path.mkdir(parents=True, exist_ok=True)
    with sweep.directory.locked():
        _refuse_taken(sweep.directory)
        return _run(sweep, _write(sweep, prepared))


def _plan(sweep: Sweep, arguments: list[str]) -> Prepared:
    """Return what is to be done, and what composes it; nothing is written yet."""
    loader, options = sweep.context.config_loader, sweep.options
    parsed = parse_dimensions([*_params(options), *arguments], loader)
    dimensions = [one for one in parsed if not _is_local(one, sweep.task)]
    if swept := [one.text for one in parsed if one.swept and one not in dimensions]:
        raise Refused(f"{swept[0]} can't be swept; give it one value")
    local = [f"{one.key}={one.values[0]}" for one in parsed if one not in dimensions]
    groups = group_keys(dimensions, loader.repository)  # type: ignore[attr-defined]
    for one in dimensions:
        if one.key in groups and one.interval:
            raise Refused(f"{one.key} is a group of options, so it can't be an interval; list its options")
    subdir = OmegaConf.to_container(sweep.config.hydra.sweep, resolve=False)["subdir"]  # type: ignore[call-overload,index]
    if "$" not in str(subdir) and any(one.swept for one in dimensions):
        raise Refused(f"hydra.sweep.subdir must differ between jobs, got {subdir}; leave it out: ${{hydra.job.num}}")
    plan = Plan(
        dimensions=dimensions,
        n_trials=grid_size(dimensions) if is_grid(dimensions) else options.n_trials,
        pruner=options.pruner,
        seed=options.seed,
        launcher=_launcher_overrides(sweep),
        local={},
        subdir=subdir,
        fingerprint={},
        groups=sorted(groups),
        configs={},
    )
    return Prepared(plan, Composer(groups, by_hydra(sweep.config, loader, local)), local)


def _launcher_overrides(sweep: Sweep) -> list[str]:
    choice = sweep.config.hydra.runtime.choices["hydra/launcher"]
    workers = sweep.options.n_workers
    return [
        *([f"hydra/launcher={choice}"] if choice != "wavesweep" else []),
        *(text for text in sweep.config.hydra.overrides.hydra if text.lstrip("+").startswith("hydra.launcher.")),
        *([f"hydra.sweeper.n_workers={workers}"] if workers else []),
    ]


def _params(options: Options) -> list[str]:
    """Return `hydra.sweeper.params` as they would be typed."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.params.items()}
    return [f"{key}={text}" for key, text in texts.items()]


def _is_local(dimension: Dimension, task: SweepTask) -> bool:
    return dimension.name.partition(".")[0] in task.local


def _checked(sweep: Sweep, plan: Plan, composer: Composer) -> list[list[str]]:
    """Return the overrides of all jobs of a grid, or of jobs that have every value and both bounds of intervals.

    Raises:
        Refused: If some can't be run, each with its overrides.
    """
    if plan.is_grid:
        jobs = [grid_overrides(plan.dimensions, number) for number in range(plan.n_trials)]
    else:
        jobs = list(typical_overrides(plan.dimensions, [one.key in plan.groups for one in plan.dimensions]))
    problems: dict[str, list[str]] = {}
    for overrides in jobs:
        try:
            sweep.task.check(composer.compose(overrides)[0])
        except Refused as error:
            problems.setdefault(str(error), []).append(" ".join(overrides))
        except (HydraException, OmegaConfBaseException) as error:
            if sweep.task.wants_returns:
                raise
            problems.setdefault(explain(error, overrides), []).append(" ".join(overrides))
    if problems:
        lines = [_where(where, len(jobs)) + text for text, where in problems.items()]
        raise Refused("\n".join(lines[:MOST_PROBLEMS]))
    return jobs


def _where(jobs: list[str], total: int) -> str:
    """Name the first job that has a problem, unless all have it."""
    if len(jobs) == total:
        return ""
    return f"{jobs[0]} (and {len(jobs) - 1} more): " if len(jobs) > 1 else f"{jobs[0]}: "


def _list(plan: Plan, jobs: list[list[str]]) -> None:
    """Print the jobs that would run."""
    if plan.is_grid:
        lines = [f"{number:>{len(str(len(jobs)))}}  {' '.join(overrides)}" for number, overrides in enumerate(jobs)]
        say("\n".join([*lines, f"{plan.n_trials} jobs; nothing was run"]))
        return
    ranges = [f"  {one.text}" for one in plan.dimensions]
    say("\n".join([f"{plan.n_trials} jobs, each chosen after those before it, from", *ranges, "nothing was run"]))


def _refuse_taken(directory: SweepDirectory) -> None:
    if directory.plan.exists():
        place = directory.path
        raise Refused(f"{place} holds a sweep already; wavesweep resume {place} goes on with it, or choose another")


def _write(sweep: Sweep, prepared: Prepared) -> Prepared:
    """Write all that the sweep needs from here on; return it with its complete plan."""
    plan, composer = prepared.plan, prepared.composer
    sweep.directory.configs.mkdir(exist_ok=True)
    OmegaConf.save(sweep.config, sweep.directory.path / "multirun.yaml")
    configs, composed = {}, []
    for number, choice in enumerate(choices_of_groups(plan.dimensions, set(plan.groups))):
        one = composer.load(choice)
        save(one, sweep.directory.configs / f"{number}.yaml", sweep.task.local)
        configs[" ".join(choice)] = {"file": f"{number}.yaml", "choices": one.choices}
        composed.append(composer.compose(_typical(plan, choice))[0])
    fingerprint, local = sweep.task.fingerprint(composed), sweep.task.remember(composed[0])
    plan = replace(plan, configs=configs, fingerprint=fingerprint, local=local)
    sweep.directory.write_plan(plan)
    return replace(prepared, plan=plan)


def _typical(plan: Plan, choice: tuple[str, ...]) -> list[str]:
    """Return the overrides of one job with a choice of groups."""
    values = [f"{one.key}={one.typical(0)}" for one in plan.dimensions if one.key not in plan.groups]
    return [*choice, *values]


def _reopened(sweep: Sweep) -> Prepared:
    """Return a sweep to go on with; what failed waits again.

    Raises:
        Refused: If code or data are not what it began on.
    """
    plan, directory = sweep.directory.read_plan(), sweep.directory
    from wavesweep.sweeps.composition import from_files

    local = OmegaConf.masked_copy(sweep.config, [key for key in sweep.task.local if key in sweep.config])
    composer = Composer(set(plan.groups), from_files(directory, plan, local))
    choices = choices_of_groups(plan.dimensions, set(plan.groups))
    now = sweep.task.fingerprint([composer.compose(_typical(plan, choice))[0] for choice in choices])
    changed = [
        f"{key} was {value}, is {now.get(key)}" for key, value in plan.fingerprint.items() if now.get(key) != value
    ]
    if changed and sweep.options.resume != "force":
        raise Refused(
            f"{directory.path} was begun otherwise: {'; '.join(changed)}; undo that, or start a new sweep "
            f"(wavesweep resume {directory.path} --force goes on all the same)"
        )
    for trial in directory.read_trials(plan):
        if trial.state == "failed":
            directory.write_trial(replace(trial, state="waiting", reason="", deaths=0))
    return Prepared(plan, composer, list(sweep.config.hydra.overrides.task))


def _run(sweep: Sweep, prepared: Prepared) -> list[list[JobReturn]]:
    """Run what is left of a sweep whose lock is held."""
    plan, config = prepared.plan, prepared.config()
    sweep.directory.stop.unlink(missing_ok=True)
    with interrupts.deferred():
        sweep.task.begin(sweep.directory, plan, config)
        try:
            with watching(sweep.directory, plan):
                returned = _launch(sweep, prepared)
        finally:
            sweep.task.end(sweep.directory, plan, config)
    returned.sort(key=lambda job: job.hydra_cfg.hydra.job.num)  # type: ignore[union-attr]
    for job in returned:
        _ = job.return_value  # which raises what a job of another application raised
    return [returned]


def _launch(sweep: Sweep, prepared: Prepared) -> list[JobReturn]:
    """Start workers until nothing is left for them, or they get nowhere."""
    plan = prepared.plan
    worker, returned = Worker(sweep.task, sweep.context, uuid4().hex), []
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=sweep.context, task_function=worker, config=sweep.config
    )
    patience, left = 3, _left(sweep.directory, plan)
    while left and patience and not interrupts.pending():
        jobs, error = _launch_once(sweep, prepared, launcher, len(left))
        returned += jobs
        before, left = left, _left(sweep.directory, plan)
        if left == before and not interrupts.pending():
            patience -= 1
            if not patience:
                _give_up(sweep, error)
            time.sleep(SECONDS_TO_WAIT)
    return returned


def _give_up(sweep: Sweep, error: Exception | None) -> None:
    """Say that workers get nowhere; another application's launcher says it by an exception."""
    if error and sweep.task.wants_returns:
        raise error
    reason = f": {in_one_line(error)}" if error else ""
    log.error("workers end before they get anywhere%s", reason)


def _launch_once(
    sweep: Sweep, prepared: Prepared, launcher: Launcher, num_left: int
) -> tuple[list[JobReturn], Exception | None]:
    """Start workers and wait for their end; return the returns of trials, and what went wrong with workers."""
    workers = min(sweep.options.n_workers or _most_workers(), num_left)
    if getattr(launcher, "n_jobs", 0) is None:
        launcher.n_jobs = workers  # type: ignore[attr-defined]
    choice = [] if sweep.options.resume else [f"{one.key}={one.typical(0)}" for one in prepared.plan.dimensions]
    overrides = [*choice, *prepared.local, "hydra.sweep.subdir=workers/${hydra.job.num}"]
    try:
        ended = launcher.launch([overrides] * workers, initial_job_idx=0)
    except Exception as error:
        log.warning("the launcher gave up: %s", in_one_line(error))
        return [], error
    broken = [job._return_value for job in ended if job.status != JobStatus.COMPLETED]
    jobs = [one for job in ended if job.status == JobStatus.COMPLETED for one in job._return_value]
    return jobs, next(iter(broken), None)


def _left(directory: SweepDirectory, plan: Plan) -> list[tuple[int, int]]:
    """Return the trials that have not ended, and how many workers they cost."""
    trials = directory.read_trials(plan)
    not_begun = [(number, 0) for number in range(len(trials), plan.n_trials)]
    return [(trial.number, trial.deaths) for trial in trials if not trial.ended] + not_begun


def _most_workers() -> int:
    """Return how many workers this machine holds: one a core, as memory allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _free_memory() // BYTES_OF_A_WORKER))


def _free_memory() -> int:
    """Return the bytes that are free, within the limit of a container too; what is unknown doesn't limit."""
    free = [1 << 62]
    for path, key in (("/proc/meminfo", "MemAvailable:"),):
        lines = Path(path).read_text("utf-8").splitlines() if Path(path).exists() else []
        free += [int(line.split()[1]) << 10 for line in lines if line.startswith(key)]
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (text := limit.read_text("ascii").strip()) != "max":
        free.append(max(0, int(text) - int(used.read_text("ascii"))))
    return min(free)
