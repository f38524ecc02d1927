"""Series that a user brings to be forecast: one a column, one below another, or one with its channels by name."""

from dataclasses import replace
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.groups import read_option
from wavesweep.data.dataset import Observed
from wavesweep.evaluation.columns import columns_of
from wavesweep.files.columns import Roles, find_roles
from wavesweep.files.copies import fetch
from wavesweep.files.options import FixedOptions, Options
from wavesweep.files.parsing import read_table
from wavesweep.files.reading import series_of
from wavesweep.files.series import place
from wavesweep.files.table import Table, shown_cell

SERIES = "series"


def read_series(path: Path, channels: tuple[str, ...], own: Options | None = None) -> list[Observed]:
    """Read all series of a file.

    Args:
        path: Of the file: CSV, gzipped or not, or Parquet. It has the columns of the run's own, where that was a file.
            Else, of a model of one channel, each column is a series; or the columns are the channels of one series; or
            there is a column `series`. A column of time stamps or of steps may stand beside them.
        channels: Of the model.
        own: How the run's own file was read, if there was one.

    Raises:
        Refused: If the file can't be used; with the row as a spreadsheet counts them, and the column.
    """
    return series_in(read_table(path, fetch(path)[0], options_like(own)), channels, own)


def options_like(own: Options | None) -> FixedOptions:
    """Return how a file or table is read that is like a run's own, if there was one."""
    values = vars(own) if own else read_option("dataset", "csv")
    return FixedOptions(**{name: values[name] for name in FixedOptions.model_fields})


def series_in(table: Table, channels: tuple[str, ...], own: Options | None) -> list[Observed]:
    """Return all series of a table, as `read_series` does those of a file."""
    if own is not None:
        return _observed(table, find_roles(table))
    roles = _by_name(table, find_roles(table, taken=channels), channels)
    if roles.series or len(channels) > 1 or roles.values == channels:
        return _observed(table, roles)
    return [
        replace(one, name=name, place=f"{table.path}, column {shown_cell(name)}")
        for name in roles.values
        for one in _observed(table, replace(roles, values=(name,)))
    ]


def _by_name(table: Table, roles: Roles, channels: tuple[str, ...]) -> Roles:
    """Return the roles with the channels as values, where columns are called by them."""
    for channel, *bounds in columns_of(channels, bounds=True):
        if {channel, *bounds} <= {*roles.values}:  # a forecast that is forecast on
            roles = _of(roles, tuple(name for name in roles.values if name not in bounds))
    if len(channels) == 1 and roles.series and roles.values == ("value",):
        return roles
    if not (roles.series or len(channels) > 1 or set(channels) & set(roles.values)):
        return roles
    if strange := [name for name in roles.values if name not in channels]:
        raise Refused(
            f"{table.path}, row 1: column {shown_cell(strange[0])} is none of {', '.join(channels)}, which the model "
            f"forecasts, nor time, step or series; leave it out or rename it"
        )
    if missing := [name for name in channels if name not in roles.values]:
        raise Refused(f"{table.path}, row 1: must have a column {missing[0]}, a channel of the model, got none; add it")
    return _of(roles, channels)


def _of(roles: Roles, values: tuple[str, ...]) -> Roles:
    """Return roles with other values, each of them a target."""
    return replace(roles, values=values, targets=values)


def _observed(table: Table, roles: Roles) -> list[Observed]:
    return [
        Observed(one.name, one.values, one.start, one.stamps, place(table, roles, one), known=one.known_in_advance)
        for one in series_of(table, roles)[0]
    ]
