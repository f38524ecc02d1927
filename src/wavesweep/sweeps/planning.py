"""The plan of a sweep: made from a command line and checked, or read from a sweep that was begun."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.wavesweep.sweeper import Options
from wavesweep.base.errors import Refused
from wavesweep.base.terminal import say, track
from wavesweep.search.space import Dimension, grid_overrides, grid_size, is_grid, parse_dimensions
from wavesweep.sweeps.composition import Composer, by_hydra, check_subdir, from_files, group_keys, save
from wavesweep.sweeps.store import MOST_TRIALS, Plan, Stored, SweepDirectory
from wavesweep.sweeps.task import SweepTask

log = logging.getLogger("wavesweep")
MOST_PROBLEMS = 10
MANY_JOBS = 1000  # whose checking takes seconds


@dataclass(frozen=True)
class Sweep:
    """A sweep with its directory, its task and what Hydra gave.

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
        worker: The overrides of the workers' own configuration.
    """

    plan: Plan
    composer: Composer
    worker: list[str]

    def configs(self) -> list[DictConfig]:
        """Return the configuration of a job with each choice of groups."""
        return [self.composer.compose(overrides)[0] for overrides in self.plan.typical(0)]


def prepare(sweep: Sweep, arguments: list[str]) -> Prepared:
    """Return what is to be done, and what composes it; nothing is written yet.

    Raises:
        Refused: If dimensions or directories of jobs can't be what they are said to be.
    """
    loader, options = sweep.context.config_loader, sweep.options
    hydra: Any = OmegaConf.to_container(sweep.config.hydra, resolve=False)  # it may refer to what only a job has
    typed, subdir = hydra["overrides"]["hydra"], hydra["sweep"]["subdir"]
    params = options.params.items()
    configured = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in params]
    dimensions, local = _dimensions(sweep, [*configured, *arguments])
    groups = group_keys(dimensions, loader.repository)  # type: ignore[attr-defined]
    if "$" not in str(subdir) and any(one.swept for one in dimensions):
        raise Refused(f"hydra.sweep.subdir must differ between jobs, got {subdir}; leave it out: ${{hydra.job.num}}")
    launcher = hydra["runtime"]["choices"]["hydra/launcher"]
    plan = Plan(
        dimensions=dimensions,
        n_trials=grid_size(dimensions) if is_grid(dimensions) else options.n_trials,
        pruner=options.pruner,
        seed=options.seed,
        launcher=[
            *([f"hydra/launcher={launcher}"] if launcher != "wavesweep" else []),
            *(text for text in typed if text.lstrip("+").startswith("hydra.launcher.")),
            *([f"hydra.sweeper.n_workers={options.n_workers}"] if options.n_workers else []),
        ],
        subdir=subdir,
        fingerprint={},
        groups=sorted(groups),
        configs={},
    )
    if plan.n_trials > MOST_TRIALS:
        raise Refused(f"a sweep must have at most {MOST_TRIALS} jobs, got {plan.n_trials}; sweep over less at a time")
    check_subdir(plan)
    for text in typed:
        if plan.is_grid and text.startswith(("hydra.sweeper.n_trials", "hydra.sweeper.seed")):
            log.warning("%s has no effect: no dimension is an interval, so all combinations run", text)
    composer = Composer(groups, by_hydra(sweep.config, loader, local))
    return Prepared(plan, composer, _of_workers(dimensions, local))


def _dimensions(sweep: Sweep, arguments: list[str]) -> tuple[list[Dimension], list[str]]:
    """Return the dimensions that arguments give, and the overrides of local nodes."""
    dimensions, local = [], []
    for one in parse_dimensions(arguments, sweep.context.config_loader):
        if one.name.partition(".")[0] not in sweep.task.local:
            dimensions.append(one)
        elif one.swept:
            raise Refused(f"{one.text} can't be swept; give it one value")
        else:
            local.append(f"{one.key}={one.values[0]}")
    return dimensions, local


def _of_workers(dimensions: list[Dimension], local: list[str]) -> list[str]:
    """Return the overrides of the workers' own configuration: of dimensions, the first values."""
    return [*(f"{one.key}={one.typical(0)}" for one in dimensions), *local]


def check(sweep: Sweep, plan: Plan, composer: Composer) -> list[list[str]]:
    """Return the overrides of all jobs of a grid, or of jobs that have every value and both bounds of intervals.

    Raises:
        Refused: If some can't be run, each with its overrides.
    """
    if plan.is_grid:
        jobs = [grid_overrides(plan.dimensions, number) for number in range(plan.n_trials)]
    else:
        most = max(2, *(len(one.values) for one in plan.dimensions))
        jobs = [overrides for number in range(most) for overrides in plan.typical(number)]
    problems: dict[str, list[str]] = {}
    for overrides in _tracked(jobs):
        try:
            sweep.task.check(composer.compose(overrides)[0])
        except Refused as error:
            problems.setdefault(str(error), []).append(" ".join(overrides))
        except (HydraException, OmegaConfBaseException) as error:
            if sweep.task.wants_returns:
                raise
            problems.setdefault(sweep.task.explain(error, overrides), []).append(" ".join(overrides))
    if problems:
        lines = [_where(where, len(jobs)) + text for text, where in problems.items()]
        raise Refused("\n".join(lines[:MOST_PROBLEMS]))
    return jobs


def _tracked(jobs: list[list[str]]) -> Iterable[list[str]]:
    """Iterate over jobs; show how it goes, where there is something to wait for."""
    if len(jobs) < MANY_JOBS:
        return jobs
    log.info("checking %d jobs", len(jobs))
    return track(jobs, "checking")


def _where(jobs: list[str], total: int) -> str:
    """Name the first job that has a problem, unless all have it."""
    if len(jobs) == total:
        return ""
    return f"{jobs[0]} (and {len(jobs) - 1} more): " if len(jobs) > 1 else f"{jobs[0]}: "


def list_jobs(plan: Plan, jobs: list[list[str]]) -> None:
    """Print the jobs that would run."""
    if plan.is_grid:
        lines = [f"{number:>{len(str(len(jobs)))}}  {' '.join(overrides)}" for number, overrides in enumerate(jobs)]
        say("\n".join([*lines, f"{plan.n_trials} jobs; nothing was run"]))
        return
    ranges = [f"  {one.text}" for one in plan.dimensions]
    say("\n".join([f"{plan.n_trials} jobs, each chosen after those before it, from", *ranges, "nothing was run"]))


def refuse_taken(sweep: Sweep) -> None:
    """Refuse a directory that holds a sweep already."""
    if sweep.directory.plan.exists():
        place = sweep.directory.path
        raise Refused(f"{place} holds a sweep already; {sweep.task.resuming(place)} goes on, or choose another")


def write(sweep: Sweep, prepared: Prepared, fingerprint: dict[str, str]) -> None:
    """Write all that the sweep needs from here on."""
    sweep.directory.configs.mkdir(exist_ok=True)
    OmegaConf.save(sweep.config, sweep.directory.path / "multirun.yaml")
    configs = {}
    for number, choice in enumerate(map(prepared.composer.choice, prepared.plan.typical(0))):
        config, choices = prepared.composer.load(choice)
        save(config, sweep.directory.configs / f"{number}.yaml", sweep.task.local)
        configs[" ".join(choice)] = Stored(f"{number}.yaml", choices)
    sweep.directory.write_plan(replace(prepared.plan, configs=configs, fingerprint=fingerprint))


def reopen(sweep: Sweep, arguments: list[str]) -> Prepared:
    """Return a sweep to go on with, whose dimensions need not be typed again; what failed waits again.

    Raises:
        Refused: If other dimensions are typed, code or data are not what it began on, or jobs can't be run here.
    """
    plan, directory = sweep.directory.read_plan(), sweep.directory
    directory.check_plain(trial.directory for trial in directory.read_trials(plan) if trial.directory)
    check_subdir(plan)
    dimensions, local = _dimensions(sweep, arguments)
    begun = {one.key: _sorted(one) for one in plan.dimensions}
    if others := [one.text for one in dimensions if begun.get(one.key) != _sorted(one)]:
        raise Refused(f"{directory.path} did not begin with {' '.join(others)}; leave it out, or start a new sweep")
    composer = from_files(directory, plan, sweep.config, sweep.task.local)
    prepared = Prepared(plan, composer, _of_workers(dimensions, local))
    configs = prepared.configs()
    sweep.task.check(configs[0])
    now = sweep.task.fingerprint(configs)
    changed = [f"{key} was {then}, is {now.get(key)}" for key, then in plan.fingerprint.items() if now.get(key) != then]
    if changed and sweep.options.resume != "force":
        raise Refused(
            f"{directory.path} was begun otherwise: {'; '.join(changed)}; undo that, or start a new sweep "
            f"({sweep.task.resuming(directory.path, force=True)} goes on all the same)"
        )
    for trial in directory.read_trials(plan):
        if trial.state == "failed":
            directory.write_trial(replace(trial, state="waiting", reason="", deaths=0))
    return prepared


def _sorted(dimension: Dimension) -> Dimension:
    """Return a dimension without the order of its values, which `shuffle` changes."""
    return replace(dimension, values=tuple(sorted(dimension.values)))
