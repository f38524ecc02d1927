"""What the columns of a file are: time stamps, steps, names of series, values."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hydra_queue_sweeper.base.errors import Refused, shown, suggestion
from wavesweep.files.stamps import are_dates
from wavesweep.files.table import FEW, Table, pc, shown_cell

TIMES = ("time", "date", "timestamp", "datetime", "ds")
UNNAMED = ("", "unnamed: 0", "__index_level_0__")  # as pandas leaves the index of a table
STEPS = ("step", "index", "id", "t", "year", *UNNAMED)
SERIES = ("series", "series_id", "unique_id", "item_id", "symbol")

MOST_NAMES = 30_000  # characters that a stored configuration has room for


@dataclass(frozen=True)
class Roles:
    """Names of columns by what they hold; None where there is none."""

    time: str | None
    step: str | None
    series: str | None
    values: tuple[str, ...]
    targets: tuple[str, ...]
    known: tuple[str, ...] = ()


def find_roles(table: Table, taken: tuple[str, ...] = ()) -> Roles:
    """Say what each column is: what the options tell, else what it is called; a single one of dates tells the time.

    Args:
        table: The cells.
        taken: Columns that hold values whatever they are called.

    Raises:
        Refused: If a column that is named is not there, or one can't be told to be anything.
    """
    options = table.options
    told = {*taken, *_told(table)}
    free = [name for name in table.columns if name not in told]
    series = options.series_column
    if series is None:
        called = [name for name in free if name.lower() in SERIES]
        series = _single(table, called, "series_column", "may all name the series")
    free = [name for name in free if name != series]
    time, step = _time_and_step(table, free)
    counters = [name for name in free if _counts_rows(table, name)]
    known = options.known or ()
    others = {time, step, series, *counters, *known}
    values = options.value_columns or tuple(name for name in table.columns if name not in others)
    _check_names(table, values)
    _check_known(table, values)
    _check_numbers(table, (*values, *known))
    return Roles(time, step, series, values, _targets(table, values), known)


def _told(table: Table) -> list[str]:
    """Return the columns that options name; refuse one that is not there."""
    options = table.options
    told = [("time_column", options.time_column), ("series_column", options.series_column)]
    for key in ("value_columns", "known"):
        told += [(key, name) for name in getattr(options, key) or ()]
    for key, name in told:
        if name is not None and name not in table.columns:
            there = f"must have the column {shown_cell(name)} of dataset.{key}"
            raise Refused(f"{table.path}, row 1: {there}; {suggestion(name, table.columns):.200}")
    return [name for _, name in told if name is not None]


def _time_and_step(table: Table, free: list[str]) -> tuple[str | None, str | None]:
    """Return the column of time stamps, and that of steps; there may be neither, or both."""
    told = table.options.time_column
    if told is not None:
        is_time = table.options.time_format is not None or table.is_text(told) or _holds_dates(table, told)
        return (told, None) if is_time else (None, told)
    dates = [name for name in free if _holds_dates(table, name)]
    called = [name for name in free if name.lower() in TIMES and (name in dates or table.is_text(name))]
    time = _single(table, called, "time_column", "may all tell the time")
    if time is None and len(dates) == 1:
        time = dates[0]
    steps = [name for name in free if name.lower() in TIMES + STEPS and name not in dates and not table.is_text(name)]
    if time is not None:
        steps = [name for name in steps if _counts_rows(table, name)]
    named = [name for name in steps if name.lower() not in UNNAMED]
    step = _single(table, named, "time_column", "mean the same")
    if step is None and steps:
        step = steps[0]
    if time is None and table.options.time_format is not None:  # which says of numbers too that they are times
        return step, None
    return time, step


def _single(table: Table, names: list[str], key: str, problem: str) -> str | None:
    """Return the only one of some columns, None where there is none; refuse several, of which a key can tell one."""
    if len(names) > 1:
        way_out = table.options.give(**{key: names[0]})
        raise Refused(f"{table.path}, row 1: columns {_listed(names)} {problem}; {way_out}")
    return names[0] if names else None


def _holds_dates(table: Table, name: str) -> bool:
    """Say whether most cells of a column are dates, with or without a time of day, as the first tell."""
    cells = table.columns[name]
    if not pa.types.is_string(cells.type):
        return pa.types.is_temporal(cells.type)
    if table.is_text(name):
        few = cells.slice(0, FEW)
        return bool(2 * are_dates(few).sum() > len(few))
    if name.lower() not in TIMES:
        return False
    return bool(pc.all(pc.match_substring_regex(cells, r"^(19|20)\d\d(0[1-9]|1[012])[0-3]\d$")).as_py())


def _counts_rows(table: Table, name: str) -> bool:
    """Say whether a column numbers the rows, as an index does, so that it is no channel."""
    called = name.lower()
    if called not in TIMES + STEPS or table.is_text(name):
        return False
    with np.errstate(invalid="ignore"):  # of steps that are infinite
        return called in ("step", *UNNAMED) or bool((np.diff(table.read_numbers(name)) == 1).all())


def _check_names(table: Table, values: tuple[str, ...]) -> None:
    """Refuse a file without values, and names of these that can't be stored."""
    where = f"{table.path}, row 1"
    if not values:
        raise Refused(f"{where}: must have a column of values, got {_listed(table.columns)}; add one")
    if len("".join(values)) > MOST_NAMES:
        problem = f"names of channels must have at most {MOST_NAMES:,} characters together"
        raise Refused(f"{where}: {problem}, got {len(values):,} names; give fewer as dataset.value_columns")


def _targets(table: Table, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the channels that are scored; refuse one that is not there."""
    targets = table.options.target or values
    for name in targets:
        if name not in values:
            nearest = suggestion(name, values)
            raise Refused(f"dataset.target: {shown(name)} is no channel of {table.path}; {nearest:.200}")
    return targets


def _check_known(table: Table, values: tuple[str, ...]) -> None:
    """Refuse a column that is to be forecast, and known in advance as well."""
    options = table.options
    for name in options.known or ():
        others = [options.time_column, options.series_column, *values, *(options.target or ())]
        if name in others:
            problem = f"{shown(name)} can't be known in advance and be what tells time, names series or is forecast"
            raise Refused(f"dataset.known: {problem}; leave it out of one of them")


def _check_numbers(table: Table, values: tuple[str, ...]) -> None:
    """Refuse text among the values, with what its column may be instead."""
    texts = [name for name in values if table.is_text(name)]
    if not texts:
        return
    options, column = table.options, texts[0]
    row = int((np.isnan(table.read_numbers(column)) & ~table.absent(column)).argmax())
    if _holds_dates(table, column):
        other = f"{options.give(time_column=column)}, if it tells the time"
    else:
        other = f"{options.give(series_column=column)}, if it names the series"
    numbers = [name for name in values if name not in texts]
    way_out = f"{options.give(value_columns=numbers or ['NAME'])}, or {other}"
    raise table.refusal(row, column, f"must hold numbers, got {table.text(row, column)}; {way_out}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(shown_cell(name) or "without a name" for name in names)[:200]
