"""Time stamps of observed steps: read, checked to be evenly spaced, filled up, and continued."""

import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from wavesweep.base.errors import Refused
from wavesweep.files.table import FEW, pc

LAST_YEAR = 9999  # that Python can write
LONGEST = 100_000  # days between two stamps; pandas counts them in nanoseconds

_DAY = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
Spacing = Any
"""A time span, an offset of pandas', or its alias: what an index has as `freq`."""


def are_stamps(cells: Any) -> bool:
    """Say whether most cells of a column are dates, with or without a time of day, as the first tell."""
    few = cells.slice(0, FEW)
    return bool(2 * are_dates(few).sum() > len(few))


def are_dates(cells: Any) -> np.ndarray:
    """Say which cells of text are dates, (row,), those too that may be two."""
    return ~parse(cells).isna() | np.array([bool(_orders(text)) for text in cells.to_pylist()], dtype=bool)


def parse(cells: Any, form: str | None = None) -> pd.DatetimeIndex:
    """Read time stamps, those with a zone in UTC.

    Args:
        cells: Of text, or times of Parquet, (row,).
        form: How they are written, in the letters of `strptime`; None: in a way that can mean one thing alone.

    Returns:
        The time of each, NaT for what is none or may be two: 01/02/2024 is read by some as January, by others not.
    """
    if pa.types.is_temporal(cells.type):
        return pd.DatetimeIndex(cells.cast(pa.timestamp("us", getattr(cells.type, "tz", None)), safe=False).to_pandas())
    try:
        if form is None:
            return pd.DatetimeIndex(cells.cast(pa.timestamp("us")).to_pandas())  # ten times as fast, for most
    except pa.ArrowInvalid:
        pass
    encoded = pc.ascii_trim_whitespace(cells).combine_chunks().dictionary_encode()
    texts = pd.Series(encoded.dictionary.to_pylist(), dtype=object)
    with warnings.catch_warnings(action="ignore"):  # of guesses, which are compared; and of what is to come
        return _parse(texts, form).take(encoded.indices.to_numpy(zero_copy_only=False))


def formats(text: str) -> list[str]:
    """Return how a date may be written that is not read without being told, in the letters of `strptime`."""
    return [order + _time_of_day(text) for order in _orders(text)]


def spacing(stamps: pd.DatetimeIndex) -> Spacing | None:
    """Return how two time stamps or more, in order, are spaced, which may be months or weekdays; None: not evenly."""
    if len(stamps) < 3:
        gap: Any = stamps[1] - stamps[0]
        if gap.days > LONGEST:
            return None
        return gap if gap % pd.Timedelta(days=1) else pd.offsets.Day(gap.days)
    with warnings.catch_warnings(action="ignore"):  # of what is to come
        found = pd.infer_freq(stamps)
    # Pandas takes ends of months for even of which some are the last weekday, and some the last day.
    return found if found is not None and even(stamps, found) is not None else None


def even(stamps: pd.DatetimeIndex, freq: Spacing) -> pd.DatetimeIndex | None:
    """Return time stamps with their spacing as `freq`; None where they are spaced otherwise."""
    index = _range(stamps, freq, periods=len(stamps))
    return index if index is not None and (index == stamps).all() else None


def first_uneven(stamps: pd.DatetimeIndex) -> int:
    """Return the number of the first stamp that breaks the spacing of those before it."""
    counts, least = range(len(stamps)), min(3, len(stamps))  # two stamps are always evenly spaced
    return bisect_left(counts, True, lo=least, key=lambda count: spacing(stamps[:count]) is None) - 1


def filled_up(stamps: pd.DatetimeIndex, freq: Spacing | None) -> pd.DatetimeIndex | None:
    """Return evenly spaced time stamps among which are all that are given, in order and each once.

    Args:
        stamps: Two at least.
        freq: How the others shall be spaced; None: as needs the fewest further ones, of all common ways.

    Returns:
        With `freq`; None where there is no such way that leaves half of them as they were.
    """
    if freq is not None:
        grid = _range(stamps, freq, end=stamps[-1])
        fits = grid is not None and len(grid) <= 2 * len(stamps) and stamps.isin(grid).all()
        return grid if fits else None
    grids = [filled_up(stamps, one) for one in _plausible(stamps)]
    return min((grid for grid in grids if grid is not None), key=len, default=None)


def following(stamps: pd.DatetimeIndex, steps: int) -> pd.DatetimeIndex:
    """Return the time stamps that come next.

    Raises:
        Refused: If they lie beyond what can be represented.
    """
    try:
        ahead = pd.date_range(stamps[-1], periods=steps + 1, freq=stamps.freq)[1:]
        if ahead.year.to_numpy().max() > LAST_YEAR:
            raise OverflowError
    except (ValueError, OverflowError):
        problem = f"horizon must end where time stamps can be written, got {steps} steps after {stamps[-1]}"
        raise Refused(f"{problem}; lower it") from None
    return ahead


def continue_stamps(stamps: pd.DatetimeIndex, steps: int) -> list[str]:
    """Return the time stamps that come next, as text: dates alone where those before have no time of day."""
    dates = (stamps == stamps.normalize()).all()
    return [f"{stamp:%Y-%m-%d}" if dates else str(stamp) for stamp in following(stamps, steps)]


def in_words(freq: Spacing) -> str:
    """Return how steps are called that are so spaced: "hourly steps"."""
    offset = pd.tseries.frequencies.to_offset(freq)
    words = {"s": "second-by-second", "min": "minutely", "h": "hourly", "D": "daily", "B": "weekday", "W": "weekly"}
    words |= {"MS": "monthly", "ME": "monthly", "BMS": "monthly", "BME": "monthly"}
    words |= {"QS": "quarterly", "QE": "quarterly", "YS": "yearly", "YE": "yearly"}
    word = words.get(offset.freqstr.partition("-")[0])
    return f"{word} steps" if word else f"steps of {offset.freqstr}"


def _parse(texts: pd.Series, form: str | None) -> pd.DatetimeIndex:
    if form is not None:
        return pd.DatetimeIndex(pd.to_datetime(texts, format=form, errors="coerce", utc="%z" in form))
    if texts.str.fullmatch(r"\d{4}-?Q[1-4]").all():
        return pd.PeriodIndex(texts.str.replace("-", ""), freq="Q").to_timestamp()
    zoned = texts.str.contains(r":\d\d[\d.]*(?:[+-]\d\d:?\d\d|Z)$", regex=True).any()
    stamps = pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=zoned))
    if stamps.hasnans and texts.str.contains(r"\b\d{4}\b", regex=True).all():
        first, second = (
            pd.DatetimeIndex(pd.to_datetime(texts, dayfirst=dayfirst, errors="coerce", utc=zoned))
            for dayfirst in (False, True)
        )
        if first.hasnans or second.hasnans or (first == second).all():
            stamps = second if first.isna().sum() > second.isna().sum() else first
    return stamps


def _orders(text: str) -> list[str]:
    """Return the orders of day, month and year that a date in digits may have."""
    match = re.match(r"(\d\d?)([./-])(\d\d?)\2(\d{4}|\d\d)(?!\d)", text)
    if not match:
        return []
    sign, year = match[2], "%Y" if len(match[4]) == 4 else "%y"
    orders = {f"%d{sign}%m{sign}{year}": (match[3], match[1]), f"%m{sign}%d{sign}{year}": (match[1], match[3])}
    return [order for order, (month, day) in orders.items() if 1 <= int(month) <= 12 and 1 <= int(day) <= 31]


def _time_of_day(text: str) -> str:
    """Return how the time is written that follows a date."""
    match = re.search(r"([ T])\d\d?:\d\d(:\d\d)?(\.\d+)?$", text)
    return f"{match[1]}%H:%M{':%S' if match[2] else ''}{'.%f' if match[3] else ''}" if match else ""


def _plausible(stamps: pd.DatetimeIndex) -> Iterator[Spacing]:
    """Yield the ways in which stamps may be spaced but for gaps: calendars before a fixed span of time."""
    month, day = f"{stamps[0]:%b}".upper(), f"{stamps[0]:%a}".upper()
    span = int(np.gcd.reduce(np.diff(stamps.asi8)))
    ways = {f"YS-{month}": 365, f"YE-{month}": 365, f"QS-{month}": 90, f"QE-{month}": 90, "MS": 28, "ME": 28}
    ways |= {f"W-{day}": 7, pd.Timedelta(span, stamps.unit): span / _DAY[stamps.unit], "B": 1}
    days = (stamps.asi8[-1] - stamps.asi8[0]) / _DAY[stamps.unit]
    for freq, length in ways.items():
        if days < 3 * len(stamps) * length:  # else it is of no use, and takes its time
            yield freq


def _range(stamps: pd.DatetimeIndex, freq: Spacing, **end: Any) -> pd.DatetimeIndex | None:
    """Return evenly spaced stamps from the first of some, in their unit; None beyond what can be represented."""
    try:
        return pd.date_range(stamps[0], freq=freq, unit=stamps.unit, **end)
    except (ValueError, OverflowError):
        return None
