"""The plan of a sweep: its jobs, and what is known of them before any runs.

Jobs stand in parts, each added at one time: a grid, jobs that are listed one by one, or proposals of a sampler. A sweep
that grows gets further parts; numbers of jobs that are there stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product, repeat, zip_longest
from random import Random
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from wavesweep.search.estimates import ranked
from wavesweep.search.space import Dimension, grid_jobs, grid_size, is_grid, job
from wavesweep.search.trials import Trial, is_seed, replicates

MOST_TRIALS = 100_000


@dataclass(frozen=True)
class Grid:
    """All combinations of dimensions that are lists."""

    dimensions: list[Dimension]
    kind: Literal["grid"] = "grid"

    def __post_init__(self) -> None:
        """Make sure that its jobs can be listed."""
        if not is_grid(self.dimensions):
            raise ValueError("a grid must have no interval")

    @property
    def size(self) -> int:
        """The number of jobs."""
        return grid_size(self.dimensions)

    @property
    def jobs(self) -> Iterable[list[str]]:
        """The overrides of each job."""
        return grid_jobs(self.dimensions)


@dataclass(frozen=True)
class Listed:
    """Jobs by their overrides: configurations that were given, or what a sweep was grown by."""

    jobs: list[list[str]]
    kind: Literal["listed"] = "listed"

    @property
    def size(self) -> int:
        """The number of jobs."""
        return len(self.jobs)


@dataclass(frozen=True)
class Proposed:
    """Configurations that a sampler proposes one after the other, each with all its seeds."""

    count: Annotated[int, Field(ge=0, le=MOST_TRIALS)]
    seeds: list[str]
    kind: Literal["proposed"] = "proposed"

    @property
    def num_seeds(self) -> int:
        """The number of jobs of a proposal."""
        return max(1, len(self.seeds))

    @property
    def size(self) -> int:
        """The number of jobs."""
        return self.count * self.num_seeds

    @property
    def jobs(self) -> Iterable[None]:
        """None for each job: its overrides are not known before it is proposed."""
        return repeat(None, self.size)


Part = Annotated[Grid | Listed | Proposed, Field(discriminator="kind")]


@dataclass(frozen=True)
class Stored:
    """What a choice of groups composes to.

    Attributes:
        file: The composed configuration, in the sweep's `configs`.
        choices: The option chosen in each group, as Hydra takes it: no `${…}`, which it would evaluate.
    """

    file: str
    choices: dict[str, Annotated[str, Field(pattern="^[^$]*$")] | None]


@dataclass(frozen=True)
class Plan:
    """The plan of a sweep; written when it begins, and when it grows.

    Attributes:
        dimensions: In the order of the command line, those that aren't swept included; grown with the sweep.
        n_trials: How many jobs in all.
        pruner: What ends poor configurations early, if anything.
        seed: Of the sampler, and of the order in which a pruned sweep goes through a grid.
        launcher: The overrides that chose the launcher, and how many workers it starts.
        subdir: The directory of a job within the sweep's, as configured.
        fingerprint: Code and data that it began on.
        groups: The keys that choose options of groups.
        configs: For each choice of groups, as overrides in one line, the options chosen and the composed file.
        sampler: What proposes, where a dimension is an interval.
        target: The objective at which the sweep has found enough.
        config_name: The configuration that the command line changed.
        parts: Of the jobs; older versions had one, which the dimensions tell.
        format: Of these files.
    """

    dimensions: list[Dimension]
    n_trials: Annotated[int, Field(ge=0, le=MOST_TRIALS)]
    pruner: str | None
    seed: int
    launcher: list[str]
    subdir: str
    fingerprint: dict[str, str]
    groups: list[str]
    configs: dict[str, Stored]
    sampler: str = "tpe"
    target: float | None = None
    config_name: str | None = "config"
    parts: list[Part] = field(default_factory=list)
    format: Literal[1] = 1

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    def __post_init__(self) -> None:
        """Make sure that its jobs can be listed."""
        if empty := [one.key for one in self.dimensions if one.interval is None and not one.values]:
            raise ValueError(f"{empty[0]} must have at least one value, got none")
        older = not self.parts
        if older:
            object.__setattr__(self, "parts", [first_part(self.dimensions, self.n_trials)])
        total = sum(part.size for part in self.parts)
        if self.n_trials != total and (self.is_grid or not older):
            raise ValueError(f"n_trials must be {total}, as many as jobs, got {self.n_trials}")
        object.__setattr__(self, "n_trials", total)
        known = {one.key: one for one in self.dimensions}
        listed = [one for part in self.parts if isinstance(part, Listed) for one in part.jobs]
        texts = dict.fromkeys(text for part in self.parts for one in part.jobs for text in one or ())
        wrong = [text for text in texts if not _is_of(known, text)]
        wrong += [" ".join(one) for one in listed if _keys(one) != _keys([*known])]
        if wrong or (self.is_grid and any(isinstance(part, Proposed) for part in self.parts)):
            raise ValueError(f"{(*wrong, 'a proposal')[0]} is none of its jobs")

    @property
    def is_grid(self) -> bool:
        """Whether all combinations run; else a sampler chooses."""
        return is_grid(self.dimensions)

    @cached_property
    def waiting(self) -> dict[int, Trial]:
        """The trials whose overrides are known beforehand, by their numbers, as if none had begun."""
        every = enumerate(overrides for part in self.parts for overrides in part.jobs)
        return {number: Trial(number, overrides) for number, overrides in every if overrides is not None}

    def proposal(self, number: int) -> tuple[range, str]:
        """Return the numbers of all jobs of a proposal, given one of them, and that one's seed, empty without one."""
        start = 0
        for part in self.parts:
            if number < start + part.size and isinstance(part, Proposed):
                index, replicate = divmod(number - start, part.num_seeds)
                first = start + index * part.num_seeds
                return range(first, first + part.num_seeds), part.seeds[replicate] if part.seeds else ""
            start += part.size
        raise ValueError(f"job {number} is not proposed")

    def trials(self, begun: Mapping[int, Trial]) -> list[Trial]:
        """Return all trials whose overrides are known, given those that have begun: of a proposal, all its seeds."""
        known = {**self.waiting, **begun}
        for number in begun.keys() - self.waiting.keys():
            known |= {one: self.replicate(begun[number], one) for one in self.proposal(number)[0] if one not in known}
        return [known[number] for number in sorted(known)]

    def replicate(self, trial: Trial, number: int) -> Trial:
        """Return another trial of the same proposal, before it begins."""
        return Trial(number, job(self.dimensions, trial.configuration, self.proposal(number)[1]))

    def order(self) -> list[int]:
        """Return the numbers of all jobs in the order in which they begin.

        A pruned sweep goes through a grid in a shuffled order, or it would compare neighbours alone; and one seed after
        the other, so that configurations are compared on the same seeds, and few come to the last.
        """
        order, start = [], 0
        for part in self.parts:
            numbers = range(start, start + part.size)
            if self.pruner and not isinstance(part, Proposed):
                groups = replicates(self.waiting[number] for number in numbers)
                Random(self.seed).shuffle(groups)  # noqa: S311
                order += [trial.number for seeds in zip_longest(*groups) for trial in seeds if trial]
            else:
                order += numbers
            start += part.size
        return order

    def reached(self, trials: Iterable[Trial]) -> bool:
        """Say whether the mean of some configuration's seeds, all finished, has reached the target."""
        return self.target is not None and any(value <= self.target for value, _ in ranked(trials))

    def typical(self, number: int) -> list[list[str]]:
        """Return the overrides of a job with each choice of groups; numbers from 0 upwards give all other values."""
        values = [one.values if one.key in self.groups else (one.typical(number),) for one in self.dimensions]
        keys = [one.key for one in self.dimensions]
        return [[f"{key}={value}" for key, value in zip(keys, chosen, strict=True)] for chosen in product(*values)]


def _keys(overrides: list[str]) -> list[str]:
    return [text.partition("=")[0] for text in overrides if not is_seed(text)]


def _is_of(known: dict[str, Dimension], override: str) -> bool:
    """Say whether an override is one of some dimensions by their keys; a seed may be of the best alone."""
    key, _, value = override.partition("=")
    return is_seed(override) or (key in known and known[key].allows(value))


def seeds_of(dimensions: list[Dimension]) -> list[str]:
    """Return the seeds among dimensions, none where there is no such key."""
    return [value for one in dimensions if is_seed(one.key) for value in one.values]


def first_part(dimensions: list[Dimension], n_trials: int) -> Part:
    """Return the jobs of dimensions: all combinations or, where one is an interval, so many, in whole proposals."""
    if is_grid(dimensions):
        return Grid(dimensions)
    seeds = seeds_of(dimensions)
    return Proposed(-(-n_trials // max(1, len(seeds))), seeds)
