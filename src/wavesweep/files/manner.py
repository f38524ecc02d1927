"""How a file is written, so that rows can be put below its own: by a spreadsheet, or by whoever reads it."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from math import ceil, isfinite, isnan, log10
from pathlib import Path

import numpy as np
import pyarrow as pa

from wavesweep.files.columns import Roles, find_roles
from wavesweep.files.copies import fetch
from wavesweep.files.options import Options
from wavesweep.files.parsing import SEPARATORS, read_table
from wavesweep.files.series import rows_ahead, rows_by_name
from wavesweep.files.table import Table, pc
from wavesweep.files.time_format import find_time_format

BOM = b"\xef\xbb\xbf"  # by which spreadsheets know UTF-8
FINEST = 6  # digits below the standard deviation, beyond which those of a forecast are noise


@dataclass(frozen=True)
class Manner:
    """How a file is written.

    Attributes:
        columns: Its columns that have a role, in their order.
        roles: What they hold; steps, where no time stamps tell of time.
        separator: Between cells.
        decimal: What stands before the decimals of a number.
        encoding: Of the text, as Python calls it, with the mark in front where the file has one.
        line_end: Of each row.
        time_format: See `write_time`; None: none is known.
        decimals: Of each column of values, those that are written.
        steps: Of each series, by name, its last step with values, and how far these are apart; empty where there are
            none.
    """

    columns: tuple[str, ...]
    roles: Roles
    separator: str
    decimal: str
    encoding: str
    line_end: str
    time_format: str | None
    decimals: Mapping[str, int]
    steps: Mapping[str, tuple[float, float]]

    def next_steps(self, series: str, count: int) -> list[str]:
        """Return the steps that come next in a series."""
        last, apart = self.steps[series]
        return [f"{last + apart * number:.0f}" for number in range(1, count + 1)]

    def numbers(self, column: str, values: np.ndarray) -> list[str]:
        """Return values, (row,), as the file writes them in a column; nan is an empty cell."""
        return [_number(value, self.decimals[column], self.decimal) for value in values.tolist()]

    def rows(self, columns: Mapping[str, Sequence[str]]) -> bytes:
        """Return columns as a file, with their names in the first row."""
        text = StringIO()
        writer = csv.writer(text, delimiter=self.separator, lineterminator=self.line_end)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return text.getvalue().encode(self.encoding)


def read_manner(path: Path, digest: str | None, options: Options) -> Manner:
    """Look at how a file is written that has been read before.

    Args:
        path: Of the file.
        digest: SHA-256 that its content must have, see `fetch`; None: any.
        options: How it was read.
    """
    content, _ = fetch(path, digest, warn=False)
    table = read_table(path, content, options)
    roles = find_roles(table)
    if roles.time is not None:
        roles = replace(roles, step=None)
    separator = table.options.separator or ","
    marked = options.encoding == "utf-8" and content.startswith(BOM)
    return Manner(
        columns=tuple(name for name in table.columns if name in {roles.series, roles.time, roles.step, *roles.values}),
        roles=roles,
        separator=SEPARATORS.get(separator, separator),
        decimal=options.decimal,
        encoding="utf-8-sig" if marked else options.encoding,
        line_end="\r\n" if re.match(rb"[^\n]*\r\0?\n", content) else "\n",
        time_format=None if roles.time is None else find_time_format(table.columns[roles.time], options.time_format),
        decimals={name: _decimals(table, name) for name in roles.values},
        steps=_steps(table, roles),
    )


def _decimals(table: Table, column: str) -> int:
    """Return how many decimals a forecast has: one more than the file at most, and none that is finer than noise."""
    values = table.read_numbers(column)
    spread = float(np.nanstd(values))
    finest = max(FINEST - ceil(log10(spread)), 0) if spread > 0 else 0
    cells = table.columns[column]
    if not pa.types.is_string(cells.type) or pc.any(pc.match_substring_regex(cells, "[0-9.,][eE]")).as_py():
        return finest
    pattern = rf"[{table.options.decimal}](?P<decimals>[0-9]*[1-9])0*$"
    written = pc.struct_field(pc.extract_regex(pc.ascii_trim_whitespace(cells), pattern), "decimals")
    return min((pc.max(pc.binary_length(written)).as_py() or 0) + 1, finest)


def _steps(table: Table, roles: Roles) -> dict[str, tuple[float, float]]:
    """Return the last step of each series, and how far its steps are apart."""
    if roles.step is None:
        return {}
    steps, has_values = table.read_numbers(roles.step), ~rows_ahead(table, roles)
    ends = {str(name): steps[rows][has_values[rows]][-2:] for name, rows in rows_by_name(table, roles.series)}
    return {name: (last, last - before) for name, (before, last) in ends.items()}


def _number(value: float, decimals: int, decimal: str) -> str:
    """Return a number as text; nan is empty."""
    if isnan(value):
        return ""
    text = f"{value:.{decimals}f}" if isfinite(value) else str(value)
    if not text.strip("-0."):
        text = text.removeprefix("-")
    return text.replace(".", decimal)
