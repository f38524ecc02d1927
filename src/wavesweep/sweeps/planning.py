"""A sweep that begins: its plan, made from a command line, and what is written before any job runs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from wavesweep.base.counting import counted
from wavesweep.base.errors import Refused, in_short
from wavesweep.base.files import read_small
from wavesweep.base.overrides import key_of, written
from wavesweep.base.terminal import log, say
from wavesweep.search.given import parse_given
from wavesweep.search.growth import begin
from wavesweep.search.plan import Plan, Stored
from wavesweep.search.space import Dimension, parse_dimensions
from wavesweep.search.trials import Configuration, is_seed
from wavesweep.sweeps.composition import Choice, Composer, by_hydra, group_keys
from wavesweep.sweeps.options import Options
from wavesweep.sweeps.store import MOST_BYTES, SweepDirectory
from wavesweep.sweeps.stored_configs import check_subdir, save
from wavesweep.sweeps.task import SweepTask


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

    @property
    def typed(self) -> list[str]:
        """The overrides of Hydra's own keys that were typed, as they stand: they may refer to what only a job has."""
        return OmegaConf.to_container(self.config.hydra.overrides.hydra, resolve=False)  # type: ignore[return-value]


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
    options = sweep.options
    loader: Any = sweep.context.config_loader
    params = [f"{key}={value if isinstance(value, str) else written(value)}" for key, value in options.params.items()]
    dimensions, local = split(sweep, [*params, *arguments])
    for one in dimensions:
        if one.interval and is_seed(one.key):
            raise Refused(f"{one.text}: each configuration runs on all seeds, so list them, such as seed=0,1,2")
    given = _read_given(Path(options.enqueue), dimensions) if options.enqueue else []
    groups = group_keys(dimensions, loader.repository)
    plan = Plan(
        dimensions=dimensions,
        parts=begin(dimensions, options.n_trials, given),
        pruner=options.pruner,
        sampler=options.sampler,
        seed=options.seed,
        target=options.target,
        launcher=_launching(sweep),
        subdir=_subdir(sweep.config, dimensions),
        fingerprint={},
        config_name=sweep.config.hydra.job.config_name,
        groups=sorted(groups),
        configs={},
    )
    warn_of_ignored(plan, sweep.typed)
    return Prepared(plan, Composer(groups, by_hydra(sweep.config, loader, local)), of_workers(dimensions, local))


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


def _read_given(path: Path, dimensions: list[Dimension]) -> list[Configuration]:
    """Read the configurations that come first from a CSV file."""
    try:
        text = read_small(path, MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or in_short(error)
        raise Refused(f"hydra.sweeper.enqueue={path} can't be read ({reason}); name a CSV file") from None
    return parse_given(text, path, dimensions)


def _launching(sweep: Sweep) -> list[str]:
    """Return the overrides that chose the launcher, and how many workers it starts."""
    launcher = sweep.config.hydra.runtime.choices["hydra/launcher"]
    overrides = [f"hydra/launcher={launcher}"] if launcher != "wavesweep" else []
    overrides += [text for text in sweep.typed if key_of(text).startswith("hydra.launcher.")]
    if sweep.options.n_workers:
        overrides.append(f"hydra.sweeper.n_workers={sweep.options.n_workers}")
    return overrides


def _subdir(config: DictConfig, dimensions: list[Dimension]) -> str:
    """Return the directory of a job, as configured."""
    node: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)  # it refers to what only a job has
    subdir = str(node["subdir"])
    if "$" not in subdir and any(one.swept for one in dimensions):
        raise Refused(f"hydra.sweep.subdir must differ between jobs, got {subdir}; leave it out: ${{hydra.job.num}}")
    check_subdir(subdir)
    return subdir


def warn_of_ignored(plan: Plan, typed: list[str]) -> None:
    """Warn of what was typed for a sampler, where all combinations run."""
    ignored = ["n_trials", "sampler"] if plan.pruner else ["n_trials", "sampler", "seed"]
    keys = {f"hydra.sweeper.{name}" for name in ignored}
    for text in typed:
        if plan.is_grid and key_of(text) in keys:
            log.warning("%s has no effect: no dimension is an interval, so all combinations run", text)


def of_workers(dimensions: list[Dimension], local: list[str]) -> list[str]:
    """Return the overrides of the workers' own configuration: of dimensions, the first values."""
    return [*(f"{one.key}={one.typical(0)}" for one in dimensions), *local]


def new_choices(plan: Plan, composer: Composer) -> list[Choice]:
    """Return the choices of groups of a sweep's jobs that have no file yet."""
    return [choice for choice in map(composer.choice, plan.typical(0)) if " ".join(choice) not in plan.configs]


def list_jobs(plan: Plan, before: Plan | None = None) -> None:
    """Print the jobs that would run; where a sweep grows, those that are added."""
    count = plan.n_trials - (before.n_trials if before else 0)
    new = [trial for number, trial in plan.waiting.items() if before is None or number not in before.waiting]
    width = len(str(plan.n_trials))
    lines = [f"{trial.number:>{width}}  {' '.join(trial.overrides)}" for trial in new]
    if count > len(new):
        lines.append(f"{count - len(new)} jobs, each configuration chosen after those before it, from")
        lines += [f"  {one.text}" for one in plan.dimensions]
    kind = "job"
    if before:
        kind = "more job" if count >= 0 else "fewer job"
    lines.append(f"{counted(abs(count), kind)}; nothing was run")
    say("\n".join(lines))


def refuse_taken(sweep: Sweep) -> None:
    """Refuse a directory that holds a sweep already."""
    if sweep.directory.plan.exists():
        place = sweep.directory.path
        raise Refused(f"{place} holds a sweep already; {sweep.task.resume_command(place)} goes on, or choose another")


def write(sweep: Sweep, prepared: Prepared, fingerprint: dict[str, str]) -> None:
    """Write all that the sweep needs from here on; what has grown, beside what it has."""
    plan = prepared.plan
    directory = sweep.directory
    directory.configs.mkdir(exist_ok=True)
    configs = dict(plan.configs)
    if not configs:
        OmegaConf.save(sweep.config, directory.path / "multirun.yaml")
    for choice in new_choices(plan, prepared.composer):
        config, choices = prepared.composer.load(choice)
        name = f"{len(configs)}.yaml"
        save(config, directory.configs / name, sweep.task.local)
        configs[" ".join(choice)] = Stored(name, choices)
    directory.write_plan(replace(plan, configs=configs, fingerprint=fingerprint))
