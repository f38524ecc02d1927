"""How the time stamps of a file are written: the format that writes them again, letter by letter."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pandas as pd
import pyarrow as pa

from wavesweep.files.stamps import parse
from wavesweep.files.table import pc

DATES = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y-%m",
    "%Y/%m", "%m/%Y", "%m.%Y", "%b %Y", "%B %Y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%YQ%q", "%Y-Q%q",
)  # fmt: skip
CLOCKS = ("", "H:%M", "H:%M:%S", "H:%M:%SZ", "H:%M:%S+00:00", "I:%M %p")
COMPARED = 1000  # of the last time stamps


def find_time_format(cells: Any, given: str | None) -> str | None:
    """Return the format in which time stamps are written.

    Args:
        cells: Of text, or times of Parquet, (row,), which `parse` can read.
        given: How they are read, in the letters of `strptime`; None: in a way that can mean one thing alone.

    Returns:
        In the letters that `write_time` takes; where none is known that writes the last of these cells as they are,
        `given`.
    """
    if not pa.types.is_string(cells.type):
        return given
    texts = pc.ascii_trim_whitespace(cells.slice(max(len(cells) - COMPARED, 0))).to_pylist()
    stamps = parse(cells, given)[-len(texts) :]
    for form in _formats() if given is None else _with_and_without_zeros(given):
        if all(write_time(stamp, form) == text for stamp, text in zip(stamps, texts, strict=True)):
            return form
    return given


def write_time(stamp: pd.Timestamp, form: str) -> str:
    """Return a time stamp as text, in the letters of `strftime`; %q is the quarter."""
    return stamp.strftime(form.replace("%q", str(stamp.quarter)))


def _formats() -> Iterator[str]:
    """Yield the formats that are looked for, those that leave something out of a time stamp as well."""
    for date, clock in product(DATES, CLOCKS):
        separators = (" %", "T%") if clock else ("",)
        for separator in separators:
            yield from _with_and_without_zeros(date + separator + clock)


def _with_and_without_zeros(form: str) -> Iterator[str]:
    """Yield a format as it is, and with days and months, hours, or all of them without a zero in front: 1.2.2024."""
    days = form.replace("%d", "%-d").replace("%m", "%-m")
    yield from dict.fromkeys((form, days, *(one.replace("%H", "%-H").replace("%I", "%-I") for one in (form, days))))
