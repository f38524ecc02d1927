"""What a sweep is to do: planned from a command line, or read and grown; checked and written before any job runs."""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused, in_short, shown
from hydra_queue_sweeper.base.files import read_small
from hydra_queue_sweeper.base.overrides import key_of, written
from hydra_queue_sweeper.base.terminal import log, say, track
from hydra_queue_sweeper.search.growth import begin, choose_given, grow
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.seeds import is_seed
from hydra_queue_sweeper.search.space import Dimension
from hydra_queue_sweeper.search.trials import Configuration, Trial
from hydra_queue_sweeper.sweeps import composition
from hydra_queue_sweeper.sweeps.custom_search_space import load_search_space
from hydra_queue_sweeper.sweeps.dimensions import group_keys, parse_dimensions
from hydra_queue_sweeper.sweeps.options import Options
from hydra_queue_sweeper.sweeps.store import MOST_BYTES, SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask

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

    @property
    def typed(self) -> dict[str, str]:
        """The overrides of Hydra's own keys that were typed, by these; they may refer to what only a job has."""
        texts: Any = OmegaConf.to_container(self.config.hydra.overrides.hydra, resolve=False)
        return {key_of(text): text for text in texts}


@dataclass(frozen=True)
class Prepared:
    """A sweep that can be run.

    Attributes:
        plan: What is to be done.
        composer: Composes jobs.
    """

    plan: Plan
    composer: composition.Composer

    def configs(self) -> list[DictConfig]:
        """Return the configuration of a job with each choice of groups."""
        typical = self.plan.typical(0, self.composer.groups)
        return [composition.without_hydra(self.composer.compose(overrides)) for overrides in typical]

    def digests(self, task: SweepTask) -> dict[str, dict[str, str]]:
        """Return for each choice of groups what a plan keeps of it."""
        choices = map(self.composer.choice, self.plan.typical(0, self.composer.groups))
        return {" ".join(choice): composition.digests(self.composer.chosen(choice), task.local) for choice in choices}


def prepare(sweep: Sweep, arguments: list[str]) -> Prepared:
    """Return what is to be done in a new sweep, and what composes it; nothing is written yet.

    Raises:
        Refused: If dimensions or directories of jobs can't be what they are said to be.
    """
    options = sweep.options
    loader: Any = sweep.context.config_loader
    given_params = (options.params or {}).items()
    params = [f"{key}={value if isinstance(value, str) else written(value)}" for key, value in given_params]
    dimensions, local = _split(sweep, [*params, *arguments])
    for one in dimensions:
        if one.interval and is_seed(one.key):
            raise Refused(f"{one.text}: each configuration runs on all seeds, so list them, such as seed=0,1,2")
    given = _read_given(Path(options.enqueue), dimensions) if options.enqueue else []
    if given and options.custom_search_space:
        raise Refused("hydra.sweeper.enqueue gives no values of a custom_search_space; leave one of them out")
    sampler, settings, seed = options.sampling()
    sign = -1 if options.direction == "maximize" else 1
    plan = Plan(
        dimensions=dimensions,
        parts=begin(dimensions, options.n_trials, given, has_further=bool(options.custom_search_space)),
        pruner=options.pruner,
        sampler=sampler,
        settings=settings,
        seed=seed,
        direction=options.direction,
        objective=options.objective,
        target=None if options.target is None else sign * options.target,
        max_failure_rate=options.max_failure_rate,
        custom_search_space=options.custom_search_space,
        launcher=_launching(sweep),
        subdir=_subdir(sweep.config, dimensions),
        fingerprint={},
        digests={},
    )
    sweep.task.check_plan(plan)
    _warn_of_ignored(plan, sweep.typed)
    groups = group_keys(dimensions, loader.repository)
    return Prepared(plan, composition.Composer(sweep.config, loader, groups, local))


def reopen(sweep: Sweep, plan: Plan, arguments: list[str]) -> Prepared:
    """Return a sweep to go on with, grown by what is typed; what it has need not be typed again. Nothing is written.

    Args:
        sweep: Which.
        plan: Its own.
        arguments: The overrides of the command line, less Hydra's own.

    Raises:
        Refused: If it can't grow by what is typed, code or data are not what it began on, or it can't be run here.
    """
    directory = sweep.directory
    typed = sweep.typed
    loader: Any = sweep.context.config_loader
    sweep.task.check_plan(plan)
    trials = directory.read_trials(plan)
    directory.check_plain()
    for trial in trials:
        if trial.directory:
            sweep.task.check_directory(directory.path / trial.directory)
    composition.check_subdir(plan.subdir)
    sampler, _, seed = sweep.options.sampling()
    wanted = {"pruner": sweep.options.pruner, "sampler": sampler, "seed": seed}
    wanted |= {"direction": sweep.options.direction, "objective": sweep.options.objective}
    for key, now in wanted.items():
        before = getattr(plan, key)
        if typed.keys() & {f"hydra.sweeper.{key}", f"hydra/sweeper/{key}"} and before != now:
            raise Refused(f"hydra.sweeper.{key} must stay {shown(before)}, got {shown(now)}; leave it out")
    if plan.custom_search_space != sweep.options.custom_search_space:
        before, now = shown(plan.custom_search_space), shown(sweep.options.custom_search_space)
        raise Refused(f"hydra.sweeper.custom_search_space must stay {before}, got {now}")
    dimensions, local = _split(sweep, arguments)
    groups = group_keys([*plan.dimensions, *dimensions], loader.repository)
    stored = Prepared(plan, composition.Composer(sweep.config, loader, groups, local))
    stored = replace(stored, plan=replace(plan, digests=_digests_now(sweep, stored)))
    configs = stored.configs()
    sweep.task.check(configs[0])
    seed = OmegaConf.select(configs[0], "seed")
    own_seed = "" if seed is None else str(seed)
    n_trials = sweep.options.n_trials if "hydra.sweeper.n_trials" in typed else None
    grown = grow(stored.plan, trials, dimensions, own_seed, n_trials=n_trials, top=sweep.options.top)
    if "hydra.sweeper.target" in typed:
        target = sweep.options.target
        grown = replace(grown, target=None if target is None else plan.as_returned(target))
    if "hydra.sweeper.max_failure_rate" in typed:
        grown = replace(grown, max_failure_rate=sweep.options.max_failure_rate)
    if grown.parts != plan.parts and grown.reached(trials):
        better = "higher" if plan.direction == "maximize" else "lower"
        text = f"hydra.sweeper.target={plan.as_returned(grown.target or 0.0)} is reached"
        raise Refused(f"{text}; add a {better} one, or hydra.sweeper.target=null")
    _refuse_changed(sweep, plan, sweep.task.fingerprint(configs))
    _warn_of_ignored(plan, typed)
    return replace(stored, plan=grown)


def _split(sweep: Sweep, arguments: list[str]) -> tuple[list[Dimension], list[str]]:
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
        table = csv.DictReader(io.StringIO(text))
        names = list(table.fieldnames or [])
        if twice := [name for name in names if name and names.count(name) > 1]:
            raise Refused(f"{path}, line 1: a column must be there once, got {shown(twice[0])} twice; leave one out")
        rows = list(table)
    except Refused:
        raise
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or in_short(error)
        raise Refused(f"hydra.sweeper.enqueue={path} can't be read ({reason}); name a CSV file") from None
    return choose_given(rows, path, dimensions)


def _launching(sweep: Sweep) -> list[str]:
    """Return the overrides that chose the launcher, and how many workers it starts."""
    launcher = sweep.config.hydra.runtime.choices["hydra/launcher"]
    overrides = [f"hydra/launcher={launcher}"] if launcher != "processes" else []
    overrides += [text for key, text in sweep.typed.items() if key.startswith("hydra.launcher.")]
    overrides += [text for key, text in sweep.typed.items() if key in ("hydra.sweeper.claims", "hydra.sweeper.detach")]
    if sweep.options.n_workers:
        overrides.append(f"hydra.sweeper.n_workers={sweep.options.n_workers}")
    return overrides


def _subdir(config: DictConfig, dimensions: list[Dimension]) -> str:
    """Return the directory of a job, as configured."""
    subdir = composition.raw_subdir(config)
    if "$" not in subdir and any(one.swept for one in dimensions):
        raise Refused(f"hydra.sweep.subdir must differ between jobs, got {subdir}; leave it out: ${{hydra.job.num}}")
    composition.check_subdir(subdir)
    return subdir


def _digests_now(sweep: Sweep, stored: Prepared) -> dict[str, dict[str, str]]:
    """Return what each choice of groups composes to now.

    Raises:
        Refused: If options have been edited since the sweep began, unless that is forced.
    """
    try:
        now = stored.digests(sweep.task)
    except composition.OBJECTIONS as error:
        [overrides, *_] = stored.plan.typical(0, stored.composer.groups)
        why = sweep.task.explain(error, overrides)
        raise Refused(f"{sweep.directory.path} was begun with options that are gone: {why}") from None
    changed = composition.changed_keys(stored.plan.digests, now)
    if changed and sweep.options.resume != "force":
        raise Refused(_begun_otherwise(sweep, f"{counted(len(changed), 'option')} changed, as {changed[0]}"))
    return now


def _refuse_changed(sweep: Sweep, plan: Plan, now: dict[str, str]) -> None:
    """Refuse to go on with a sweep on other code or data than it began on, unless that is forced."""
    changed = [f"{key} was {then}, is {now.get(key)}" for key, then in plan.fingerprint.items() if now.get(key) != then]
    if changed and sweep.options.resume != "force":
        raise Refused(_begun_otherwise(sweep, "; ".join(changed)))


def _begun_otherwise(sweep: Sweep, what: str) -> str:
    again = sweep.task.resume_command(sweep.directory.path, force=True)
    return (
        f"{sweep.directory.path} was begun otherwise: {what}; undo that, or start a new sweep "
        f"({again} goes on all the same)"
    )


def _warn_of_ignored(plan: Plan, typed: dict[str, str]) -> None:
    """Warn of what was typed for a sampler, where all combinations run."""
    ignored = ["n_trials", "sampler"] if plan.pruner else ["n_trials", "sampler", "seed"]
    for name in ignored:
        if plan.is_grid and (text := typed.get(f"hydra.sweeper.{name}")):
            log.warning("%s has no effect: all combinations run", text)


def check(sweep: Sweep, prepared: Prepared) -> None:
    """Make sure that all jobs that are known can be run, and of others each value and both bounds of intervals.

    Raises:
        Refused: If some can't, each with its overrides.
    """
    plan = prepared.plan
    jobs = [trial.overrides for trial in plan.waiting.values()]
    if not plan.is_grid:
        most = max([2, *(len(one.values) for one in plan.dimensions)])
        jobs += [overrides for number in range(most) for overrides in plan.typical(number, prepared.composer.groups)]
    if plan.custom_search_space:
        jobs.append(_first_proposal(sweep, plan).overrides)
    if len(jobs) >= MANY_JOBS:
        log.info("checking %d jobs", len(jobs))
    problems: dict[str, list[str]] = {}
    for overrides in track(jobs, "checking"):
        try:
            sweep.task.check(composition.without_hydra(prepared.composer.compose(overrides)))
        except Refused as error:
            problems.setdefault(str(error), []).append(" ".join(overrides))
        except composition.OBJECTIONS as error:
            problems.setdefault(sweep.task.explain(error, overrides), []).append(" ".join(overrides))
    if problems:
        lines = [_where(problem, found, len(jobs)) + problem for problem, found in problems.items()]
        if len(lines) > MOST_PROBLEMS:
            lines[MOST_PROBLEMS:] = [f"… {len(lines) - MOST_PROBLEMS} more"]
        raise Refused("\n".join(lines))


def _first_proposal(sweep: Sweep, plan: Plan) -> Trial:
    """Return what a sweep begins with, further dimensions included."""
    from hydra_queue_sweeper.search.proposals import propose

    return propose(plan, 0, [], lambda _: {}, load_search_space(plan.custom_search_space, sweep.config))


def _where(problem: str, jobs: list[str], total: int) -> str:
    """Name the first job that has a problem, unless all have it, or it says so itself."""
    if len(jobs) == total or problem.startswith(jobs[0]):
        return ""
    return f"{jobs[0]} (and {len(jobs) - 1} more): " if len(jobs) > 1 else f"{jobs[0]}: "


def list_jobs(plan: Plan) -> None:
    """Print the jobs that a new sweep would run."""
    say("\n".join([*_lines(plan, []), f"{counted(plan.n_trials, 'job')}; nothing was run"]))


def list_jobs_left(plan: Plan, before: Plan, trials: list[Trial]) -> None:
    """Print the jobs that a sweep would run as it goes on: those that wait, what has failed, and what it has grown by.

    Args:
        plan: Of the sweep.
        before: Its plan so far.
        trials: All that are known.
    """
    lines = _lines(plan, trials)
    ended = sum(_has_ended(trial) for trial in trials)
    told = f"{counted(plan.n_trials - ended, 'job')} left"
    if more := plan.n_trials - before.n_trials:
        told += f", {abs(more)} {'more' if more > 0 else 'fewer'} than before"
    say("\n".join([*lines, f"{told}; nothing was run"]))


def _has_ended(trial: Trial) -> bool:
    return trial.ended and trial.state != "failed"  # which runs again


def _lines(plan: Plan, trials: list[Trial]) -> list[str]:
    """Return a line for each job that would run."""
    ended = {trial.number for trial in trials if _has_ended(trial)}
    known = {**plan.waiting, **{trial.number: trial for trial in trials}}
    width = len(str(plan.n_trials))
    left = [known[number] for number in sorted(known) if number not in ended]
    lines = [f"{trial.number:>{width}}  {' '.join(trial.overrides)}" for trial in left]
    if unknown := plan.n_trials - len(known):
        dimensions = " ".join(one.text for one in plan.dimensions)
        lines.append(f"{unknown} jobs, each configuration chosen after those before it, from {dimensions}")
    return lines


def refuse_taken(sweep: Sweep) -> None:
    """Refuse a directory that holds a sweep already."""
    if sweep.directory.plan.exists():
        place = sweep.directory.path
        again = sweep.task.resume_command(place)
        raise Refused(f"{place} holds a sweep already; {again} goes on with it, or choose another hydra.sweep.dir")


def write(sweep: Sweep, prepared: Prepared, fingerprint: dict[str, str]) -> None:
    """Write all that the sweep needs from here on."""
    directory = sweep.directory
    if not directory.plan.exists():
        OmegaConf.save(sweep.config, directory.path / "multirun.yaml")
    digests = prepared.plan.digests | prepared.digests(sweep.task)
    directory.write_plan(replace(prepared.plan, digests=digests, fingerprint=fingerprint))
