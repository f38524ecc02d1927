"""Dotted keys: in short, and below others."""

from collections import Counter
from collections.abc import Collection, Iterable


def last_parts(keys: Collection[str]) -> dict[str, str]:
    """Return by dotted keys as many of their last parts as tell each from the others, and from the run's seed."""
    ends = {key: _ends(key) for key in keys}
    counts = Counter(["seed", *(end for some in ends.values() for end in some)])
    return {key: next((end for end in some if counts[end] == 1), key) for key, some in ends.items()}


def _ends(key: str) -> list[str]:
    """Return the last part of a key, the last two, … up to the whole; its sign stays before it."""
    sign = "~" if key.startswith("~") else ""
    parts = key.lstrip("~").split(".")
    return [sign + ".".join(parts[start:]) for start in reversed(range(len(parts)))]


def is_below(key: str, groups: Iterable[str]) -> bool:
    """Say whether a dotted key is one of several, or stands below one."""
    return any(key == group or key.startswith(f"{group}.") for group in groups)
