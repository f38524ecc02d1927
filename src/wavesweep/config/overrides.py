"""The overrides that make a configuration that was not typed on a command line."""

from functools import cache
from typing import Any

from hydra_queue_sweeper.base.overrides import written
from wavesweep.config.config import Config, dump, flatten
from wavesweep.config.groups import default_choices, options, read_option


def overrides_of(config: Config) -> tuple[list[str], dict[str, str]]:
    """Tell how a configuration differs from the defaults; `tracking` aside.

    Args:
        config: As composed, or filled in.

    Returns:
        Overrides from which `compose` makes it, and the option that they choose in each group: the one with the
        fewest values to change, the default where several have.
    """
    values = dump(config)
    base = flatten(_read("", "config"))
    chosen: dict[str, str] = {}
    texts = []
    for key, group, place, default in default_choices():
        part = values
        for name in place.split("."):
            part = part[name]
        chosen[key] = _nearest(group, default, part)
        base |= flatten(_read(group, chosen[key]), f"{place}.")
        if chosen[key] != default:
            texts.append(f"{key}={chosen[key]}")
    own = {key: value for key, value in flatten(values, whole=base).items() if not key.startswith("tracking.")}
    texts += [f"{key}={written(value)}" for key, value in own.items() if base.get(key) != value]
    return texts, {group: option for group, option in chosen.items() if "@" not in group}


def _nearest(group: str, default: str, values: dict[str, Any]) -> str:
    """Return the option of a group that differs in the fewest values, of those of the same kind."""

    def distance(option: str) -> float:
        there = _read(group, option)
        if there.get("kind") != values.get("kind"):
            return float("inf")
        return sum(there.get(key) != value for key, value in values.items())

    return min([default, *options(group)], key=distance)


@cache
def _read(group: str, option: str) -> dict[str, Any]:
    """Return the values of an option, with those of the options that it stands on."""
    values = read_option(group, option)
    for parent in values.pop("defaults", []):
        if isinstance(parent, str) and parent != "_self_":
            values = _read(group, parent) | values
    return values
