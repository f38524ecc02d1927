"""The plan of a sweep: its jobs, and what is known of them before any runs.

Jobs stand in parts, each added at one time: a grid, jobs that are listed one by one, or proposals of a sampler. A sweep
that grows gets further parts; numbers of jobs that are there stay.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from random import Random
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.estimates import ranked
from hydra_queue_sweeper.search.pruners import PRUNERS
from hydra_queue_sweeper.search.samplers import SAMPLERS, Settings
from hydra_queue_sweeper.search.seeds import is_seed
from hydra_queue_sweeper.search.space import Dimension, but_seed, grid_jobs, grid_size, job, plain
from hydra_queue_sweeper.search.trials import Configuration, Trial, replicates

MOST_TRIALS = 100_000


@dataclass(frozen=True)
class Grid:
    """All combinations of dimensions that are lists."""

    dimensions: list[Dimension]
    kind: Literal["grid"] = "grid"

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

    count: Annotated[int, Field(ge=0)]
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


Part = Annotated[Grid | Listed | Proposed, Field(discriminator="kind")]


class Proposal(NamedTuple):
    """What is known of the proposal of a job beforehand.

    Attributes:
        numbers: Of all its jobs.
        seed: Of the job; empty where no seed is overridden.
    """

    numbers: range
    seed: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a sweep; written when it begins, and when it grows.

    Attributes:
        format: Of these files.
        dimensions: In the order of the command line, those that aren't swept included; grown with the sweep.
        parts: The jobs.
        pruner: What ends poor configurations early, if anything.
        sampler: What proposes configurations, if not all combinations run.
        settings: That it is made with.
        seed: Of the sampler, and of the order in which a pruned sweep goes through a grid.
        direction: Of what jobs return. Objectives in the sweep's records are such that lower is better: what is to be
            maximized is negated.
        objective: The key of the objective, where jobs return a dict.
        target: The objective at which the sweep has found enough.
        max_failure_rate: The share of jobs beyond which failed ones end it.
        custom_search_space: The program's function that adds dimensions to a proposal, if it has one.
        launcher: The overrides that chose the launcher, and how many workers it starts.
        subdir: The directory of a job within the sweep's, as configured.
        fingerprint: Code and data that it began on.
        digests: For each choice of groups, as overrides in one line, a digest of each value that was composed.
    """

    format: Literal[3] = 3
    dimensions: list[Dimension]
    parts: list[Part]
    pruner: Annotated[str, Field(pattern=f"^({'|'.join(PRUNERS)})$")] | None
    sampler: Annotated[str, Field(pattern=f"^({'|'.join(SAMPLERS)})$")]
    settings: Settings
    seed: int
    direction: Literal["minimize", "maximize"]
    objective: str | None
    target: float | None
    max_failure_rate: float | None
    custom_search_space: str | None
    launcher: list[str]
    subdir: str
    fingerprint: dict[str, str]
    digests: dict[str, dict[str, str]]

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    def __post_init__(self) -> None:
        """Make sure that its jobs can be listed, and are those of its dimensions."""
        for one in self.dimensions:
            if one.interval is None and not one.values:
                raise ValueError(f"{one.key} must have at least one value, got none")
        check_number_of_jobs(self.n_trials)
        for trial in self.waiting.values():
            if not self.allows(trial):
                raise ValueError(f"{' '.join(trial.overrides)} is none of its jobs")

    def allows(self, trial: Trial) -> bool:
        """Say whether a job has a value of each dimension; its seed may be a further one, of the best alone."""
        dimensions = but_seed(self.dimensions)
        texts = list(trial.configuration)
        if self.custom_search_space:  # of seeds that are added, it isn't known what it gave their configurations
            del texts[len(dimensions) :]
        return len(texts) == len(dimensions) and all(map(Dimension.allows, dimensions, texts))

    @property
    def n_trials(self) -> int:
        """How many jobs there are in all."""
        return sum(part.size for part in self.parts)

    @property
    def is_grid(self) -> bool:
        """Whether all combinations run; else a sampler chooses."""
        return not any(isinstance(part, Proposed) for part in self.parts)

    def as_returned(self, objective: float) -> float:
        """Return an objective as jobs return it; and of what they return, the objective."""
        return -objective if self.direction == "maximize" else objective

    def _numbered_parts(self) -> Iterator[tuple[range, Part]]:
        """Yield the parts, each with the numbers of its jobs."""
        start = 0
        for part in self.parts:
            yield range(start, start + part.size), part
            start += part.size

    @cached_property
    def waiting(self) -> dict[int, Trial]:
        """The trials whose overrides are known beforehand, by their numbers, as if none had begun."""
        known: dict[int, Trial] = {}
        for numbers, part in self._numbered_parts():
            if not isinstance(part, Proposed):
                known |= {number: Trial(number, job) for number, job in zip(numbers, part.jobs, strict=True)}
        return known

    def proposal(self, number: int) -> Proposal:
        """Return the proposal that a job is of."""
        numbers, part = next(one for one in self._numbered_parts() if number in one[0])
        assert isinstance(part, Proposed)
        replicate = (number - numbers.start) % part.num_seeds
        first = number - replicate
        seed = part.seeds[replicate] if part.seeds else ""
        return Proposal(range(first, first + part.num_seeds), seed)

    def trials(self, begun: Mapping[int, Trial]) -> list[Trial]:
        """Return all trials whose overrides are known, given those that have begun: of a proposal, all its seeds."""
        known = {**self.waiting, **begun}
        for number in begun.keys() - self.waiting.keys():
            for other in self.proposal(number).numbers:
                if other not in known:
                    known[other] = self.replicate(begun[number], other)
        return [known[number] for number in sorted(known)]

    def replicate(self, trial: Trial, number: int) -> Trial:
        """Return another trial of the same proposal, before it begins."""
        overrides = job(self.dimensions, trial.configuration, self.proposal(number).seed)
        return Trial(number, overrides, further=trial.further)

    def order(self) -> list[int]:
        """Return the numbers of all jobs in the order in which they begin."""
        order: list[int] = []
        for numbers, part in self._numbered_parts():
            shuffles = self.pruner is not None and not isinstance(part, Proposed)
            order += self._shuffled(numbers) if shuffles else numbers
        return order

    def _shuffled(self, numbers: range) -> list[int]:
        """Return the numbers of jobs with their configurations in a random order, and one seed after the other.

        Else a pruner would compare neighbours in the grid alone. Seed by seed, configurations are compared on the same
        seeds, and few come to the last.
        """
        groups = replicates(self.waiting[number] for number in numbers)
        Random(self.seed).shuffle(groups)  # noqa: S311
        return [trial.number for of_one_seed in zip_longest(*groups) for trial in of_one_seed if trial]

    def num_left(self, trials: Iterable[Trial]) -> int:
        """Return how many jobs have not ended, those that have not been proposed included."""
        return self.n_trials - sum(trial.ended for trial in trials)

    @cached_property
    def fresh(self) -> frozenset[int]:
        """The numbers of jobs on seeds that the best alone were given, after the last choice among them."""
        of_all = {plain(seed) for seed in seeds_of(self.dimensions)}
        fresh: dict[Configuration, list[int]] = {}
        chosen: set[Configuration] = set()
        for numbers, part in self._numbered_parts():
            if not isinstance(part, Listed):
                continue
            jobs = [Trial(number, overrides) for number, overrides in zip(numbers, part.jobs, strict=True)]
            further = [one for one in jobs if one.seed and plain(one.seed) not in of_all]
            before, chosen = chosen, {one.configuration for one in further} or chosen
            if chosen != before:
                fresh |= {configuration: [] for configuration in chosen}
            for one in further:
                fresh[one.configuration].append(one.number)
        return frozenset(number for numbers in fresh.values() for number in numbers)

    def ranked(self, trials: Iterable[Trial]) -> list[tuple[float, list[Trial]]]:
        """Return configurations all of whose seeds have finished, each with its mean objective, the best first."""
        return ranked(self.in_order(trials), self.fresh)

    def in_order(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return trials by where their values stand in the lists of their dimensions, or by the values of intervals.

        Not by number, which breaks ties alone: a sweep that was grown numbers its trials otherwise than one made at
        once.
        """
        places = {one.key: {value: place for place, value in enumerate(one.values)} for one in self.dimensions}

        def position(trial: Trial) -> list[float]:
            pairs = (text.partition("=") for text in trial.configuration)
            known = ((places[key], value) for key, _, value in pairs if key in places)
            return [of_key[value] if of_key else float(value) for of_key, value in known]

        return sorted(trials, key=lambda trial: (position(trial), trial.number))

    def reached(self, trials: Iterable[Trial]) -> bool:
        """Say whether the mean of some configuration's seeds, all finished, has reached the target."""
        return self.target is not None and any(value <= self.target for value, _ in self.ranked(trials))

    def typical(self, number: int, groups: Container[str]) -> list[list[str]]:
        """Return the overrides of a job with each choice of groups; numbers from 0 upwards give all other values.

        Args:
            number: Of the other values.
            groups: The keys that choose options of groups.
        """
        others = [replace(one, values=(one.typical(number),)) for one in self.dimensions]
        chosen = [one if one.key in groups else other for one, other in zip(self.dimensions, others, strict=True)]
        return list(grid_jobs(chosen))


def check_number_of_jobs(number: int) -> None:
    """Refuse more jobs than can be listed."""
    if number > MOST_TRIALS:
        raise Refused(f"a sweep must have at most {MOST_TRIALS} jobs, got {number}; sweep over less at a time")


def seeds_of(dimensions: list[Dimension]) -> list[str]:
    """Return the seeds among dimensions, none where there is no such key."""
    return [value for one in dimensions if is_seed(one.key) for value in one.values]
