"""Overrides in few characters, as runs are named by them."""

import re
from collections.abc import Collection, Iterable

from hydra_queue_sweeper.base.keys import last_parts

_NUMBER = re.compile(r"(?<![\w.:/+-])[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?(?![\w.:/-])", re.IGNORECASE)


def in_short(overrides: Iterable[str], groups: Collection[str], num_digits: int = 4) -> list[str]:
    """Return overrides in few characters: options by themselves first, then the last parts of keys, the seed last.

    Args:
        overrides: As typed.
        groups: The names of config groups.
        num_digits: How many significant ones numbers keep that are not whole.
    """
    pairs = [text.lstrip("+").partition("=") for text in overrides]
    values = {key: equals + _tidy(value, num_digits) for key, equals, value in pairs}  # of one key, the last counts
    keys = last_parts(values)
    options = {key for key in keys if key in groups and re.match("=[^{]", values[key])}
    ordered = sorted(keys, key=lambda key: (key not in options, key == "seed"))
    return [values[key][1:] if key in options else keys[key] + values[key] for key in ordered]


def _tidy(text: str, num_digits: int) -> str:
    """Return a value with so many significant digits of each number, less quotes and spaces between entries."""
    plain = re.sub(r"(?<=[,:\[{])\s+|['\"]", "", text)
    return _NUMBER.sub(lambda found: _rounded(found[0], num_digits), plain)


def _rounded(text: str, num_digits: int) -> str:
    if text.lstrip("+-").isdecimal():  # of whole numbers, however large, each digit may tell two apart
        return str(int(text))
    number = float(text)
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{number:.{num_digits}g}")
