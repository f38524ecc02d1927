"""The bytes of a file as a table: text decoded, rows counted, cells cut; Parquet as it is typed."""

import re
from datetime import datetime
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
MOST_COLUMNS, MOST_CELLS = 10_000, 2 * 10**8
MOST_TEXT = 5 * 10**8  # bytes of a column
FIRST_TIME, LAST_TIME = datetime(1, 1, 2), datetime(9999, 12, 30)
"""Between which Python can hold times, in all time zones."""
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
        if not name.isprintable():  # of bytes that are no UTF-8, too
            problem = "must have a name of printable characters, since it names a series"
            raise Refused(f"{path.parent / shown_cell(name)} {problem}; rename it")
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
    separator = SEPARATORS.get(str(options.separator), str(options.separator))
    quoted = b'"' in text
    first_end = re.search(rb"[\r\n]", text)
    if not quoted and first_end:  # Arrow takes minutes for as many columns as a large file can have
        _check_width(path, text.count(separator.encode(), 0, first_end.start()) + 1)
    if quoted and text.count(b'"') % 2:
        raise Refused(f'{path} must close each " by another, got one that is left open; mend it')
    try:
        return csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, autogenerate_column_names=True),
            csv.ParseOptions(
                delimiter=separator,
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


def _check_width(path: Path, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise Refused(f"{path}, row 1: must name at most {MOST_COLUMNS:,} columns, got {columns:,}; leave some out")


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse columns without a name of their own; of the first one, none is left, it may number the rows."""
    _check_width(path, len(names))
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
        texts = [one.path for one in file.schema if one.physical_type == "BYTE_ARRAY"]
        file = parquet.ParquetFile(pa.BufferReader(content), read_dictionary=texts)  # each text once, however often
        size = file.metadata.num_rows * file.metadata.num_columns
        if size > MOST_CELLS:  # which a few bytes may stand for
            raise Refused(f"{path} must have at most {MOST_CELLS:.0e} cells, got {size:.0e}; give a part of it")
        table = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{path} can't be read as Parquet ({in_short(error):.80}); write it again") from None
    columns = []
    for name, cells in zip(table.column_names, table.columns, strict=True):
        try:
            if (size := _size(cells)) > MOST_TEXT:
                problem = f"must have at most {MOST_TEXT:,} bytes of text, got {size:,}; give a part of the file"
                raise Refused(f"{path}, column {shown_cell(name)} {problem}")
            columns.append(_plain(cells))
        except pa.ArrowException as error:
            kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
            problem = f"must hold numbers, times or text in UTF-8, got {kind!s:.40} ({in_short(error):.80})"
            raise Refused(f"{path}, column {shown_cell(name)}: {problem}; write it as such, or leave it out") from None
    return pa.table(columns, names=table.column_names)


def _size(cells: Any) -> int:
    """Return the bytes of all cells of a column, of which a file may hold each text once; 0 of what is no text."""
    kind = cells.type
    if not (
        pa.types.is_dictionary(kind) and (pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type))
    ):
        return 0
    sizes = (pc.sum(pc.take(pc.binary_length(one.dictionary), one.indices)).as_py() or 0 for one in cells.chunks)
    return sum(sizes)


def _plain(cells: Any) -> Any:
    """Return numbers as they are, those of 16 bits in 32, times that can be held, and anything else as text."""
    kind = cells.type
    if pa.types.is_boolean(kind):
        return cells.cast(pa.int8())
    if pa.types.is_float16(kind):  # by which Arrow can't group rows
        return cells.cast(pa.float32())
    if is_number_type(kind) or ((pa.types.is_timestamp(kind) or pa.types.is_date(kind)) and _can_be_held(cells)):
        return cells
    texts = cells.cast(pa.string())
    texts.validate(full=True)
    return pc.fill_null(texts, "")


def _can_be_held(times: Any) -> bool:
    """Say whether Python can hold all of some times; Arrow raises its exception where it doesn't know their zone."""
    kind = times.type
    if pa.types.is_timestamp(kind):
        if kind.tz:
            pc.local_timestamp(times.slice(0, 1))
        if kind.unit == "ns":  # of which 64 bits reach from 1677 to 2262
            return True
    first, last = pa.scalar(FIRST_TIME, kind), pa.scalar(LAST_TIME, kind)
    within = pc.all(pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last)))
    return within.as_py() is not False  # None where all are missing
