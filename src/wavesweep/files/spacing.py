"""The time stamps of series: in order, each once, evenly spaced, or the row where they are not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from wavesweep.base.errors import Refused, in_short
from wavesweep.files import stamps as stamps_
from wavesweep.files.columns import Roles
from wavesweep.files.series import TimedSeries
from wavesweep.files.table import Table


def times_of(table: Table, column: str) -> pd.DatetimeIndex:
    """Return the time of each row, given the column that tells it."""
    form = table.options.time_format
    try:
        stamps = stamps_.parse(table.columns[column], form)
    except ValueError as error:
        raise Refused(f"dataset.time_format must be in the letters of strptime ({in_short(error):.80})") from None
    if stamps.hasnans:
        raise _unreadable(table, column, stamps.isna())
    return stamps


def _unreadable(table: Table, column: str, wrong: np.ndarray) -> Refused:
    """Return what says how the first of some time stamps that can't be read is to be written or told."""
    options, row = table.options, int(wrong.argmax())
    got = table.text(row, column)
    problem = f"must be a date such as {options.time_format or '2024-01-31 or 2024-01-31 13:00'}, got {got}"
    formats = [] if options.time_format else stamps_.formats(got)
    if len(formats) > 1:
        problem += ", which may be two"
    if 2 * wrong.sum() < len(wrong):  # a format of this one would not be that of the rest
        way_out = "write it as the rest, or leave the row out"
    elif options.time_format:
        way_out = "leave dataset.time_format out, or give it in the letters of strptime"
    else:
        ways = [options.give(time_format=one) for one in formats or ["FORMAT"]]
        way_out = ", or ".join(filter(None, ways)) or "write it so"
    return table.refusal(row, column, f"{problem}; {way_out}")


def in_order(table: Table, roles: Roles, series: TimedSeries) -> TimedSeries:
    """Return a series whose time stamps come in order, each once; rows of one stamp are averaged where that is said."""
    averages = table.options.duplicates == "mean"
    if averages:
        series = _with_hours_sorted(series)
    stamps = series.stamps
    gaps = np.diff(stamps.asi8)
    wrong = gaps < 0 if averages else gaps <= 0
    if wrong.any():
        raise _out_of_order(table, roles, series, int(wrong.argmax()) + 1)
    if (gaps > 0).all():
        return series
    first = np.flatnonzero(np.concatenate([[True], gaps > 0]))
    means: Any = pd.DataFrame(series.values).groupby(stamps.asi8).mean()
    return replace(series, values=means.to_numpy(), stamps=stamps[first], rows=series.rows[first])


def _with_hours_sorted(series: TimedSeries) -> TimedSeries:
    """Return a series in order if it goes back only where clocks do: an hour of several steps comes twice."""
    stamps = series.stamps
    returns = np.flatnonzero(np.diff(stamps.asi8) < 0) + 1
    if not len(returns) or not all(_clocks_change(stamps, int(number)) for number in returns):
        return series
    order = np.argsort(stamps.asi8, kind="stable")
    return replace(series, values=series.values[order], stamps=stamps[order], rows=series.rows[order])


def _out_of_order(table: Table, roles: Roles, series: TimedSeries, number: int) -> Refused:
    """Return what says which time stamp is not later than the one before it."""
    stamps, options = series.stamps, table.options
    rule, way_out = "time stamps must come in order", "sort the rows"
    if stamps.asi8[number] == stamps.asi8[number - 1]:
        rule = "time stamps must occur once"
        way_out = options.give(duplicates="mean") or "leave one of them out"
    if _clocks_change(stamps, number):
        if options.duplicates != "mean":  # the hour that is absent in spring is to be filled in as well
            way_out = options.give(duplicates="mean", missing="interpolate") or "leave one of them out"
        way_out += ", or give times in UTC if clocks are put back here"
    elif roles.series is None:
        several = options.give(series_column="NAME") or "call their column series"
        way_out += f", or {several} where rows belong to several"
    return _refusal_of_stamps(table, series, number, rule, way_out)


def evenly_spaced(table: Table, series: list[TimedSeries]) -> list[TimedSeries]:
    """Return series whose time stamps are evenly spaced, all in the same way."""
    longest = max(series, key=lambda one: len(one.values))
    stamps = longest.stamps
    if len(stamps) < 2:
        problem = "must be two time stamps at least, which tell their distance, got one; leave the column out"
        raise table.refusal(int(longest.rows[0]), longest.column, problem)
    freq = stamps_.spacing(stamps)
    if freq is None and table.options.missing == "interpolate":
        freq = stamps_.spacing_with_gaps(stamps)
    if freq is None:
        raise _uneven(table, longest)
    return [_on_grid(table, one, freq) for one in series]


def _on_grid(table: Table, series: TimedSeries, freq: Any) -> TimedSeries:
    """Return a series with a row for each of its evenly spaced time stamps, of nan where there was none."""
    stamps = series.stamps
    grid = stamps_.grid(stamps, freq, gaps=table.options.missing == "interpolate")
    if grid is None:
        raise _uneven(table, series, freq)
    if len(grid) == len(stamps):
        return replace(series, stamps=grid)
    where = grid.get_indexer(stamps)
    values = np.full((len(grid), series.values.shape[1]), np.nan)
    values[where] = series.values
    rows = np.full(len(grid), -1)
    rows[where] = series.rows
    return replace(series, values=values, stamps=grid, rows=rows)


def _uneven(table: Table, series: TimedSeries, freq: Any = None) -> Refused:
    """Return what says where time stamps break their spacing, which may be that of other series."""
    stamps = series.stamps
    number = stamps_.first_uneven(stamps)
    rule = "time stamps must be evenly spaced"
    if freq is not None and stamps_.spacing(stamps) is not None:
        rule = f"time stamps must make {stamps_.in_words(freq)} as those of the longest series"
    if table.options.missing == "interpolate":
        way_out = "more than gaps are wrong; mend them"
    else:
        way_out = f"{table.options.give(missing='interpolate') or 'fill in what is missing'}, or leave the column out"
    if _clocks_change(stamps, number):
        way_out += ", or give times in UTC if clocks are put forward here"
    return _refusal_of_stamps(table, series, number, rule, way_out)


def _clocks_change(stamps: pd.DatetimeIndex, number: int) -> bool:
    """Say whether a stamp lies where clocks may be changed: at night, on a Sunday in spring or autumn."""
    stamp: Any = stamps[number]
    return stamps.tz is None and stamp.weekday() == 6 and stamp.month in (3, 4, 9, 10, 11) and 1 <= stamp.hour <= 4


def _refusal_of_stamps(table: Table, series: TimedSeries, number: int, rule: str, way_out: str) -> Refused:
    row, before = int(series.rows[number]), int(series.rows[number - 1])
    got = f"{table.text(row, series.column)} after {table.text(before, series.column)}"
    return table.refusal(row, series.column, f"{rule}, got {got}; {way_out}")
