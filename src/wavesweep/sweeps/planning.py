"""The plan of a sweep: made from a command line and checked, or read from a sweep that was begun."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from wavesweep.base.errors import Refused, in_short
from wavesweep.base.files import read_small
from wavesweep.base.overrides import written
from wavesweep.base.terminal import log, say, track
from wavesweep.search.given import parse_given
from wavesweep.search.growth import begin
from wavesweep.search.plan import Plan, Stored
from wavesweep.search.space import Dimension, parse_dimensions
from wavesweep.search.trials import Configuration, is_seed
from wavesweep.sweeps.composition import OBJECTIONS, Composer, by_hydra, check_subdir, group_keys, save
from wavesweep.sweeps.options import Options
from wavesweep.sweeps.store import MOST_BYTES, SweepDirectory
from wavesweep.sweeps.task import SweepTask

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
        new: The choices of groups that have not been composed yet; from files comes what has.
    """

    plan: Plan
    composer: Composer
    worker: list[str]
    new: list[tuple[str, ...]]

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
    configured = [f"{key}={value if isinstance(value, str) else written(value)}" for key, value in params]
    dimensions, local = split(sweep, [*configured, *arguments])
    groups = group_keys(dimensions, loader.repository)  # type: ignore[attr-defined]
    if "$" not in str(subdir) and any(one.swept for one in dimensions):
        raise Refused(f"hydra.sweep.subdir must differ between jobs, got {subdir}; leave it out: ${{hydra.job.num}}")
    launcher = hydra["runtime"]["choices"]["hydra/launcher"]
    if intervals := [one.text for one in dimensions if one.interval and is_seed(one.key)]:
        raise Refused(f"{intervals[0]}: each configuration runs on all seeds, so list them, such as seed=0,1,2")
    given = _given(Path(options.enqueue), dimensions) if options.enqueue else []
    plan = Plan(
        dimensions=dimensions,
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
        sampler=options.sampler,
        target=options.target,
        config_name=hydra["job"]["config_name"],
        parts=begin(dimensions, options.n_trials, given),
    )
    check_subdir(plan)
    warn_of_ignored(plan, typed)
    composer = Composer(groups, by_hydra(sweep.config, loader, local))
    return Prepared(plan, composer, of_workers(dimensions, local), choices(plan, composer))


def warn_of_ignored(plan: Plan, typed: list[str]) -> None:
    """Warn of what was typed for a sampler, where all combinations run."""
    without_effect = ("n_trials", "sampler", *(["seed"] if not plan.pruner else []))
    for text in typed:
        if plan.is_grid and text.startswith(tuple(f"hydra.sweeper.{key}=" for key in without_effect)):
            log.warning("%s has no effect: no dimension is an interval, so all combinations run", text)


def _given(path: Path, dimensions: list[Dimension]) -> list[Configuration]:
    """Read the configurations that come first from a CSV file."""
    try:
        text = read_small(path, MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or in_short(error)
        raise Refused(f"hydra.sweeper.enqueue={path} can't be read ({reason}); name a CSV file") from None
    return parse_given(text, path, dimensions)


def choices(plan: Plan, composer: Composer) -> list[tuple[str, ...]]:
    """Return the choices of groups of a sweep's jobs that have no file yet."""
    return [choice for choice in map(composer.choice, plan.typical(0)) if " ".join(choice) not in plan.configs]


def split(sweep: Sweep, arguments: list[str]) -> tuple[list[Dimension], list[str]]:
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


def of_workers(dimensions: list[Dimension], local: list[str]) -> list[str]:
    """Return the overrides of the workers' own configuration: of dimensions, the first values."""
    return [*(f"{one.key}={one.typical(0)}" for one in dimensions), *local]


def to_check(plan: Plan) -> list[list[str]]:
    """Return the overrides of all jobs that are known, and of jobs with every value and both bounds of intervals."""
    jobs = [trial.overrides for trial in plan.waiting.values()]
    if plan.is_grid:
        return jobs
    most = max(2, *(len(one.values) for one in plan.dimensions))
    return jobs + [overrides for number in range(most) for overrides in plan.typical(number)]


def check(sweep: Sweep, composer: Composer, jobs: list[list[str]]) -> None:
    """Make sure that jobs can be run, given their overrides.

    Raises:
        Refused: If some can't, each with its overrides.
    """
    problems: dict[str, list[str]] = {}
    for overrides in _tracked(jobs):
        try:
            sweep.task.check(composer.compose(overrides)[0])
        except Refused as error:
            problems.setdefault(str(error), []).append(" ".join(overrides))
        except OBJECTIONS as error:
            problems.setdefault(sweep.task.explain(error, overrides), []).append(" ".join(overrides))
    if problems:
        lines = [_where(text, where, len(jobs)) + text for text, where in problems.items()]
        raise Refused("\n".join(lines[:MOST_PROBLEMS]))


def _tracked(jobs: list[list[str]]) -> Iterable[list[str]]:
    """Iterate over jobs; show how it goes, where there is something to wait for."""
    if len(jobs) < MANY_JOBS:
        return jobs
    log.info("checking %d jobs", len(jobs))
    return track(jobs, "checking")


def _where(problem: str, jobs: list[str], total: int) -> str:
    """Name the first job that has a problem, unless all have it, or it says so itself."""
    if len(jobs) == total or problem.startswith(jobs[0]):
        return ""
    return f"{jobs[0]} (and {len(jobs) - 1} more): " if len(jobs) > 1 else f"{jobs[0]}: "


def list_jobs(plan: Plan, before: Plan | None = None) -> None:
    """Print the jobs that would run; where a sweep grows, those that are added."""
    there = before.waiting if before else {}
    new = [trial for number, trial in plan.waiting.items() if number not in there]
    lines = [f"{trial.number:>{len(str(plan.n_trials))}}  {' '.join(trial.overrides)}" for trial in new]
    count = plan.n_trials - (before.n_trials if before else 0)
    if count > len(new):
        lines += [f"{count - len(new)} jobs, each configuration chosen after those before it, from"]
        lines += [f"  {one.text}" for one in plan.dimensions]
    say("\n".join([*lines, f"{count} {'more ' * bool(before)}job{'s' * (count != 1)}; nothing was run"]))


def refuse_taken(sweep: Sweep) -> None:
    """Refuse a directory that holds a sweep already."""
    if sweep.directory.plan.exists():
        place = sweep.directory.path
        raise Refused(f"{place} holds a sweep already; {sweep.task.resume_command(place)} goes on, or choose another")


def write(sweep: Sweep, prepared: Prepared, fingerprint: dict[str, str]) -> None:
    """Write all that the sweep needs from here on; what has grown, beside what it has."""
    sweep.directory.configs.mkdir(exist_ok=True)
    configs = dict(prepared.plan.configs)
    if not configs:
        OmegaConf.save(sweep.config, sweep.directory.path / "multirun.yaml")
    for choice in prepared.new:
        config, choices = prepared.composer.load(choice)
        name = f"{len(configs)}.yaml"
        save(config, sweep.directory.configs / name, sweep.task.local)
        configs[" ".join(choice)] = Stored(name, choices)
    sweep.directory.write_plan(replace(prepared.plan, configs=configs, fingerprint=fingerprint))
