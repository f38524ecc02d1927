"""The time stamps of series: in order, each once, evenly spaced, or the row where they are not."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from wavesweep.base.errors import Refused, in_short
from wavesweep.base.schema import known
from wavesweep.files import stamps as stamps_
from wavesweep.files.columns import Roles
from wavesweep.files.series import Series
from wavesweep.files.table import Table


def times_of(table: Table, roles: Roles) -> pd.DatetimeIndex | None:
    """Return the time of each row."""
    if roles.time is None:
        return None
    form = table.options.time_format
    try:
        stamps = stamps_.parse(table.columns[roles.time], form)
    except ValueError as error:
        raise Refused(f"dataset.time_format must be in the letters of strptime ({in_short(error):.80})") from None
    if stamps.hasnans:
        raise _unreadable(table, roles.time, stamps.isna())
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
        way_out = "write it as the rest"
        if row == len(wrong) - 1:
            way_out = "leave the row out if it holds a total, or mend it"
    elif formats:
        way_out = ", or ".join(filter(None, (options.give(time_format=one) for one in formats))) or "write it so"
    elif not wrong.all():
        way_out = "mend it"
    elif options.time_format:
        way_out = "leave dataset.time_format out, or give it in the letters of strptime"
    else:
        give = options.give(time_format="FORMAT")
        way_out = f"{give}, in the letters of strptime" if give else "write it so"
    return table.refusal(row, column, f"{problem}; {way_out}")


def in_order(table: Table, roles: Roles, series: Series, notes: Counter[str]) -> Series:
    """Return a series whose time stamps come in order, each once."""
    stamps = known(series.stamps)
    mean = table.options.duplicates == "mean"
    returns: list[int] = (np.flatnonzero(np.diff(stamps.asi8) < 0) + 1).tolist()
    if mean and returns and all(_clocks_change(stamps, number) for number in returns):  # an hour of several steps twice
        order = np.argsort(stamps.asi8, kind="stable")
        series = replace(series, values=series.values[order], stamps=stamps[order], rows=series.rows[order])
        stamps = known(series.stamps)
    gaps = np.diff(stamps.asi8)
    wrong = gaps < 0 if mean else gaps <= 0
    if wrong.any():
        number = int(wrong.argmax()) + 1
        back = gaps[number - 1] < 0
        way_out = "sort the rows" if back else table.options.give(duplicates="mean") or "leave one of them out"
        if _clocks_change(stamps, number):
            more = {} if table.options.missing == "interpolate" else {"missing": "interpolate"}  # in spring
            both = table.options.give(duplicates="mean", **more) or "leave one of them out"
            way_out = f"{way_out if mean else both}, or give times in UTC if clocks are put back here"
        elif roles.series is None:
            several = table.options.give(series_column="NAME") or "call their column series"
            way_out += f", or {several} where rows belong to several"
        rule = f"time stamps must {'come in order' if back else 'occur once'}"
        raise _refusal_of_stamps(table, roles, series, number, rule, way_out)
    if (gaps > 0).all():
        return series
    first = np.flatnonzero(np.concatenate([[True], gaps > 0]))
    notes["row{} averaged"] += len(stamps) - len(first)
    means: Any = pd.DataFrame(series.values).groupby(stamps.asi8).mean()
    return replace(series, values=means.to_numpy(), stamps=stamps[first], rows=series.rows[first])


def evenly_spaced(table: Table, roles: Roles, series: list[Series], notes: Counter[str]) -> list[Series]:
    """Return series whose time stamps are evenly spaced, all in the same way."""
    longest = max(series, key=lambda one: len(one.values))
    stamps = known(longest.stamps)
    if len(stamps) < 2:
        row = int(longest.rows[0])
        problem = "must be two time stamps at least, which tell their distance, got one; leave the column out"
        raise table.refusal(row, known(roles.time), problem)
    freq = stamps_.spacing(stamps)
    if freq is None and table.options.missing == "interpolate":
        grid = stamps_.filled_up(stamps, None)
        freq = None if grid is None else stamps_.spacing(grid)
    if freq is None:
        raise _uneven(table, roles, longest)
    return [_on_grid(table, roles, one, freq, notes) for one in series]


def _on_grid(table: Table, roles: Roles, series: Series, freq: Any, notes: Counter[str]) -> Series:
    stamps = known(series.stamps)
    grid = stamps_.even(stamps, freq)
    if grid is None and table.options.missing == "interpolate":
        grid = stamps_.filled_up(stamps, freq)
    if grid is None:
        raise _uneven(table, roles, series, freq)
    if len(grid) == len(stamps):
        return replace(series, stamps=grid)
    notes["absent time stamp{} filled in"] += len(grid) - len(stamps)
    where = grid.get_indexer(stamps)
    values, rows = np.full((len(grid), series.values.shape[1]), np.nan), np.full(len(grid), -1)
    values[where], rows[where] = series.values, series.rows
    notes["empty cell{} filled in"] -= (len(grid) - len(stamps)) * values.shape[1]  # which are counted later
    return replace(series, values=values, stamps=grid, rows=rows)


def _uneven(table: Table, roles: Roles, series: Series, freq: Any = None) -> Refused:
    """Return what says where time stamps break their spacing, which may be that of other series."""
    stamps = known(series.stamps)
    own = stamps_.spacing(stamps)
    number = 1 if own is not None else stamps_.first_uneven(stamps)
    rule = "time stamps must be evenly spaced"
    if own is not None and freq is not None:
        rule = f"time stamps must make {stamps_.in_words(freq)} as those of the longest series"
    if table.options.missing == "interpolate":
        way_out = "more than gaps are wrong; mend them"
    else:
        way_out = f"{table.options.give(missing='interpolate') or 'fill in what is missing'}, or leave the column out"
    if _clocks_change(stamps, number):
        way_out += ", or give times in UTC if clocks are put forward here"
    return _refusal_of_stamps(table, roles, series, number, rule, way_out)


def _clocks_change(stamps: pd.DatetimeIndex, number: int) -> bool:
    """Say whether a stamp lies where clocks may be changed: at night, on a Sunday in spring or autumn."""
    stamp: Any = stamps[number]
    return stamps.tz is None and stamp.weekday() == 6 and stamp.month in (3, 4, 9, 10, 11) and 1 <= stamp.hour <= 4


def _refusal_of_stamps(table: Table, roles: Roles, series: Series, number: int, rule: str, way_out: str) -> Refused:
    time = known(roles.time)
    row, before = (int(series.rows[one]) for one in (number, number - 1))
    return table.refusal(row, time, f"{rule}, got {table.text(row, time)} after {table.text(before, time)}; {way_out}")
