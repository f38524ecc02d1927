"""The bytes of a file as a table: text decoded, rows counted, cells cut; Parquet as it is typed."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from hydra_queue_sweeper.base.errors import Refused, in_short
from wavesweep.files.bundles import is_bundle, unbundle
from wavesweep.files.options import Options
from wavesweep.files.stamps import are_dates
from wavesweep.files.table import NUMBER, Table, is_number_type, pc, shown_cell

SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|"}
"""What is looked for in the header, by the name that options have for it."""
SERIES = "series"
"""What the column of the series' names is called where files name them."""
MOST_COLUMNS, MOST_CELLS = 10_000, 10**9
AS_TEXT = {f"f{number}": pa.string() for number in range(MOST_COLUMNS)}


def read_table(path: Path, content: bytes, options: Options) -> Table:
    """Read the cells of a file.

    Args:
        path: Of the file, for messages.
        content: Of the file, unpacked.
        options: How it is read.

    Raises:
        Refused: If it is no table: it can't be decoded, has no rows, or rows of unequal numbers of cells.
    """
    if is_bundle(content):
        return _read_bundle(path, content, options)
    if content.startswith(b"PAR1"):
        cells = _read_parquet(path, content)
        names = [name.strip() for name in cells.column_names]
    else:
        text = _in_utf8(path, content, options)
        options = options.model_copy(update={"separator": options.separator or _separator(text)})
        rows = _read_csv(path, text, options)
        names = [str(column[0].as_py()).strip() for column in rows.columns]
        cells = rows.slice(1)
        _check_header(path, names)
    if not len(cells):
        raise Refused(f"{path} must have a row for each step below its row of names, got none; give some")
    _check_names(path, names)
    return Table(path, options, dict(zip(names, cells.columns, strict=True)))


def _read_bundle(path: Path, content: bytes, options: Options) -> Table:
    """Return the rows of several files below each other, with a column of the series' names, which are the files'."""
    tables, names = [], []
    for name, one in unbundle(path, content):
        tables.append(read_table(path.parent / name, one, options))
        names.append(name.partition(".")[0])
    column = options.series_column or SERIES
    first = tables[0]
    for table in tables:
        if different := sorted(first.columns.keys() ^ table.columns.keys()):
            problem = f"must have the columns of {first.path}, but {shown_cell(different[0])} is in one of them alone"
            raise Refused(f"{table.path}, row 1: {problem}; make them alike")
        if column in table.columns:
            raise Refused(f"{table.path}, row 1: column {shown_cell(column)} must not be there: files name the series")
    if len(set(names)) < len(names):
        raise Refused(f"{path}: names of files must differ before the first dot, since they name series; rename some")
    lengths = [len(next(iter(table.columns.values()))) for table in tables]
    columns: dict[str, Any] = {name: _below_each_other([one.columns[name] for one in tables]) for name in first.columns}
    columns[column] = pa.chunked_array([pa.array(np.repeat(np.array(names, dtype=object), lengths), pa.string())])
    begins = np.cumsum([0, *lengths[:-1]])
    places = tuple((int(begin), table.path) for begin, table in zip(begins, tables, strict=True))
    options = first.options.model_copy(update={"series_column": column})
    return Table(path, options, columns, places=places)


def _below_each_other(columns: list[Any]) -> Any:
    """Return one column of several, of text where they are of several types."""
    if len({one.type for one in columns}) > 1:
        columns = [one.cast(pa.string()) for one in columns]
    return pa.chunked_array([chunk for one in columns for chunk in one.chunks])


def _in_utf8(path: Path, content: bytes, options: Options) -> bytes:
    """Return text in UTF-8 without a mark in front, its last line ended once; copied only where it must be."""
    text = content
    try:
        if options.encoding != "utf-8":
            text = content.decode(options.encoding).encode()
        elif not content.isascii():
            content.decode()
        if b"\0" in text:
            raise ValueError("it holds a byte of 0, as no text does")
    except (LookupError, ValueError) as error:
        row = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        problem = f"must be text in {options.encoding} ({in_short(error):.80})"
        way_out = options.give(encoding="cp1252")
        raise Refused(f"{path}, row {row}: {problem}; save it in UTF-8, or {way_out}, utf-16 or another") from None
    text = text.removeprefix("\ufeff".encode())
    if not re.search(rb"[^\r\n](\r\n|\r|\n)\Z", text[-3:]):
        text = text.rstrip(b"\r\n") + b"\n"
    if text == b"\n":
        raise Refused(f"{path} is empty; give a row of names, and a row for each step")
    return text


def _separator(text: bytes) -> str:
    """Return what stands most often in the first row outside of quotes, a comma where nothing does."""
    header = re.sub(rb'"[^"]*"', b"", re.split(rb"[\r\n]", text[: 1 << 20], maxsplit=1)[0])
    return max(SEPARATORS, key=lambda name: header.count(SEPARATORS[name].encode()))


def _read_csv(path: Path, text: bytes, options: Options) -> Any:
    """Return all cells as text, the header's in the first row."""
    separator = str(options.separator)
    quoted = b'"' in text
    if quoted and text.count(b'"') % 2:
        raise Refused(f'{path} must close each " by another, got one that is left open; mend it')
    try:
        return csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, autogenerate_column_names=True),
            csv.ParseOptions(
                delimiter=SEPARATORS.get(separator, separator),
                newlines_in_values=quoted,
                ignore_empty_lines=False,
            ),
            csv.ConvertOptions(column_types=AS_TEXT, check_utf8=False),
        )
    except pa.ArrowInvalid as error:
        problem = in_short(error).removeprefix("CSV parse error: ")
        way_out = "mend it, leave out what stands above the row of names, or give dataset.separator"
        raise Refused(f"{path} can't be read as CSV ({problem:.80}); {way_out}") from None


def _check_header(path: Path, names: list[str]) -> None:
    """Refuse a first row that is none of names, since its values would be lost."""
    by_pandas = names == [str(number) for number in range(len(names))]
    numbers = [name for name in names if re.fullmatch(NUMBER, name)]
    others = {*names} - {*numbers, ""}
    if numbers and not by_pandas and are_dates(pa.chunked_array([[*others]], pa.string())).all():
        raise Refused(f"{path}, row 1: must name the columns, got numbers; put a row of names above them")


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse columns without a name of their own; of the first one, none is left, it may number the rows."""
    if len(names) > MOST_COLUMNS:
        raise Refused(f"{path}, row 1: must name at most {MOST_COLUMNS:,} columns, got {len(names):,}; leave some out")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if name in seen or not name.isprintable() or (number > 1 and not name):
            problem = f"must have a printable name of its own, got {shown_cell(name) or 'none'}"
            raise Refused(f"{path}, row 1, column {number}: {problem}; rename it, or leave it out")
        seen.add(name)


def _read_parquet(path: Path, content: bytes) -> Any:
    """Return all cells: numbers and times as they are, others as text."""
    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        size = file.metadata.num_rows * file.metadata.num_columns
        if size > MOST_CELLS:  # which a few bytes may stand for
            raise Refused(f"{path} must have at most {MOST_CELLS:.0e} cells, got {size:.0e}; give a part of it")
        table = file.read(use_threads=False)
        return pa.table([_plain(column) for column in table.columns], names=table.column_names)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{path} can't be read as Parquet ({in_short(error):.80}); write it again") from None


def _plain(cells: Any) -> Any:
    kind = cells.type
    if pa.types.is_boolean(kind):
        return cells.cast(pa.int8())
    if is_number_type(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return cells
    return pc.fill_null(cells.cast(pa.string()), "")
