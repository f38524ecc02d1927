"""The series in a table: which rows are whose, what is missing in them, and whether they change at all."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.data.dataset import LARGEST, Known
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
        known: What columns tell in advance, (time + steps ahead, column); None: there are no such columns.
        rows_ahead: As `rows`, of the steps beyond the values.
    """

    name: str | int
    values: np.ndarray
    stamps: pd.DatetimeIndex | None
    start: int
    rows: np.ndarray
    filled: np.ndarray | None = None
    known: np.ndarray | None = None
    rows_ahead: np.ndarray = field(default_factory=lambda: np.arange(0))

    @property
    def known_in_advance(self) -> Known | None:
        """What columns tell in advance, and in which rows."""
        return None if self.known is None else Known(self.known, self.rows_ahead)


def place(table: Table, roles: Roles, series: Series) -> str:
    """Return where a series stands, as a message names it."""
    if roles.series is None:
        return str(table.path)
    return f"{table.path}, series {shown_cell(str(series.name))}"


def rows_by_name(table: Table, column: str | None) -> Iterator[tuple[Any, Any]]:
    """Yield the name of each series, and what selects its rows."""
    if column is None:
        yield 0, slice(None)
        return
    encoded = table.columns[column].combine_chunks().dictionary_encode("encode")
    texts = ["" if name is None else str(name).strip() for name in encoded.dictionary.to_pylist()]
    alike, names = pd.factorize(np.array(texts, dtype=object))
    codes = alike[encoded.indices.to_numpy(zero_copy_only=False)]
    for number, name in enumerate(names):
        if not name or not name.isprintable():
            row = int((codes == number).argmax())
            problem = f"must name a series, got {table.text(row, column)}; name it in printable characters"
            raise table.refusal(row, column, problem)
    order = np.argsort(codes, kind="stable")
    yield from zip(names, np.split(order, np.flatnonzero(np.diff(codes[order])) + 1), strict=True)


def first_step(table: Table, roles: Roles, rows: np.ndarray) -> int:
    """Return the first of the steps of a series, where they rise one by one, else 0; check that they rise evenly."""
    if roles.step is None:
        return 0
    steps = table.read_numbers(roles.step)[rows]
    with np.errstate(invalid="ignore"):  # of steps that are infinite
        gaps = np.diff(steps)
    wrong = ~(np.abs(steps) <= LARGEST) | (steps != np.round(steps))
    wrong[1:] |= (gaps != gaps[:1]) | (gaps <= 0)
    if not wrong.any():
        counts = roles.step.lower() != "year" and (gaps[:1] == 1).all()
        return int(steps[0]) if counts else 0
    if roles.time is not None:
        return 0
    row = int(rows[wrong.argmax()])
    problem = f"steps must be whole numbers that rise evenly, got {table.text(row, roles.step)}"
    channel = table.options.give(value_columns=[roles.step, *roles.values])
    way_out = f"sort the rows and fill in what is missing, or {channel}, if it is a channel"
    raise table.refusal(row, roles.step, f"{problem}; {way_out}")


def rows_ahead(table: Table, roles: Roles) -> np.ndarray:
    """Say which rows of a table, (row,), stand at the end of their series and have no value of a target."""
    empty = np.logical_and.reduce([table.absent(name) for name in roles.targets])
    ahead = np.zeros(len(empty), bool)
    if empty.any():
        for _, selected in rows_by_name(table, roles.series):
            ahead[selected] = np.logical_and.accumulate(empty[selected][::-1])[::-1]
    return ahead


def parted(series: Series, ahead: np.ndarray, num_channels: int) -> Series:
    """Return a series without the steps beyond its values, whose columns that are known in advance stay.

    Args:
        series: Its values are followed by the columns that are known in advance.
        ahead: Which rows of the file lie beyond the values, (row,).
        num_channels: How many columns hold values.
    """
    is_ahead = (series.rows < 0) | ahead[series.rows]
    steps = len(is_ahead) - int(np.logical_and.accumulate(is_ahead[::-1]).sum())
    known = series.values[:, num_channels:]
    return replace(
        series,
        values=np.ascontiguousarray(series.values[:steps, :num_channels]),
        stamps=None if series.stamps is None else series.stamps[:steps],
        rows=series.rows[:steps],
        known=np.ascontiguousarray(known) if known.shape[1] else None,
        rows_ahead=series.rows[steps:],
    )


def without_gaps(table: Table, roles: Roles, series: Series) -> Series:
    """Return a series with each missing value on the line between its neighbours, at the ends the nearest value."""
    absent = np.isnan(series.values)
    time = np.arange(len(absent))
    if series.stamps is not None:
        time = series.stamps.asi8 - series.stamps.asi8[0]
    where = place(table, roles, series)
    if series.known is not None and np.isnan(series.known[: len(time)]).any():
        known = series.known.copy()
        known[: len(time)] = _on_lines(known[: len(time)], time, roles.known, where)
        series = replace(series, known=known)
    if not absent.any():
        return series
    return replace(series, values=_on_lines(series.values, time, roles.values, where), filled=absent)


def _on_lines(values: np.ndarray, time: np.ndarray, names: tuple[str, ...], where: str) -> np.ndarray:
    """Return values, (time, column), with nan filled in."""
    whole = values.copy()
    for column, name in enumerate(names):
        gaps = np.isnan(values[:, column])
        if gaps.all():
            raise Refused(f"{where}: column {shown_cell(name)} must hold a number, got none; leave it out")
        whole[gaps, column] = np.interp(time[gaps], time[~gaps], values[~gaps, column])
    return whole


def check_changes(table: Table, roles: Roles, series: Series) -> None:
    """Refuse a series in which nothing can be learned of a channel."""
    where = place(table, roles, series)
    if len(series.values) < 2:
        raise Refused(f"{where} must have 2 steps at least, got 1; give more, or leave it out")
    for name, values in zip(roles.values, series.values.T, strict=True):
        if values.min() == values.max():
            problem = f"must change within its series, got {values[0]:g} in {len(values)} rows"
            raise Refused(f"{where}: column {shown_cell(name)} {problem}; leave it or the series out")
