"""Series that a user brings in a CSV file: one a column, one below another, or one with its channels by name."""

import csv
import gzip
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wavesweep.base.errors import Refused, in_short
from wavesweep.data.dataset import Observed
from wavesweep.data.splits import LARGEST
from wavesweep.reproduction.time_stamps import Refuse, are_stamps, read_stamps

if TYPE_CHECKING:
    import pandas as pd

SERIES = "series"
TIMES = ("time", "date", "timestamp", "ds", "datetime")
STEPS = ("step", "t", "index")


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
    roles = _roles(path, table, channels)
    if roles.series:
        if "" in (names := list(table[roles.series])):
            raise _refusal(path, names.index("") + 2, roles.series, "must name a series, got an empty cell; name it")
        groups = table.groupby(roles.series, sort=False)
        return [_observed(path, rows, roles, str(name), f"series {printable(str(name))}") for name, rows in groups]
    if len(channels) > 1:
        return [_observed(path, table, roles, 0)]
    return [
        _observed(path, table, replace(roles, values=[name]), name, f"column {printable(name)}")
        for name in roles.values
    ]


def printable(text: str) -> str:
    """Return what a file holds such that it fits into one line of a message."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= 40 else f"{plain[:37]}..."


def _read(path: Path) -> "pd.DataFrame":
    """Read the cells of a file, indexed by row as a spreadsheet counts them; each row has one for each column."""
    import pandas as pd

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
    return pd.DataFrame(body, range(2, len(rows) + 1), header, dtype=object)


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


def _roles(path: Path, table: "pd.DataFrame", channels: tuple[str, ...]) -> Roles:
    """Say what each column is; a channel's name goes before what it would mean otherwise."""
    free = [name for name in table.columns if name not in channels]
    series = _only(path, free, (SERIES,))
    time, step = _only(path, free, TIMES), _only(path, free, STEPS)
    values = [name for name in table.columns if name not in (series, time, step)]
    if time is None and series is None:
        texts = [name for name in values if any(_number(cell) is None for cell in table[name])]
        time = texts[0] if len(texts) == 1 and are_stamps(list(table[texts[0]])) else None
        values = [name for name in values if name != time]
    if len(channels) == 1 and series and values == ["value"]:
        return Roles(time, step, series, values)
    named = [name for name in values if name in channels]
    by_name = bool(named) or series or len(channels) > 1
    if by_name and (strange := [name for name in values if name not in channels]):
        raise Refused(
            f"{path}, row 1: column {printable(strange[0])} is none of {', '.join(channels)}, which the model "
            f"forecasts, nor time, step or series; leave it out or rename it"
        )
    if by_name and (missing := [name for name in channels if name not in values]):
        raise Refused(f"{path}, row 1: must have a column {missing[0]}, a channel of the model, got none; add it")
    if not values:
        raise Refused(f"{path}, row 1: must have a column of values, got {', '.join(table.columns)}; add one")
    return Roles(time, step, series, [*channels] if by_name else values)


def _only(path: Path, free: list[str], names: tuple[str, ...]) -> str | None:
    """Return the column that is called by one of the names."""
    found = [name for name in free if name.lower() in names]
    if len(found) > 1:
        raise Refused(f"{path}, row 1: columns {' and '.join(found)} mean the same; leave one of them out")
    return found[0] if found else None


def _observed(path: Path, table: "pd.DataFrame", roles: Roles, name: str | int, place: str = "") -> Observed:
    """Return the series that stands in the rows of a table."""

    def column(name: str) -> tuple[list[str], Refuse]:
        return list(table[name]), lambda number, problem: _refusal(path, table.index[number], name, problem)

    return Observed(
        name,
        np.stack([_numbers(*column(one)) for one in roles.values], axis=1),
        _first_step(*column(roles.step)) if roles.step else 0,
        read_stamps(*column(roles.time)) if roles.time else None,
        f"{path}, {place}" if place else str(path),
    )


def _refusal(path: Path, row: int, column: str, problem: str) -> Refused:
    """Return what says where a cell breaks a rule."""
    return Refused(f"{path}, row {row}, column {printable(column)}: {problem}")


def _first_step(cells: list[str], refuse: Refuse) -> int:
    """Return the first of the steps in a column, which rise by one."""
    first = 0
    for number, cell in enumerate(cells):
        step = _number(cell)
        if step is None or not step.is_integer() or abs(step) > LARGEST:
            raise refuse(number, f"must be a whole number, got {printable(cell) or 'nothing'}; mend it")
        first = first if number else int(step)
        if step != first + number:
            problem = f"steps must rise by 1, got {printable(cell)} where {first + number} comes next"
            raise refuse(number, f"{problem}; sort the rows and fill in what is missing")
    return first


def _numbers(cells: list[str], refuse: Refuse) -> np.ndarray:
    """Return the values of a column, (row,)."""
    numbers = np.array([_number(cell) for cell in cells], dtype=np.float64)  # None becomes nan
    if not (valid := np.abs(numbers) <= LARGEST).all():
        number = int(valid.argmin())
        rule = f"must be a finite number of at most {LARGEST:g} in size"
        got = printable(cells[number]) or "an empty cell"
        raise refuse(number, f"{rule}, got {got}; fill it in, or leave the row or the column out")
    return numbers


def _number(cell: str) -> float | None:
    """Return the number that a cell holds, to the last bit; None if it holds none."""
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None
