"""Time stamps of observed steps: read, checked to be evenly spaced, filled up, and continued."""

import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hydra_queue_sweeper.base.errors import Refused, in_short, shown
from wavesweep.files.table import pc

LAST_YEAR = 9999  # that Python can write
FIRST_TIME, LAST_TIME = np.datetime64("0001-01-01"), np.datetime64(f"{LAST_YEAR}-12-31T23:59:59.999999")
LONGEST = 100_000  # days between two stamps; pandas counts them in nanoseconds
LONGEST_TEXT = 200  # bytes of a time stamp; pandas takes long to find that a longer one is none
ZONED = r"\d[T ]\d\d(?:(?::?\d\d)+[\d.,]*)?(?:Z|\s*(?:UTC|GMT)|[+-]\d\d:?\d\d|\+\d\d)$"  # behind a time of day
LIKE_A_DATE = r"^\d{1,4}[./-]\d\d?[./-]\d{2,4}\b"

Spacing = Any
"""A time span, an offset of pandas', or its alias: what an index has as `freq`."""


def are_dates(cells: Any) -> np.ndarray:
    """Say which cells of text are dates, (row,), those too that may be two."""
    return ~parse(cells).isna() | pc.match_substring_regex(cells, LIKE_A_DATE).to_numpy()


def parse(cells: Any, form: str | None = None) -> pd.DatetimeIndex:
    """Read time stamps, those with a zone in UTC.

    Args:
        cells: Of text, or times of Parquet, (row,); with a format, numbers of Parquet too.
        form: How they are written, in the letters of `strptime`; None: in a way that can mean one thing alone.

    Returns:
        The time of each, NaT for what is none, of no year from 1 to 9999, or may be two: 01/02/2024 is read by some as
        January, by others not.

    Raises:
        Refused: If that is no way to write them.
    """
    stamps = _parse_cells(cells, form)
    if stamps.unit == "ns":  # of which 64 bits reach from 1677 to 2262
        return stamps
    times = stamps.asi8.view(f"M8[{stamps.unit}]")
    can_be_written = (times >= FIRST_TIME) & (times <= LAST_TIME)
    return stamps if can_be_written.all() else pd.DatetimeIndex(stamps.where(can_be_written))


def _parse_cells(cells: Any, form: str | None) -> pd.DatetimeIndex:
    if pa.types.is_temporal(cells.type):
        return pd.DatetimeIndex(cells.cast(pa.timestamp("us", getattr(cells.type, "tz", None)), safe=False).to_pandas())
    if form is None:
        with suppress(pa.ArrowInvalid):
            return pd.DatetimeIndex(cells.cast(pa.timestamp("us")).to_pandas())  # ten times as fast, for most
    if not pa.types.is_string(cells.type):  # numbers of Parquet, which a format reads as times
        cells = pc.fill_null(cells.cast(pa.string()), "")
    encoded = pc.ascii_trim_whitespace(cells).combine_chunks().dictionary_encode()
    found = encoded.dictionary
    has_digits = pc.match_substring_regex(found, "[0-9]")  # pandas takes "now" and "today" for times, each day others
    may_be_times = pc.and_(has_digits, pc.less_equal(pc.binary_length(found), LONGEST_TEXT))
    texts = pd.Series(pc.if_else(may_be_times, found, "").to_pylist(), dtype=object)
    with warnings.catch_warnings(action="ignore"):  # of guesses, which are compared; and of what is to come
        return _parse(texts, form).take(encoded.indices.to_numpy(zero_copy_only=False))


def mixed_zones(cells: Any) -> int | None:
    """Return the number of the first cell that has a zone where those before have none, or the other way round.

    Args:
        cells: Of text, or times of Parquet, (row,).

    Returns:
        None where all are alike.
    """
    if not pa.types.is_string(cells.type):
        return None
    cells = pc.ascii_trim_whitespace(cells.fill_null(""))
    there = pc.not_equal(cells, "").to_numpy()
    zoned = pc.match_substring_regex(cells, ZONED).to_numpy()
    different = there & (zoned != zoned[there.argmax()])
    return int(different.argmax()) if different.any() else None


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
    if found is None or grid(stamps, found, gaps=False) is None:
        return None
    return found


def spacing_with_gaps(stamps: pd.DatetimeIndex) -> Spacing | None:
    """Return how time stamps are spaced of which some are absent: of all common ways, that which lacks the fewest."""
    grids = [grid(stamps, one, gaps=True) for one in _plausible(stamps)]
    shortest = min((one for one in grids if one is not None), key=len, default=None)
    return None if shortest is None else spacing(shortest)


def grid(stamps: pd.DatetimeIndex, freq: Spacing, gaps: bool) -> pd.DatetimeIndex | None:
    """Return evenly spaced time stamps, with their spacing as `freq`, among which are all that are given.

    Args:
        stamps: In order, each once.
        freq: How they are spaced.
        gaps: Whether there may be others between them, as many at most.

    Returns:
        From the first of them to the last; None where they are spaced otherwise.
    """
    bound: Any = {"end": stamps[-1]} if gaps else {"periods": len(stamps)}
    try:
        even = pd.date_range(stamps[0], freq=freq, unit=stamps.unit, **bound)
    except (ValueError, OverflowError):  # beyond what can be represented
        return None
    fits = len(even) <= 2 * len(stamps) and stamps.isin(even).all()
    return even if fits else None


def first_uneven(stamps: pd.DatetimeIndex) -> int:
    """Return the number of the first stamp that breaks the spacing of those before it; the last where none does."""
    counts, least = range(len(stamps)), min(3, len(stamps))  # two stamps are always evenly spaced
    return bisect_left(counts, True, lo=least, key=lambda count: spacing(stamps[:count]) is None) - 1


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
    words = {"s": "second-by-second", "min": "minutely", "h": "hourly", "D": "daily", "B": "weekday", "W": "weekly"}
    words |= {"MS": "monthly", "ME": "monthly", "BMS": "monthly", "BME": "monthly"}
    words |= {"QS": "quarterly", "QE": "quarterly", "YS": "yearly", "YE": "yearly"}
    alias = pd.tseries.frequencies.to_offset(freq).freqstr
    word = words.get(alias.partition("-")[0])
    return f"{word} steps" if word else f"steps of {alias}"


def _parse(texts: pd.Series, form: str | None) -> pd.DatetimeIndex:
    if form is not None:
        try:
            return pd.DatetimeIndex(pd.to_datetime(texts, format=form, errors="coerce", utc="%z" in form))
        except (ValueError, re.error) as error:
            problem = f"must be in the letters of strptime, got {shown(form)} ({in_short(error):.80})"
            raise Refused(f"dataset.time_format {problem}; give one such as %Y-%m-%d, each letter once") from None
    if texts.str.fullmatch(r"(?!0000)\d{4}-?Q[1-4]").all():
        return pd.PeriodIndex(texts.str.replace("-", ""), freq="Q").to_timestamp()
    zoned = texts.str.contains(ZONED, regex=True).any()
    stamps = pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=zoned))
    if stamps.hasnans and texts.str.contains(r"\b\d{4}\b", regex=True).all():
        month_first = pd.DatetimeIndex(pd.to_datetime(texts, dayfirst=False, errors="coerce", utc=zoned))
        day_first = pd.DatetimeIndex(pd.to_datetime(texts, dayfirst=True, errors="coerce", utc=zoned))
        if month_first.isna().sum() > day_first.isna().sum():
            return day_first
        if month_first.hasnans or day_first.hasnans or month_first.equals(day_first):
            return month_first
    return stamps


def _plausible(stamps: pd.DatetimeIndex) -> Iterator[Spacing]:
    """Yield the ways in which stamps may be spaced but for gaps: calendars before a fixed span of time."""
    month, day = f"{stamps[0]:%b}".upper(), f"{stamps[0]:%a}".upper()
    times, one_day = stamps.to_numpy(dtype="M8[us]"), np.timedelta64(1, "D")
    span = np.gcd.reduce(np.diff(times).astype(int)).astype("m8[us]")
    ways = {f"YS-{month}": 365, f"YE-{month}": 365, f"QS-{month}": 90, f"QE-{month}": 90, "MS": 28, "ME": 28}
    ways |= {f"W-{day}": 7, pd.Timedelta(span): span / one_day, "B": 1}
    for freq, length in ways.items():
        if (times[-1] - times[0]) / one_day < 3 * len(stamps) * length:  # else it is of no use, and takes its time
            yield freq
