"""The bytes of a file as a table: text decoded, rows counted, cells cut; Parquet as it is typed."""

import csv
import re
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wavesweep.base.errors import Refused, in_short
from wavesweep.files.table import NUMBER, Options, Table, is_number_type, is_text_type, shown_cell

SEPARATORS = {"tab": "\t"}
"""Names of separators that are hard to type."""
MOST_COLUMNS, MOST_CELLS = 10_000, 10**9


def read_table(path: Path, content: bytes, options: Options) -> Table:
    """Read the cells of a file.

    Args:
        path: Of the file, for messages.
        content: Of the file, unpacked.
        options: How it is read.

    Raises:
        Refused: If it is no table: it can't be decoded, has no rows, or rows of unequal numbers of cells.
    """
    if content.startswith(b"PAR1"):
        return Table(path, options, _parquet(path, content))
    content = _in_utf8(path, content, options)
    if not re.search(rb"[^\r\n](?>\r\n|\r|\n)$", content[-3:]):  # else a copy takes time for nothing
        content = content.rstrip(b"\r\n") + b"\n"
    if content == b"\n":
        raise Refused(f"{path} is empty; give a row of names, and a row for each step")
    separator = _separator(content) if options.separator is None else options.separator
    options = options.model_copy(update={"separator": separator})
    delimiter = SEPARATORS.get(separator, separator)
    header = _header(path, content, delimiter)
    cells = _parse(path, content, delimiter, len(header), options)
    if not cells.num_rows - 1:
        raise Refused(f"{path} must have a row for each step below its row of names, got none; give some")
    return Table(path, options, dict(zip(header, cells.slice(1).columns, strict=True)))


def _in_utf8(path: Path, content: bytes, options: Options) -> bytes:
    """Return text in UTF-8 without a mark in front."""
    encoding = options.encoding
    try:
        if encoding == "utf-8":
            _ = content.isascii() or content.decode()
        else:
            content = content.decode(encoding).encode()
    except UnicodeError as error:
        raise Refused(f"{path}{_why_no_text(content, error, options)}") from None
    if b"\0" in content:
        raise Refused(f"{path} must hold text or Parquet, got bytes that are neither; save it as CSV")
    return content.removeprefix("\ufeff".encode())


def _why_no_text(content: bytes, error: Exception, options: Options) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
    start = getattr(error, "start", 0)
    way_out = options.give(encoding=encoding) or "save it in UTF-8"
    if encoding == "utf-16" or options.encoding != "utf-8":
        what = "begins as utf-16 does" if encoding == "utf-16" else "is not"
        return f" must be text in {options.encoding}, but {what}; {way_out}, or its encoding"
    row = content.count(b"\n", 0, start) + 1
    return f", row {row}: must be text in utf-8, got the byte 0x{content[start]:02x}; {way_out}, or its encoding"


def _separator(content: bytes) -> str:
    """Return what separates the cells of the header, outside of quotes; a comma where nothing does."""
    first, second, *_ = [*re.split(rb"\r\n|\r|\n", content[: 1 << 20], maxsplit=2), b""]
    names, cells = (re.sub(rb'"[^"]*"', b"", line).decode(errors="replace") for line in (first, second))
    found = {name: names.count(SEPARATORS.get(name, name)) for name in (",", ";", "tab", "|")}
    same = {name: count for name, count in found.items() if cells.count(SEPARATORS.get(name, name)) == count}
    return max(same if any(same.values()) else found, key=found.__getitem__)


def _header(path: Path, content: bytes, delimiter: str) -> list[str]:
    """Return the names of the columns; refuse a first row that is none of names: its values would be lost."""
    try:
        row = next(csv.reader(TextIOWrapper(BytesIO(content), "utf-8", newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise Refused(f"{path}, row 1: must name the columns ({error}); mend it") from None
    header = [name.strip() for name in row]
    if not any(header):
        raise Refused(f"{path}, row 1: must name the columns, got none; put a row of names there")
    if len(header) > MOST_COLUMNS:
        raise Refused(f"{path}, row 1: must name at most {MOST_COLUMNS:,} columns, got {len(header):,}; leave some out")
    if header[0] and not any(header[1:]) and (len(header) > 2 or header == ["sep=", ""]):
        problem = f"must name the columns, got {shown_cell(header[0])} alone"
        raise Refused(f"{path}, row 1: {problem}; leave out what stands above the row of names")
    for number, name in enumerate(header, start=1):
        if not name and number > 1:  # pandas leaves the first one's empty, which is the number or time of the row
            raise Refused(f"{path}, row 1, column {number}: must have a name, got none; name it or leave it out")
        if header.index(name) < number - 1:
            problem = f"must have a name of its own, got {shown_cell(name)} again; rename it"
            raise Refused(f"{path}, row 1, column {number}: {problem}")
    numbered = [str(number) for number in range(len(header))]  # as pandas names columns
    named = [name for name in header if name]
    dates = [name for name in named if re.fullmatch(r"(\d{1,4}[-./]){2}\d{1,4}([ T].*)?", name)]
    values = [name for name in named if re.fullmatch(NUMBER, name)]
    if header != numbered and values and len(values + dates) == len(named) and not _are_years(named):
        raise Refused(f"{path}, row 1: must name the columns, got numbers; put a row of names above them")
    return header


def _are_years(names: list[str]) -> bool:
    """Say whether columns are called by years that follow each other."""
    years = [int(name) for name in names if re.fullmatch(r"(1[89]|20)\d\d", name)]
    return len(years) == len(names) > 1 and set(np.diff(years).tolist()) == {1}


def _parse(path: Path, content: bytes, delimiter: str, width: int, options: Options) -> Any:
    """Return all cells as text, the header's in the first row."""
    from pyarrow import csv as arrow

    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    quoted = b'"' in content
    if quoted and content.count(b'"') % 2:
        raise Refused(f'{path} must close each " by another, got one that is left open; mend it')
    try:
        return arrow.read_csv(
            pa.BufferReader(content),
            arrow.ReadOptions(use_threads=False, block_size=len(content) + 1, autogenerate_column_names=True),
            arrow.ParseOptions(
                delimiter=delimiter, newlines_in_values=quoted, ignore_empty_lines=False, invalid_row_handler=note
            ),
            arrow.ConvertOptions(column_types={f"f{number}": pa.string() for number in range(width)}, check_utf8=False),
        )
    except pa.ArrowInvalid as error:
        if not ragged:
            raise Refused(f"{path} can't be read as CSV ({in_short(error):.80}); save it as such") from None
        row = ragged[0]
        problem = f"must have {width} cell{'s' * (width > 1)}, as row 1 has, got {row.actual_columns}"
        more = next(iter(csv.reader(StringIO(row.text))), [])
        commas = options.give(separator=";", decimal=",") or "separate cells by semicolons"
        commas += ", if commas are decimal"
        ways = ["name each column in row 1", "leave out what stands above their names"]
        ways += [commas] * (delimiter == "," and len(more) == 2)
        way_out = ", or ".join(ways) if width == 1 and more else "mend it"
        raise Refused(f"{path}, row {row.number}: {problem}; {way_out}") from None


def _parquet(path: Path, content: bytes) -> dict[str, Any]:
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        size = file.metadata.num_rows * file.metadata.num_columns
        if size > MOST_CELLS or file.metadata.num_columns > MOST_COLUMNS:
            raise Refused(f"{path} must have at most {MOST_CELLS:.0e} cells, got {size:.0e}; give a part of it")
        cells = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{path} can't be read as Parquet ({in_short(error):.80}); write it again") from None
    if not cells.num_rows:
        raise Refused(f"{path} must have a row for each step, got none; give some")
    names = ["" if name.startswith("__index_level_") else name.strip() for name in cells.column_names]
    if len(set(names)) < len(names):
        raise Refused(f"{path}: its columns must have names of their own, got {', '.join(names):.80}; rename some")
    return {name: _plain(column) for name, column in zip(names, cells.columns, strict=True)}


def _plain(cells: Any) -> Any:
    """Return cells of categories, and others that are no numbers or times, as text."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _plain(cells.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return cells.cast(pa.float64())
    if is_number_type(kind) or is_text_type(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return cells
    return pa.chunked_array(
        [pa.array([None if cell is None else str(cell) for cell in cells.to_pylist()], pa.string())]
    )
