"""Series that a user brings in a CSV file: one a column, one below another, or one with its channels by name."""

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wavesweep.base.errors import Refused, in_short
from wavesweep.data.dataset import Observed
from wavesweep.data.splits import LARGEST
from wavesweep.reproduction.time_stamps import BadStamp, are_stamps, read_stamps

if TYPE_CHECKING:
    import pandas as pd

SERIES = "series"
TIMES = ("time", "date", "timestamp", "ds", "datetime")
STEPS = ("step", "t", "index")


@dataclass(frozen=True)
class Table:
    """The cells of a file, by column; the first of each stands in row 2."""

    path: Path
    columns: dict[str, list[str]]

    def refusal(self, row: int, column: str, problem: str) -> Refused:
        """Return what says where a cell breaks a rule; rows are counted from the first cell below the header."""
        return Refused(f"{self.path}, row {row + 2}, column {printable(column)}: {problem}")


@dataclass(frozen=True)
class Roles:
    """What the columns of a table hold: time stamps, steps, names of series, values."""

    time: str | None
    step: str | None
    series: str | None
    values: list[str]


def read_series(path: Path, channels: tuple[str, ...]) -> list[Observed]:
    """Read all series of a CSV file.

    Args:
        path: Of the file, `.csv` or `.csv.gz`, with one row of names above the others. Of a model of one channel, each
            column is a series; or the columns are the channels of one series; or there is a column `series`. A column
            of time stamps or of steps may stand beside them.
        channels: Of the model.

    Raises:
        Refused: If the file can't be used; with the row as a spreadsheet counts them, and the column.
    """
    table = _read(path)
    roles = _roles(table, channels)
    numbers = {name: _numbers(table, name) for name in roles.values}
    count = len(next(iter(table.columns.values())))
    if roles.series:
        rows = _rows_by_series(table, roles.series)
        return [_observed(table, roles, numbers, name, f"series {printable(name)}", own) for name, own in rows.items()]
    if len(channels) > 1:
        return [_observed(table, roles, numbers, 0, "", range(count))]
    alone = [Roles(roles.time, roles.step, None, [name]) for name in roles.values]
    return [
        _observed(table, one, numbers, one.values[0], f"column {printable(one.values[0])}", range(count))
        for one in alone
    ]


def printable(text: str) -> str:
    """Return what a file holds such that it fits into one line of a message."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= 40 else f"{plain[:37]}..."


def _read(path: Path) -> Table:
    """Read the cells of a file, and make sure that each row has one for each column."""
    if not path.name.lower().endswith((".csv", ".csv.gz")):
        raise Refused(f"{path} must be a CSV file, called .csv or .csv.gz; give another")
    if not path.is_file():
        problem = "it is none" if path.exists() else "it is not there"
        raise Refused(f"{path} must be a CSV file, but {problem}; give another")
    try:
        unpacked = gzip.open if path.suffix.lower() == ".gz" else open
        with unpacked(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (csv.Error, EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise Refused(f"{path} can't be read as CSV in UTF-8 ({in_short(error)}); save it as such") from None
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise Refused(f"{path} is empty; give a row of names, and a row for each step")
    header, *body = [[cell.strip() for cell in row] for row in rows]
    _check_header(path, header)
    if not body:
        raise Refused(f"{path} must have a row for each step below its row of names, got none; give some")
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise Refused(f"{path}, row {number}: must have {len(header)} cells, as row 1 has, got {len(row)}; mend it")
    return Table(path, dict(zip(header, map(list, zip(*body, strict=True)), strict=True)))


def _check_header(path: Path, header: list[str]) -> None:
    """Refuse a first row that is none of names: its values would be lost in silence."""
    if len(header) == 1 and (strange := re.search(r"[;\t]", header[0])):
        what = "tabs" if strange[0] == "\t" else "semicolons"
        raise Refused(f"{path}, row 1: its cells must be separated by commas, got {what}; save it with commas")
    for number, name in enumerate(header, start=1):
        if not name:
            raise Refused(f"{path}, row 1, column {number}: must have a name, got none; name it or leave it out")
        if header.index(name) < number - 1:
            raise Refused(f"{path}, row 1, column {number}: must have a name of its own, got {printable(name)} again")
    numbered = [str(number) for number in range(len(header))]  # as pandas names columns
    if header != numbered and all(_number(name) is not None for name in header):
        raise Refused(f"{path}, row 1: must name the columns, got numbers; put a row of names above them")


def _roles(table: Table, channels: tuple[str, ...]) -> Roles:
    """Say what each column is; a channel's name goes before what it would mean otherwise."""
    free = [name for name in table.columns if name not in channels]
    series = _only(table, free, (SERIES,))
    time, step = _only(table, free, TIMES), _only(table, free, STEPS)
    values = [name for name in table.columns if name not in (series, time, step)]
    if time is None and series is None:
        texts = [name for name in values if any(_number(cell) is None for cell in table.columns[name])]
        time = texts[0] if len(texts) == 1 and are_stamps(table.columns[texts[0]]) else None
        values = [name for name in values if name != time]
    if len(channels) == 1 and series and values == ["value"]:
        return Roles(time, step, series, values)
    named = [name for name in values if name in channels]
    by_name = bool(named) or series or len(channels) > 1
    if by_name and (strange := [name for name in values if name not in channels]):
        raise Refused(
            f"{table.path}, row 1: column {printable(strange[0])} is none of {', '.join(channels)}, which the model "
            f"forecasts, nor time, step or series; leave it out or rename it"
        )
    if by_name and (missing := [name for name in channels if name not in values]):
        raise Refused(f"{table.path}, row 1: must have a column {missing[0]}, a channel of the model, got none; add it")
    if not values:
        raise Refused(f"{table.path}, row 1: must have a column of values, got {', '.join(table.columns)}; add one")
    return Roles(time, step, series, [*channels] if by_name else values)


def _only(table: Table, free: list[str], names: tuple[str, ...]) -> str | None:
    """Return the column that is called by one of the names."""
    found = [name for name in free if name.lower() in names]
    if len(found) > 1:
        raise Refused(f"{table.path}, row 1: columns {' and '.join(found)} mean the same; leave one of them out")
    return found[0] if found else None


def _rows_by_series(table: Table, column: str) -> dict[str, list[int]]:
    """Return the rows of each series, in the order in which they come first."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(table.columns[column]):
        if not name:
            raise table.refusal(row, column, "must name a series, got an empty cell; name it")
        rows.setdefault(name, []).append(row)
    return rows


def _observed(
    table: Table, roles: Roles, numbers: dict[str, np.ndarray], name: str | int, place: str, rows: Sequence[int]
) -> Observed:
    """Return a series that stands in some rows of a table."""
    return Observed(
        name,
        np.stack([numbers[column][rows] for column in roles.values], axis=1),
        _first_step(table, roles.step, rows) if roles.step else 0,
        _stamps(table, roles.time, rows) if roles.time else None,
        f"{table.path}, {place}" if place else str(table.path),
    )


def _first_step(table: Table, column: str, rows: Sequence[int]) -> int:
    """Return the first of the steps in a column, which rise by one."""
    first = 0
    for number, row in enumerate(rows):
        cell = table.columns[column][row]
        step = _number(cell)
        if step is None or not step.is_integer() or abs(step) > LARGEST:
            raise table.refusal(row, column, f"must be a whole number, got {printable(cell) or 'nothing'}; mend it")
        first = first if number else int(step)
        if step != first + number:
            problem = f"steps must rise by 1, got {printable(cell)} where {first + number} comes next"
            raise table.refusal(row, column, f"{problem}; sort the rows and fill in what is missing")
    return first


def _stamps(table: Table, column: str, rows: Sequence[int]) -> "pd.DatetimeIndex":
    """Return the time stamps that stand in some rows of a column."""
    try:
        return read_stamps([table.columns[column][row] for row in rows])
    except BadStamp as error:
        raise table.refusal(rows[error.number], column, str(error)) from None


def _numbers(table: Table, column: str) -> np.ndarray:
    """Return the values of a column, (row,)."""
    cells = table.columns[column]
    numbers = [_number(cell) for cell in cells]
    for row, (cell, number) in enumerate(zip(cells, numbers, strict=True)):
        if number is None or not abs(number) <= LARGEST:
            rule = f"must be a finite number of at most {LARGEST:g} in size, got {printable(cell) or 'an empty cell'}"
            raise table.refusal(row, column, f"{rule}; fill it in, or leave the row or the column out")
    return np.array(numbers, dtype=np.float64)


def _number(cell: str) -> float | None:
    """Return the number that a cell holds, to the last bit; None if it holds none."""
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None
