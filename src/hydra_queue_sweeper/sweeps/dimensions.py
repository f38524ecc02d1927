"""Reading dimensions from overrides in Hydra's grammar."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.space import Dimension, Interval


def parse_dimensions(arguments: list[str], config_loader: Any) -> list[Dimension]:
    """Read overrides in Hydra's grammar; of two with one key, the later counts.

    Raises:
        Refused: For a dimension without values.
        hydra.errors.HydraException: For what Hydra can't parse.
    """
    parsed = OverridesParser.create(config_loader=config_loader).parse_overrides(arguments)
    dimensions = [_dimension(override, config_loader) for override in parsed]
    return list({dimension.key: dimension for dimension in dimensions}.values())


def _dimension(override: Override, config_loader: Any) -> Dimension:
    key = override.get_key_element()
    if override.is_interval_sweep():
        return Dimension(key, interval=_interval(override))
    if not override.is_sweep_override():
        return Dimension(key, (override.get_value_element_as_str(),))
    given = override.value()
    if isinstance(given, Glob):  # Hydra's own way to its options leaves out those in folders
        values = given.filter(sorted(_options(override.key_or_group, config_loader)))
    else:
        values = dict.fromkeys(override.sweep_string_iterator())
    if not values:
        raise Refused(f"{override.input_line} must give at least one value, got none; a sweep of no jobs does nothing")
    return Dimension(key, tuple(values), override.is_range_sweep())


def _options(group: str, config_loader: Any) -> Iterator[str]:
    yield from config_loader.get_group_options(group, ObjectType.CONFIG)
    for folder in config_loader.get_group_options(group, ObjectType.GROUP):
        yield from (f"{folder}/{option}" for option in _options(f"{group}/{folder}", config_loader))


def _interval(override: Override) -> Interval:
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


@cache  # jobs share their texts, and nobody changes what is read
def parse(text: str) -> Override:
    """Read an override that sweeps nothing."""
    [override] = OverridesParser.create().parse_overrides([text])
    return override


def group_keys(dimensions: list[Dimension], repository: Any) -> set[str]:
    """Return the keys that choose options of groups; they may have values beside these."""

    def chooses(override: Override) -> bool:
        return repository.group_exists(override.key_or_group) and not isinstance(override.value(), dict)

    return {one.key for one in dimensions if any(chooses(parse(f"{one.key}={value}")) for value in one.values)}
