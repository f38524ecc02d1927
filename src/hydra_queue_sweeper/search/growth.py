"""The parts of a sweep's plan: those that it begins with, given configurations first, and those that it grows by."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.plan import Grid, Listed, Part, Plan, Proposed, check_number_of_jobs, seeds_of
from hydra_queue_sweeper.search.seeds import is_seed
from hydra_queue_sweeper.search.space import Dimension, but_seed, grid_jobs, grid_size, is_grid, job, plain
from hydra_queue_sweeper.search.trials import GIVEN_UP, Configuration, Trial

N_TRIALS = 20  # where not all combinations can be listed


def choose_given(rows: list[dict[str, str]], source: Path, dimensions: list[Dimension]) -> list[Configuration]:
    """Return the configurations that a table tells, such as a leaderboard: a column for each key that is swept.

    Args:
        rows: Cells by the names of their columns.
        source: Where they come from, for messages.
        dimensions: Of the sweep.

    Raises:
        Refused: If a value is missing, or none of the dimension's.
    """
    given: list[Configuration] = []
    for line, row in enumerate(rows, start=2):
        values: list[str] = []
        for one in but_seed(dimensions):
            cell = row.get(one.name) or ""
            value = one.find(cell) if one.swept else one.values[0]
            if value is None:
                must = f"{one.name} must be of {one.text}"
                raise Refused(f"{source}, line {line}: {must}, got {cell or 'nothing'}; mend or remove the row")
            values.append(f"{one.key}={value}")
        given.append(tuple(values))
    return list(dict.fromkeys(given))


def begin(
    dimensions: list[Dimension], n_trials: int | None, given: list[Configuration], *, has_further: bool = False
) -> list[Part]:
    """Return the parts of a new sweep: what is given first, then all other combinations, or proposals.

    Args:
        dimensions: Of the sweep.
        n_trials: The number of configurations, those that are given included; None: all combinations, or `N_TRIALS`
            where a dimension is an interval.
        given: Configurations.
        has_further: Whether configurations get further dimensions as they are proposed.
    """
    seeds = seeds_of(dimensions)
    first = [job(dimensions, one, seed) for one in given for seed in seeds or [""]]
    is_sampled = has_further or not is_grid(dimensions)
    if is_sampled and n_trials is None:
        n_trials = N_TRIALS
    elif n_trials is not None and not is_sampled:
        is_sampled = n_trials < grid_size(but_seed(dimensions))
    if is_sampled:
        assert n_trials is not None
        if len(given) > n_trials:
            raise Refused(f"hydra.sweeper.n_trials must be at least {len(given)}, as many as are given, got {n_trials}")
        return _fused([Listed(first), Proposed(n_trials - len(given), seeds)])
    grid = Grid(dimensions)
    if not given:
        return [grid]
    check_number_of_jobs(grid.size)
    there = {tuple(one) for one in first}
    return _fused([Listed(first), Listed([one for one in grid.jobs if tuple(one) not in there])])


def grow(
    plan: Plan, trials: list[Trial], typed: list[Dimension], own_seed: str, *, n_trials: int | None, top: int | None
) -> Plan:
    """Return the plan of a sweep with what is added to it; the jobs that it has keep their numbers.

    Args:
        plan: So far.
        trials: All that are known.
        typed: Dimensions with further values; what the sweep has already may be typed again.
        own_seed: That of jobs that override none; empty where a configuration has no seed.
        n_trials: The number of configurations in all, where a dimension is an interval; None: as before.
        top: Further seeds are for so many of the best configurations alone; None: for all.

    Raises:
        Refused: If something else than values of lists, seeds or proposals is to be added.
    """
    dimensions = _merged(plan, typed, own_seed)
    changed = [one for one in dimensions if one not in plan.dimensions]
    more = but_seed(changed)
    if top is None:
        added = _missing(dimensions, _wanted(plan, dimensions, trials), trials, own_seed)
    elif changed and not more:
        added = _missing(dimensions, _best(plan, trials, top), trials, own_seed)
        dimensions = plan.dimensions
    else:
        raise Refused(f"--top {top} gives further seeds to the best: name these alone, such as seed=1,2,3")
    begun, num_pending = _cut(plan.parts, [trial.number for trial in trials])
    if not plan.is_grid:
        num_begun = _num_proposed(begun)
        if n_trials is not None and n_trials < num_begun:
            raise Refused(f"hydra.sweeper.n_trials must be at least {num_begun}, as many as have begun, got {n_trials}")
        if n_trials is not None:
            num_pending = n_trials - num_begun
        if more and not num_pending:
            raise Refused(f"{more[0].text}: all proposals have been made; add hydra.sweeper.n_trials={num_begun + 20}")
    parts = _fused([*begun, Listed(added), Proposed(num_pending, seeds_of(dimensions))])
    return replace(plan, dimensions=dimensions, parts=parts)


def _merged(plan: Plan, typed: list[Dimension], own_seed: str) -> list[Dimension]:
    """Return the dimensions of a sweep with the values that were typed."""
    merged = {one.name: one for one in plan.dimensions}
    for one in typed:
        before = merged.get(one.name)
        if before is None and is_seed(one.key) and own_seed:
            before = Dimension(one.key, (own_seed,))
        if before is None or before.interval != one.interval:
            raise Refused(f"the sweep did not begin with {one.text}; leave it out, or start a new sweep")
        there = {plain(value) for value in before.values}
        if new := tuple(value for value in one.values if plain(value) not in there):
            before = replace(before, values=before.values + new, ordered=False)
        merged[one.name] = before
    return list(merged.values())


def _wanted(plan: Plan, dimensions: list[Dimension], trials: list[Trial]) -> list[Configuration]:
    """Return all configurations that a sweep is to have run on all seeds, less those that it has given up."""
    if plan.is_grid:
        every = [tuple(one) for one in grid_jobs(but_seed(dimensions))]
    else:
        every = list(dict.fromkeys(trial.configuration for trial in trials))
    given_up = {trial.configuration for trial in trials if plan.pruner and trial.state in GIVEN_UP}
    return [one for one in every if one not in given_up]


def _best(plan: Plan, trials: list[Trial], top: int) -> list[Configuration]:
    """Return so many of the best configurations."""
    groups = [group for _, group in plan.ranked(trials)]
    best = dict.fromkeys(group[0].configuration for group in groups)  # what was proposed twice counts once
    if not best:
        raise Refused("no configuration has finished on all its seeds yet; resume the sweep without --top first")
    return list(best)[:top]


def _missing(
    dimensions: list[Dimension], configurations: list[Configuration], trials: list[Trial], own_seed: str
) -> list[list[str]]:
    """Return the jobs of configurations with all seeds, less those that the sweep has."""
    there = {(trial.configuration, trial.seed or own_seed) for trial in trials}
    seeds = seeds_of(dimensions) or [own_seed]
    return [job(dimensions, one, seed) for one in configurations for seed in seeds if (one, seed) not in there]


def _cut(parts: list[Part], known: list[int]) -> tuple[list[Part], int]:
    """Return parts with those proposals alone that have been made, given their jobs, and how many have not."""
    *before, last = parts
    if not isinstance(last, Proposed):
        return parts, 0
    start = sum(part.size for part in before)
    made = 1 + max(((number - start) // last.num_seeds for number in known if number >= start), default=-1)
    return [*before, replace(last, count=made)], last.count - made


def _num_proposed(parts: list[Part]) -> int:
    """Return how many configurations a sampled sweep was given, or has proposed.

    Those that are given are listed in the first part; what is listed in later ones are further seeds.
    """
    given = parts[0].jobs if isinstance(parts[0], Listed) else []
    configurations = {tuple(text for text in one if not is_seed(text)) for one in given}
    return len(configurations) + sum(part.count for part in parts if isinstance(part, Proposed))


def _fused(parts: Iterable[Part]) -> list[Part]:
    """Return parts without empty ones, and with proposals that follow each other as one."""
    fused: list[Part] = []
    for part in parts:
        last = fused[-1] if fused else None
        if isinstance(part, Proposed) and isinstance(last, Proposed) and part.seeds == last.seeds:
            fused[-1] = replace(last, count=last.count + part.count)
        elif part.size:
            fused.append(part)
    return fused
