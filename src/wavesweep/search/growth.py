"""The parts of a sweep's plan: those that it begins with, and those that it grows by."""

import csv
import io
from dataclasses import replace
from pathlib import Path

from wavesweep.base.errors import Refused
from wavesweep.search.estimates import ranked
from wavesweep.search.plan import MOST_TRIALS, Listed, Part, Plan, Proposed, first_part, seeds_of
from wavesweep.search.space import Dimension, grid_jobs, is_grid, job, plain
from wavesweep.search.trials import GIVEN_UP, Trial, is_seed

Configuration = tuple[str, ...]
"""Overrides, less that of the seed."""


def parse_given(text: str, source: Path, dimensions: list[Dimension]) -> list[Configuration]:
    """Read configurations from CSV that has a column for each key that is swept, such as a leaderboard.

    Args:
        text: The CSV.
        source: Where it comes from, for messages.
        dimensions: Of the sweep.

    Raises:
        Refused: If a column is missing, or a value is none of the dimension's.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise Refused(f"{source} can't be read ({error}); name a CSV file") from None
    wanted = [one for one in dimensions if not is_seed(one.key)]
    if missing := [one.name for one in wanted if one.swept and one.name not in (rows[0] if rows else {})]:
        raise Refused(f"{source} must have a row, and a column for each key that is swept, but has no {missing[0]}")
    given = [
        tuple(f"{one.key}={_given(source, line, one, row[one.name]) if one.swept else one.values[0]}" for one in wanted)
        for line, row in enumerate(rows, 2)
    ]
    return list(dict.fromkeys(given))


def _given(source: Path, line: int, one: Dimension, text: str | None) -> str:
    """Return a value as it is written in overrides."""
    if one.interval is None:
        found = next((value for value in one.values if plain(value) == plain(text or "")), None)
    else:
        number, bounds = plain(text or ""), one.interval
        fits = not isinstance(number, str) and bounds.low <= number <= bounds.high
        fits = fits and (not bounds.integer or float(number).is_integer())
        found = repr(int(number) if bounds.integer else float(number)) if fits else None
    if found is None:
        raise Refused(f"{source}, line {line}: {one.name} must be of {one.text}, got {text}; mend or remove the row")
    return found


def begin(dimensions: list[Dimension], n_trials: int, given: list[Configuration]) -> list[Part]:
    """Return the parts of a new sweep: what is given first, then all other combinations, or proposals.

    Args:
        dimensions: Of the sweep.
        n_trials: The number of configurations, where a dimension is an interval; those that are given count.
        given: Configurations.
    """
    seeds = seeds_of(dimensions)
    if not is_grid(dimensions) and len(given) > n_trials:
        raise Refused(f"hydra.sweeper.n_trials must be at least {len(given)}, as many as are given, got {n_trials}")
    if not given:
        return [first_part(dimensions, n_trials * max(1, len(seeds)))]
    first = Listed([job(dimensions, one, seed) for one in given for seed in seeds or [""]])
    if not is_grid(dimensions):
        return _fused([first, Proposed(n_trials - len(given), seeds)])
    done = {*map(tuple, first.jobs)}
    return _fused([first, Listed([one for one in grid_jobs(dimensions) if tuple(one) not in done])])


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
    more = [one for one in dimensions if one not in plan.dimensions]
    others = [one for one in more if not is_seed(one.key)]
    if top is None:
        given_up = {trial.configuration for trial in trials if plan.pruner and trial.state in GIVEN_UP}
        known = dict.fromkeys(trial.configuration for trial in trials)
        shared = [one for one in dimensions if not is_seed(one.key)]
        every = map(tuple, grid_jobs(shared)) if is_grid(dimensions) else known
        added = _missing(dimensions, [one for one in every if one not in given_up], trials, own_seed)
    elif others or not more:
        raise Refused(f"--top {top} gives further seeds to the best: name these alone, such as seed=1,2,3")
    else:
        best = list(dict.fromkeys(group[0].configuration for _, group in ranked(trials)))[:top]
        if not best:
            raise Refused("no configuration has finished on all its seeds yet; resume the sweep without --top first")
        added = _missing(dimensions, best, trials, own_seed)
        dimensions = plan.dimensions
    parts, pending = _cut(plan.parts, [trial.number for trial in trials])
    if not is_grid(dimensions):
        begun = sum(part.count for part in parts if isinstance(part, Proposed)) + _num_given(parts[0])
        if n_trials is not None and n_trials < begun:
            raise Refused(f"hydra.sweeper.n_trials must be at least {begun}, as many as have begun, got {n_trials}")
        pending = pending if n_trials is None else n_trials - begun
        if others and not pending:
            raise Refused(f"{others[0].text}: all proposals have been made; add hydra.sweeper.n_trials={begun + 20}")
    parts = _fused([*parts, Listed(added), Proposed(pending, seeds_of(dimensions))])
    total = sum(part.size for part in parts)
    if total > MOST_TRIALS:
        raise Refused(f"a sweep must have at most {MOST_TRIALS} jobs, got {total}; add less")
    return replace(plan, dimensions=dimensions, parts=parts, n_trials=total)


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


def _num_given(first: Part) -> int:
    """Return how many configurations a sampled sweep was given; what is listed in later parts are further seeds."""
    jobs = first.jobs if isinstance(first, Listed) else []
    return len({tuple(text for text in one if not is_seed(text)) for one in jobs})


def _fused(parts: list[Part]) -> list[Part]:
    """Return parts without empty ones, and with proposals that follow each other as one."""
    fused: list[Part] = []
    for part in parts:
        last = fused[-1] if fused else None
        if isinstance(part, Proposed) and isinstance(last, Proposed) and part.seeds == last.seeds:
            fused[-1] = replace(last, count=last.count + part.count)
        elif part.size:
            fused.append(part)
    return fused
