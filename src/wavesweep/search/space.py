"""The dimensions of a sweep, and the overrides of each of its jobs."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from wavesweep.base.errors import Refused
from wavesweep.search.trials import SEED, is_seed

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override


Value = str | int | float


@dataclass(frozen=True)
class Interval:
    """A continuous dimension, or one of whole numbers.

    Attributes:
        low: The least value.
        high: The greatest value.
        integer: Whether values are whole numbers.
        log: Whether values are drawn on a logarithmic scale.
    """

    low: float
    high: float
    integer: bool
    log: bool

    def holds(self, number: float) -> bool:
        """Say whether a number is one of its values."""
        return self.low <= number <= self.high and (not self.integer or float(number).is_integer())

    def written(self, number: float) -> str:
        """Return a number that it holds as it is written in overrides."""
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

    def allows(self, text: str) -> bool:
        """Say whether a text is one of its values, or for an interval a number, as written in overrides."""
        if self.interval is None:
            return text in self._set_of_values
        return re.fullmatch(r"[-+.0-9e]{1,40}", text) is not None

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
        if isinstance(wanted, str) or not self.interval.holds(wanted):
            return None
        return self.interval.written(wanted)


def parse_dimensions(arguments: list[str], config_loader: "ConfigLoader") -> list[Dimension]:
    """Read overrides in Hydra's grammar; of two with one key, the later counts.

    Raises:
        Refused: For a dimension without values.
        hydra.errors.HydraException: For what Hydra can't parse.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create(config_loader=config_loader).parse_overrides(arguments)
    dimensions = [_dimension(override, config_loader) for override in parsed]
    return list({dimension.key: dimension for dimension in dimensions}.values())


def _dimension(override: "Override", config_loader: "ConfigLoader") -> Dimension:
    key = override.get_key_element()
    if override.is_interval_sweep():
        return Dimension(key, interval=_interval(override))
    if not override.is_sweep_override():
        return Dimension(key, (override.get_value_element_as_str(),))
    values = tuple(dict.fromkeys(_values(override, config_loader)))
    if not values:
        raise Refused(f"{override.input_line} must give at least one value, got none; a sweep of no jobs does nothing")
    return Dimension(key, values, override.is_range_sweep())


def _values(override: "Override", config_loader: "ConfigLoader") -> Iterator[str]:
    from hydra.core.override_parser.types import Glob

    value = override._value  # Hydra's own way to a glob's options leaves out those in folders
    if isinstance(value, Glob):
        return iter(value.filter(sorted(_options(override.key_or_group, config_loader))))
    return override.sweep_string_iterator()


def _options(group: str, config_loader: "ConfigLoader") -> Iterator[str]:
    from hydra.core.object_type import ObjectType

    yield from config_loader.get_group_options(group, ObjectType.CONFIG)
    for folder in config_loader.get_group_options(group, ObjectType.GROUP):
        yield from (f"{folder}/{option}" for option in _options(f"{group}/{folder}", config_loader))


def _interval(override: "Override") -> Interval:
    sweep: Any = override.value()
    text = override.input_line
    low, high = sweep.start, sweep.end
    log = "log" in sweep.tags
    integer = "int" in sweep.tags or isinstance(low, int)  # which int(interval(…)) makes them
    if unknown := sweep.tags - {"log", "int"}:
        raise Refused(f"{text}: a tag of an interval must be log or int, got {', '.join(sorted(unknown))}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise Refused(f"{text}: an interval must go upwards, got {low:g} to {high:g}")
    if log and low <= 0:
        raise Refused(f"{text}: a logarithmic interval must begin above 0, got {low:g}; leave out tag(log, …)")
    if integer and not (float(low).is_integer() and float(high).is_integer()):
        raise Refused(f"{text}: an interval of whole numbers must have whole bounds, got {low:g} and {high:g}")
    return Interval(low, high, integer, log)


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
    """Return the overrides of a job, in the order of the dimensions; the seed's own are no part of a configuration."""
    shared = iter(configuration)
    return [f"{one.key}={seed}" if is_seed(one.key) else next(shared) for one in dimensions]


def varied(dimensions: list[Dimension], overrides: list[str]) -> dict[str, Value]:
    """Return what a job has in the dimensions that are swept; numbers as such. A seed may have come later."""
    texts = dict(override.split("=", 1) for override in overrides)
    return {one.name: plain(texts[one.key]) for one in dimensions if one.swept and one.key in texts}


def plain(text: str) -> Value:
    """Return a value that is written in an override; numbers as such."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text
