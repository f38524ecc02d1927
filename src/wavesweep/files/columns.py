"""What the columns of a file are: time stamps, steps, names of series, values."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from wavesweep.base.errors import Refused, suggestion
from wavesweep.files.stamps import are_stamps, parse
from wavesweep.files.table import Table, pc, shown_cell

TIMES = ("time", "date", "timestamp", "ds", "datetime", "month", "day", "week", "quarter")
_UNNAMED = ("", "unnamed: 0")
STEPS = ("step", "t", "index", "id", "row", "year", *_UNNAMED)
SERIES = ("series", "unique_id", "id", "item_id", "series_id", "symbol", "ticker", "store", "shop", "item", "product")

MOST_NAMES = 30_000  # characters that a stored configuration has room for


@dataclass(frozen=True)
class Roles:
    """Names of columns by what they hold; None where there is none."""

    time: str | None
    step: str | None
    series: str | None
    values: tuple[str, ...]


def find_roles(table: Table, taken: tuple[str, ...] = ()) -> Roles:
    """Say what each column is, as the options tell, else as names and cells do.

    Args:
        table: The cells.
        taken: Columns that hold values whatever they are called.

    Raises:
        Refused: If a column that is named is not there, or one can't be told to be anything.
    """
    options = table.options
    named = [("time_column", options.time_column), ("series_column", options.series_column)]
    named += [("value_columns", name) for name in options.value_columns or ()]
    for key, name in named:
        if name is not None and name not in table.columns:
            there = f"must have the column {shown_cell(name)} of dataset.{key}"
            raise Refused(f"{table.path}, row 1: {there}; {suggestion(name, table.columns):.200}")
    told = {*taken, *(name for _, name in named)}
    free = [name for name in table.columns if name not in told]
    series = options.series_column or _series_by_name(table, free)
    time, step = _time(table, [name for name in free if name != series], series)
    if options.time_column is not None:
        time, step = _as_told(table, options.time_column)
    if series is None:
        series = _series_by_cells(table, [name for name in free if name not in (time, step)], time)
    values = options.value_columns or tuple(name for name in table.columns if name not in (time, step, series))
    if not values:
        raise Refused(f"{table.path}, row 1: must have a column of values, got {_listed(table.columns)}; add one")
    if odd := next((name for name in table.columns if not name.isprintable()), None):
        raise Refused(
            f"{table.path}, row 1: must name columns in printable characters, got {shown_cell(odd)}; rename it"
        )
    if "" in values:
        raise Refused(f"{table.path}, row 1, column 1: must have a name, got none; name it or leave it out")
    if len("".join(values)) > MOST_NAMES:
        problem = f"names of channels must have at most {MOST_NAMES:,} characters together"
        raise Refused(f"{table.path}, row 1: {problem}, got {len(values):,} names; give fewer as dataset.value_columns")
    _check_values(table, values)
    return Roles(time, step, series, values)


def _time(table: Table, free: list[str], series: str | None) -> tuple[str | None, str | None]:
    """Return the column of time stamps, and that of steps; there may be neither, or both."""
    dates = [name for name in free if _is_time(table, name)]
    steps = [name for name in free if name.lower() in TIMES + STEPS and name not in dates and not table.is_text(name)]
    even = [name for name in steps if _rises(table, name, series)]
    called = [name for name in free if name.lower() in TIMES and (name in dates or table.is_text(name))]
    if len(called) > 1:
        way_out = f"{table.options.give(time_column=called[0]) or 'leave one of them out'}, or join them in one"
        raise Refused(f"{table.path}, row 1: columns {_listed(called)} may all tell the time; {way_out}")
    time = called[0] if called else dates[0] if len(dates) == 1 else None
    named = [name for name in even if name.lower() not in _UNNAMED]
    if len(named) > 1:
        raise Refused(f"{table.path}, row 1: columns {_listed(named)} mean the same; leave one of them out")
    unnamed = [name for name in steps if name.lower() in _UNNAMED]  # as pandas leaves its index: never a channel
    if time is None and not even:
        even = [name for name in steps if name.lower() in STEPS]  # of which it is told where they don't
    return time, next(iter([*named, *even, *unnamed]), None)


def _as_told(table: Table, name: str) -> tuple[str | None, str | None]:
    """Return the column of time stamps, and that of steps, of which one is named."""
    told = table.options.time_format is not None or _is_time(table, name) or table.is_text(name)
    return (name, None) if told else (None, name)


def _is_time(table: Table, name: str) -> bool:
    """Say whether a column holds dates."""
    cells = table.columns[name]
    if pa.types.is_temporal(cells.type):
        return True
    if not pa.types.is_string(cells.type):
        return False
    if table.is_text(name):
        return are_stamps(cells)
    if name.lower() not in TIMES:
        return False
    return bool(pc.all(pc.match_substring_regex(cells, r"^(19|20)\d\d(0[1-9]|1[012])[0-3]\d$")).as_py())


def _rises(table: Table, name: str, series: str | None) -> bool:
    """Say whether the numbers in a column rise by a whole one, always the same, from row to row or within series."""
    steps = table.read_numbers(name)
    ways = [np.diff(steps)]
    if series is not None:
        codes = pd.factorize(table.columns[series].to_pandas())[0]
        order = np.argsort(codes, kind="stable")
        ways.append(np.diff(steps[order])[np.diff(codes[order]) == 0])
    return any(len(gaps) and gaps[0] >= 1 and (gaps == np.round(gaps[0])).all() for gaps in ways)


def _series_by_name(table: Table, free: list[str]) -> str | None:
    """Return the column of names of series, as it is called; one of numbers that are all different is none."""
    named = [name for name in free if name.lower() in SERIES]
    named = [name for name in named if name.lower() == SERIES[0] or _repeats(table, name)]
    named = [name for name in named if not _is_time(table, name)]
    if len(named) > 1:
        way_out = table.options.give(series_column=named[0]) or "leave one of them out"
        raise Refused(f"{table.path}, row 1: columns {_listed(named)} may all name the series; {way_out}")
    return named[0] if named else None


def _series_by_cells(table: Table, free: list[str], time: str | None) -> str | None:
    """Return the one column of text that names series: they stand below each other, or share time stamps."""
    texts = [name for name in free if table.is_text(name)]
    if len(texts) != 1 or not _repeats(table, texts[0]):
        return None
    names = pd.factorize(table.columns[texts[0]].to_pandas())[0]
    if (np.diff(names) != 0).sum() == names.max():
        return texts[0]
    if time is None:
        return None
    stamps = parse(table.columns[time], table.options.time_format).asi8
    together = pd.DataFrame({"names": names, "stamps": stamps})
    return texts[0] if len(np.unique(stamps)) < len(stamps) and not together.duplicated().any() else None


def _repeats(table: Table, name: str) -> bool:
    cells = table.columns[name]
    return 2 * pc.count_distinct(cells).as_py() <= len(cells)


def _check_values(table: Table, values: tuple[str, ...]) -> None:
    """Refuse text among the values."""
    texts = [name for name in values if table.is_text(name)]
    if not texts:
        return
    numbers = [name for name in values if name not in texts]
    row = 0 if table.options.value_columns else int(np.isnan(table.read_numbers(texts[0])).argmax())
    problem = f"must hold numbers, got {table.text(row, texts[0])}"
    ways = [table.options.give(value_columns=numbers) or "leave the column out"] if numbers else ["give numbers"]
    if len(table.columns) == 1 and re.fullmatch(r"\S+( \S+)+", table.text(row, texts[0])):
        ways = [table.options.give(separator=" ") or "separate cells by commas"]
    if table.options.series_column is None and _repeats(table, texts[0]):
        series = table.options.give(series_column=texts[0]) or "call it series"
        ways.append(f"{series}, if it names the series")
    if table.options.time_column is None and are_stamps(table.columns[texts[0]]):
        ways.append(table.options.give(time_column=texts[0]) or "call it time")
    raise table.refusal(row, texts[0], f"{problem}; {', or '.join(ways)}")


def _listed(names: object) -> str:
    return ", ".join(shown_cell(name) or "without a name" for name in names)[:200]  # type: ignore[attr-defined]
