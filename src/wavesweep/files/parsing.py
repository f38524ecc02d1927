"""The bytes of a file as a table: text decoded, rows counted, cells cut; Parquet as it is typed."""

import csv
import re
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wavesweep.base.errors import Refused, in_short
from wavesweep.files.options import Options
from wavesweep.files.stamps import are_dates
from wavesweep.files.table import NUMBER, Table, is_number_type, is_text_type, shown_cell

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
        names, cells = _parquet(path, content)
        _check_names(path, names)
    else:
        content = _in_utf8(path, content, options)
        if not re.search(rb"[^\r\n](\r\n|\r|\n)\Z", content[-3:]):  # else a copy takes time for nothing
            content = content.rstrip(b"\r\n") + b"\n"
        if content == b"\n":
            raise Refused(f"{path} is empty; give a row of names, and a row for each step")
        separator = options.separator or _separator(content)
        options = options.model_copy(update={"separator": separator})
        delimiter = SEPARATORS.get(separator, separator)
        names = _header(path, content, delimiter)
        cells = _parse(path, content, delimiter, len(names), options).slice(1).columns
    if not len(cells[0]):
        raise Refused(f"{path} must have a row for each step below its row of names, got none; give some")
    return Table(path, options, dict(zip(names, cells, strict=True)))


def _in_utf8(path: Path, content: bytes, options: Options) -> bytes:
    """Return text in UTF-8 without a mark in front."""
    try:
        if options.encoding != "utf-8":
            content = content.decode(options.encoding).encode()
        elif not content.isascii():
            content.decode()
    except UnicodeError as error:
        raise Refused(f"{path}{_why_no_text(content, error, options)}") from None
    if b"\0" in content:
        raise Refused(f"{path} must hold text or Parquet, got bytes that are neither; save it as CSV")
    return content.removeprefix("\ufeff".encode())


def _why_no_text(content: bytes, error: UnicodeError, options: Options) -> str:
    """Return in which row a file can't be decoded, and how it may be."""
    start = getattr(error, "start", 0)
    row = content.count(b"\n", 0, start) + 1
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "cp1252"
    way_out = options.give(encoding=encoding) or "save it in UTF-8"
    problem = f"must be text in {options.encoding}, got the byte 0x{content[start]:02x}"
    return f", row {row}: {problem}; {way_out}, or its encoding"


def _separator(content: bytes) -> str:
    """Return what separates the cells of the first two rows, outside of quotes; a comma where nothing does."""
    lines = [re.sub(rb'"[^"]*"', b"", line).decode(errors="replace") for line in content[: 1 << 20].splitlines()[:2]]
    counts = {}
    for name in (",", ";", "tab", "|"):
        first, *second = [line.count(SEPARATORS.get(name, name)) for line in lines]
        counts[name] = (bool(first) and second == [first], first)  # as often in both, then as often as may be
    return max(counts, key=counts.__getitem__)


def _header(path: Path, content: bytes, delimiter: str) -> list[str]:
    """Return the names of the columns; refuse a first row that is none of names: its values would be lost."""
    where = f"{path}, row 1"
    try:
        row = next(csv.reader(TextIOWrapper(BytesIO(content), "utf-8", newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise Refused(f"{where}: must name the columns ({error}); mend it") from None
    names = [name.strip() for name in row]
    if not any(names):
        raise Refused(f"{where}: must name the columns, got none; put a row of names there")
    if len(names) > 1 and names[0] and not any(names[1:]):
        problem = f"must name the columns, got {shown_cell(names[0])} alone"
        raise Refused(f"{where}: {problem}; leave out what stands above the row of names")
    _check_names(path, names)
    by_pandas = names == [str(number) for number in range(len(names))]
    numbers = [name for name in names if re.fullmatch(NUMBER, name)]
    others = {*names} - {*numbers, ""}
    if numbers and not by_pandas and are_dates(pa.chunked_array([[*others]], pa.string())).all():
        raise Refused(f"{where}: must name the columns, got numbers; put a row of names above them")
    return names


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse columns without a name of their own; of the first one, none is left, it may number the rows."""
    if len(names) > MOST_COLUMNS:
        raise Refused(f"{path}, row 1: must name at most {MOST_COLUMNS:,} columns, got {len(names):,}; leave some out")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        where = f"{path}, row 1, column {number}"
        if not name and number > 1:
            raise Refused(f"{where}: must have a name, got none; name it or leave it out")
        if name in seen:
            raise Refused(f"{where}: must have a name of its own, got {shown_cell(name)} again; rename it")
        if not name.isprintable():
            raise Refused(f"{where}: must have a name in printable characters, got {shown_cell(name)}; rename it")
        seen.add(name)


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
        if ragged:
            raise _ragged(path, ragged[0], delimiter, width, options) from None
        raise Refused(f"{path} can't be read as CSV ({in_short(error):.80}); save it as such") from None


def _ragged(path: Path, row: Any, delimiter: str, width: int, options: Options) -> Refused:
    """Return what says which row has not as many cells as the header; a header of one name may be a title."""
    cells = "1 cell" if width == 1 else f"{width} cells"
    way_out = "mend it"
    if width == 1:
        way_out = "name each column in row 1, or leave out what stands above their names"
        if delimiter == "," and row.actual_columns == 2:
            semicolons = options.give(separator=";", decimal=",") or "separate cells by semicolons"
            way_out += f", or {semicolons}, if commas are decimal"
    problem = f"must have {cells}, as row 1 has, got {row.actual_columns}"
    return Refused(f"{path}, row {row.number}: {problem}; {way_out}")


def _parquet(path: Path, content: bytes) -> tuple[list[str], list[Any]]:
    """Return the names of the columns and their cells."""
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        size = file.metadata.num_rows * file.metadata.num_columns
        if size > MOST_CELLS:  # which a few bytes may stand for
            raise Refused(f"{path} must have at most {MOST_CELLS:.0e} cells, got {size:.0e}; give a part of it")
        cells = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{path} can't be read as Parquet ({in_short(error):.80}); write it again") from None
    return [name.strip() for name in cells.column_names], [_plain(column) for column in cells.columns]


def _plain(cells: Any) -> Any:
    """Return cells of categories, and others that are no numbers or times, as text, empty where there is none."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _plain(cells.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return cells.cast(pa.float64())
    if is_text_type(kind):
        return pc.fill_null(cells, "")
    if is_number_type(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return cells
    texts = ["" if cell is None else str(cell) for cell in cells.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])
