"""The series in a table: which rows are whose, what is missing in them, and whether they change at all."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from wavesweep.base.errors import Refused
from wavesweep.data.splits import LARGEST
from wavesweep.files.columns import Roles
from wavesweep.files.table import Table, shown_cell


@dataclass(frozen=True)
class Series:
    """One series of a file.

    Attributes:
        name: As the file's column of series has it; 0 where there is none.
        values: (time, channel), float64; no nan.
        stamps: The time of each step, evenly spaced, with their spacing as `freq`; None where there are none.
        start: The first of its steps, where the file counts them one by one, else 0.
        rows: Where each step stands in the file, counted from 0; -1 where it was filled in.
        filled: Which values were filled in, (time, channel); None: none.
    """

    name: str | int
    values: np.ndarray
    stamps: pd.DatetimeIndex | None
    start: int
    rows: np.ndarray
    filled: np.ndarray | None = None


def place(table: Table, roles: Roles, series: Series) -> str:
    """Return where a series stands, as a message names it."""
    return str(table.path) if roles.series is None else f"{table.path}, series {shown_cell(str(series.name))}"


def rows_by_name(table: Table, column: str | None) -> Iterator[tuple[Any, Any]]:
    """Yield the name of each series, and what selects its rows."""
    if column is None:
        yield 0, slice(None)
        return
    encoded = table.columns[column].combine_chunks().dictionary_encode("encode")
    texts = ["" if name is None else str(name).strip() for name in encoded.dictionary.to_pylist()]
    alike, names = pd.factorize(np.array(texts, dtype=object))
    codes = alike[encoded.indices.to_numpy(zero_copy_only=False)]
    if "" in names:
        row = int((codes == list(names).index("")).argmax())
        raise table.refusal(row, column, "must name a series, got an empty cell; name it")
    if odd := [number for number, name in enumerate(names) if not name.isprintable()]:
        row = int((codes == odd[0]).argmax())
        raise table.refusal(row, column, f"must name a series in printable characters, got {shown_cell(names[odd[0]])}")
    order = np.argsort(codes, kind="stable")
    yield from zip(names, np.split(order, np.flatnonzero(np.diff(codes[order])) + 1), strict=True)


def first_step(table: Table, roles: Roles, rows: Any) -> int:
    """Return the first of the steps of a series, where they rise one by one, else 0; check that they rise evenly."""
    if roles.step is None:
        return 0
    steps = table.read_numbers(roles.step)[rows]
    gaps = np.diff(steps)
    wrong = ~(np.abs(steps) <= LARGEST) | (steps != np.round(steps))
    wrong[1:] |= (gaps != gaps[:1]) | (gaps <= 0)
    if wrong.any() and roles.time is None:
        number = int(wrong.argmax())
        row = int(np.arange(len(table.read_numbers(roles.step)))[rows][number])
        problem = f"steps must be whole numbers that rise evenly, got {table.text(row, roles.step)}"
        before = f" after {steps[number - 1]:g}" if number else ""
        way_out = "sort the rows and fill in what is missing"
        if channel := table.options.give(value_columns=[roles.step, *roles.values]):
            way_out += f", or {channel}, if it is a channel"
        raise table.refusal(row, roles.step, f"{problem}{before}; {way_out}")
    return int(steps[0]) if not wrong.any() and (gaps[:1] == 1).all() and roles.step.lower() != "year" else 0


def without_gaps(table: Table, roles: Roles, series: Series, notes: Counter[str]) -> Series:
    """Return a series with each missing value on the line between its neighbours, at the ends the nearest value."""
    absent = np.isnan(series.values)
    if not absent.any():
        return series
    notes["empty cell{} filled in"] += int(absent.sum())
    time = np.arange(len(absent)) if series.stamps is None else series.stamps.asi8 - series.stamps.asi8[0]
    values = series.values.copy()
    for channel, name in enumerate(roles.values):
        gaps = absent[:, channel]
        if gaps.all():
            raise Refused(f"{place(table, roles, series)}: column {shown_cell(name)} must hold a number, got none")
        values[gaps, channel] = np.interp(time[gaps], time[~gaps], values[~gaps, channel])
    return replace(series, values=values, filled=absent)


def check_changes(table: Table, roles: Roles, series: Series) -> None:
    """Refuse a series in which nothing can be learned of a channel."""
    if len(series.values) < 2:
        raise Refused(f"{place(table, roles, series)} must have 2 steps at least, got 1; give more, or leave it out")
    for name, values in zip(roles.values, series.values.T, strict=True):
        if values.min() == values.max():
            where, others = place(table, roles, series), [one for one in roles.values if one != name]
            problem = (
                f"column {shown_cell(name)} must change within its series, got {values[0]:g} in {len(values)} rows"
            )
            way_out = (table.options.give(value_columns=others) if others else "") or "leave it out"
            more = ", or leave the series out" if roles.series else ""
            raise Refused(f"{where}: {problem}; {way_out}{more}")
