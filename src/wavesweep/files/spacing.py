"""The time stamps of series: in order, each once, evenly spaced, or the row where they are not."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from hydra_queue_sweeper.base.errors import Refused, shown
from wavesweep.files import stamps as stamps_
from wavesweep.files.series import Series
from wavesweep.files.table import Table

MOST_BACK = pd.Timedelta(hours=2)  # that clocks are put back; rows that go back further belong to several series

DATES = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m-%d", "%d/%m/%y", "%d.%m.%y")
CLOCKS = ("", " %H:%M", " %H:%M:%S")


def times_of(table: Table, column: str) -> pd.DatetimeIndex:
    """Return the time of each row, given the column that tells it."""
    form = table.options.time_format
    if form is None and (row := stamps_.mixed_zones(table.columns[column])) is not None:
        problem = "must have a zone as all above it do, or none as they do"
        raise table.refusal(row, column, f"{problem}, got {table.text(row, column)}; write all alike")
    stamps = stamps_.parse(table.columns[column], form)
    if stamps.hasnans:
        row = int(stamps.isna().argmax())
        example = shown(form) if form else "2024-01-31 or 2024-01-31 13:00"
        text = table.text(row, column)
        problem = f"must be a date such as {example}, got {text}"
        way_out = table.options.give(time_format=_form_of(text))
        raise table.refusal(row, column, f"{problem}; write it so, or {way_out}, in the letters of strptime")
    return stamps


def _form_of(text: str) -> str:
    """Return a common form that a date has, the day first where it may be two; of what has none, the first."""
    for date, clock in product(DATES, CLOCKS):
        with suppress(ValueError):
            datetime.strptime(text, date + clock)
            return date + clock
    return DATES[0]


def in_order(table: Table, column: str, series: Series) -> Series:
    """Return a series whose time stamps come in order, each once; rows of one stamp are averaged where that is said."""
    stamps: Any = series.stamps
    averages = table.options.duplicates == "mean"
    wrong = np.diff(stamps.asi8) <= 0
    way_out = f"sort the rows, or {table.options.give(series_column='NAME')} where rows belong to several"
    if averages:
        wrong = stamps[1:] - stamps[:-1] < -MOST_BACK
    else:
        way_out = f"{table.options.give(duplicates='mean')}, {way_out}"
    if wrong.any():
        raise _refusal(table, column, series, int(wrong.argmax()) + 1, "come in order, each once", way_out)
    if not averages:
        return series
    _, first = np.unique(stamps.asi8, return_index=True)
    means = pd.DataFrame(series.values).groupby(stamps.asi8).mean()
    return replace(series, values=np.ascontiguousarray(means), stamps=stamps[first], rows=series.rows[first])


def evenly_spaced(table: Table, column: str, series: list[Series]) -> list[Series]:
    """Return series whose time stamps are evenly spaced, all in the same way."""
    longest = max(series, key=lambda one: len(one.values))
    stamps: Any = longest.stamps
    if len(stamps) < 2:
        problem = "must be two time stamps at least, which tell their distance, got one; leave the column out"
        raise table.refusal(int(longest.rows[0]), column, problem)
    freq = stamps_.spacing(stamps)
    if freq is None and table.options.missing == "interpolate":
        freq = stamps_.spacing_with_gaps(stamps)
    if freq is None:
        raise _uneven(table, column, longest, "be evenly spaced")
    return [_on_grid(table, column, one, freq) for one in series]


def _on_grid(table: Table, column: str, series: Series, freq: Any) -> Series:
    """Return a series with a row for each of its evenly spaced time stamps, of nan where there was none."""
    stamps: Any = series.stamps
    grid = stamps_.grid(stamps, freq, gaps=table.options.missing == "interpolate")
    if grid is None:
        raise _uneven(table, column, series, f"make {stamps_.in_words(freq)}, as those of the longest series")
    values = pd.DataFrame(series.values, stamps).reindex(grid)
    rows = pd.Series(series.rows, stamps).reindex(grid, fill_value=-1)
    return replace(series, values=np.ascontiguousarray(values), stamps=grid, rows=rows.to_numpy())


def _uneven(table: Table, column: str, series: Series, rule: str) -> Refused:
    """Return what says where time stamps break their spacing."""
    stamps: Any = series.stamps
    way_out = "more than gaps are wrong; mend them"
    if table.options.missing == "refuse":
        way_out = f"{table.options.give(missing='interpolate')}, or leave the column out"
    return _refusal(table, column, series, stamps_.first_uneven(stamps), rule, way_out)


def _refusal(table: Table, column: str, series: Series, number: int, rule: str, way_out: str) -> Refused:
    row, before = int(series.rows[number]), int(series.rows[number - 1])
    got = f"{table.text(row, column)} after {table.text(before, column)}"
    return table.refusal(row, column, f"time stamps must {rule}, got {got}; {way_out}")
