"""The dimensions of a sweep, and the overrides of each of its jobs."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

from hydra_queue_sweeper.search.seeds import SEED, is_seed

Value = str | int | float


@dataclass(frozen=True)
class Interval:
    """A continuous dimension, or one of whole numbers.

    Attributes:
        low: The least value.
        high: The greatest value.
        integer: Whether values are whole numbers.
        log: Whether values are drawn on a logarithmic scale.
        step: Between values; None: any number, or any whole one.
    """

    low: float
    high: float
    integer: bool
    log: bool
    step: float | None = None

    def written(self, number: float) -> str:
        """Return one of its values as it is written in overrides."""
        return repr(int(number) if self.integer else float(number))


@dataclass(frozen=True)
class Dimension:
    """A key and the values that it takes; one that is not swept takes a single one.

    Attributes:
        key: As it was typed, with `+`, `++` or `~` before it.
        values: As they are written in overrides; none where the dimension is an interval.
        ordered: Whether the values are those of a range.
        interval: What it is instead of values.
    """

    key: str
    values: tuple[str, ...] = ()
    ordered: bool = False
    interval: Interval | None = None

    @property
    def swept(self) -> bool:
        """Whether jobs differ in it."""
        return self.interval is not None or len(self.values) > 1

    @property
    def name(self) -> str:
        """The key without the signs before it."""
        return self.key.lstrip("+~")

    @property
    def kind(self) -> Literal["values", "interval", "log"]:
        """How its values are best drawn: one by one, along an axis, or along a logarithmic one."""
        if self.interval is not None:
            return "log" if self.interval.log else "interval"
        numbers = [value for value in map(plain, self.values) if not isinstance(value, str) and value > 0]
        wide = len(numbers) == len(self.values) and max(numbers) >= 100 * min(numbers)
        return "log" if wide and self.name != SEED else "values"

    @property
    def text(self) -> str:
        """The dimension in one word, for people."""
        if self.interval is None:
            return f"{self.name}={','.join(self.values)}"
        return f"{self.name}={self.interval.low:g}…{self.interval.high:g}"

    def allows(self, override: str) -> bool:
        """Say whether an override gives one of its values, or for an interval a number."""
        key, _, value = override.partition("=")
        if self.interval is None:
            return key == self.key and value in self._set_of_values
        return key == self.key and re.fullmatch(r"[-+.0-9e]{1,40}", value) is not None

    @cached_property
    def _set_of_values(self) -> frozenset[str]:
        return frozenset(self.values)

    def typical(self, number: int) -> str:
        """Return one of its values; numbers from 0 upwards give all of a list, or both bounds of an interval."""
        if self.interval is None:
            return self.values[number % len(self.values)]
        return self.interval.written(self.interval.high if number % 2 else self.interval.low)

    def find(self, text: str) -> str | None:
        """Return the value that a text means, as it is written in overrides; None if it is none of the dimension's."""
        wanted = plain(text)
        if self.interval is None:
            return next((value for value in self.values if plain(value) == wanted), None)
        if isinstance(wanted, str) or not self.interval.low <= wanted <= self.interval.high:
            return None
        written = self.interval.written(wanted)
        return written if float(written) == wanted else None


def but_seed(dimensions: list[Dimension]) -> list[Dimension]:
    """Return the dimensions that make a configuration."""
    return [one for one in dimensions if not is_seed(one.key)]


def is_grid(dimensions: list[Dimension]) -> bool:
    """Say whether all combinations can be listed."""
    return all(dimension.interval is None for dimension in dimensions)


def grid_size(dimensions: list[Dimension]) -> int:
    """Return the number of combinations."""
    return math.prod(len(dimension.values) for dimension in dimensions)


def grid_jobs(dimensions: list[Dimension]) -> Iterator[list[str]]:
    """Return the overrides of each job of a grid; the last dimension varies fastest, as in Hydra's own sweeps."""
    return map(list, product(*([f"{one.key}={value}" for value in one.values] for one in dimensions)))


def job(dimensions: list[Dimension], configuration: Iterable[str], seed: str) -> list[str]:
    """Return the overrides of a job, in the order of the dimensions; the seed's own are no part of a configuration.

    What a configuration has beside the dimensions comes last.
    """
    shared = iter(configuration)
    return [*(f"{one.key}={seed}" if is_seed(one.key) else next(shared) for one in dimensions), *shared]


def varied(dimensions: list[Dimension], overrides: list[str]) -> dict[str, Value]:
    """Return what a job has in the dimensions that are swept; numbers as such. A seed may have come later."""
    texts = dict(override.split("=", 1) for override in overrides)
    return {one.name: plain(texts[one.key]) for one in dimensions if one.swept and one.key in texts}


def readable(text: str) -> str:
    """Return an override, or its value, without the signs by which Hydra escapes others."""
    return re.sub(r"\\([\\()\[\]{}:=,$ \t])", r"\1", text)


def plain(text: str) -> Value:
    """Return a value that is written in an override; numbers as such."""
    try:
        value = json.loads(text)
    except ValueError:
        return readable(text)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text
