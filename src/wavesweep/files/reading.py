"""A file as series, read once for all configurations that read it alike."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused
from wavesweep.files.bundles import is_pattern, matching
from wavesweep.files.columns import Roles, find_roles
from wavesweep.files.copies import fetch
from wavesweep.files.options import Options
from wavesweep.files.parsing import read_table
from wavesweep.files.series import (
    Series,
    check_changes,
    first_step,
    parted,
    place,
    rows_ahead,
    rows_by_name,
    without_gaps,
)
from wavesweep.files.spacing import evenly_spaced, in_order, times_of
from wavesweep.files.table import Table


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        series: In the order in which they begin in the file.
        options: How it was read, all filled in that the file tells.
        digest: SHA-256 of the file as it is.
        filled: Cells and steps that were filled in, and rows that were averaged, in words; empty where none was.
    """

    series: tuple[Series, ...]
    options: Options
    digest: str
    filled: str


def read_file(path: str, digest: str | None, options: Options) -> Content:
    """Read a file; once for all, as long as it is the same.

    Args:
        path: Of the file.
        digest: SHA-256 that its content must have; None: any.
        options: How it is read.

    Raises:
        Refused: If it can't be used; with the row as a spreadsheet counts them, and the column.
    """
    try:
        places = matching(path) if is_pattern(path) else [Path(path)]
        found = [place.stat() for place in places]
        state = tuple((one.st_size, one.st_mtime_ns, one.st_ino) for one in found)
    except (OSError, Refused):
        state = None
    return _read_file(path, digest, options, state)  # type: ignore[arg-type]  # whose hash is made by pydantic


@lru_cache(maxsize=4)
def _read_file(path: str, digest: str | None, options: Options, _: object) -> Content:
    content, found = fetch(Path(path), digest)
    table = read_table(Path(path), content, options)
    roles = find_roles(table)
    series, filled = series_of(table, roles)
    told = {"series_column": roles.series, "value_columns": roles.values}
    told["time_column"] = roles.step if roles.time is None else roles.time
    for one in series:
        check_changes(table, roles, one)
    return Content(series, table.options.model_copy(update=told), found, filled)


def series_of(table: Table, roles: Roles) -> tuple[tuple[Series, ...], str]:
    """Return the series that stand in the columns of a table, and in words what was filled in.

    Raises:
        Refused: At the first cell that breaks a rule.
    """
    ahead = rows_ahead(table, roles)
    columns = [*roles.values, *roles.known]
    values = np.stack([table.values(name, may_lack=ahead) for name in columns], axis=1)
    times = None if roles.time is None else times_of(table, roles.time)
    numbers = np.arange(len(values))
    series = []
    for name, selected in rows_by_name(table, roles.series):
        rows = numbers[selected]
        stamps = None if times is None else times[selected]
        series.append(Series(name, values[selected], stamps, first_step(table, roles, rows), rows))
    if roles.time is not None:
        ordered = [in_order(table, roles.time, one) for one in series]
        series = evenly_spaced(table, roles.time, ordered)
    series = [parted(one, ahead, len(roles.values)) for one in series]
    for one in series:
        if not len(one.values):
            raise Refused(f"{place(table, roles, one)} must have a value of {roles.targets[0]}, got none; leave it out")
    series = [without_gaps(table, roles, one) for one in series]
    return tuple(series), _changes_in_words(len(values), series)


def _changes_in_words(num_rows: int, series: list[Series]) -> str:
    """Return how series differ from the rows of their file: "3 rows averaged, 1 empty cell filled in"."""
    absent = sum(int((one.rows < 0).sum()) for one in series)
    ahead = sum(int((one.rows_ahead >= 0).sum()) for one in series)
    filled = sum(int(one.filled.sum()) for one in series if one.filled is not None)
    counts = [
        (num_rows - ahead + absent - sum(len(one.rows) for one in series), "row", "averaged"),
        (absent, "absent time stamp", "filled in"),
        (filled - absent * series[0].values.shape[1], "empty cell", "filled in"),
    ]
    return ", ".join(f"{counted(count, what)} {done}" for count, what, done in counts if count)
