"""The overrides that make a configuration that was not typed on a command line."""

from functools import cache
from typing import Any

from wavesweep.base.overrides import written
from wavesweep.config.config import Config, dump, flatten
from wavesweep.config.groups import options, read_option


def overrides_of(config: Config) -> tuple[list[str], dict[str, str]]:
    """Tell how a configuration differs from the defaults; `tracking` aside.

    Args:
        config: As composed, or filled in.

    Returns:
        Overrides from which `compose` makes it, and the option that they choose in each group: the one with the
        fewest values to change, the default where several have.
    """
    values, defaults = dump(config), read_option("", "config")
    entries = [entry for entry in defaults.pop("defaults") if isinstance(entry, dict)]
    preset = {group: option for entry in entries for group, option in entry.items()}
    choices = {group: _nearest(group, preset[group], values[group]) for group in preset if group in values}
    base = flatten(defaults | {group: _read(group, option) for group, option in choices.items()})
    chosen = [f"{group}={option}" for group, option in choices.items() if option != preset[group]]
    own = {key: value for key, value in flatten(values).items() if not key.startswith("tracking.")}
    changed = [f"{key}={written(value)}" for key, value in own.items() if base.get(key) != value]
    return [*chosen, *changed], choices


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
