"""The cells of a file in columns: which are numbers, which are missing, and why another is refused."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.data.dataset import LARGEST
from wavesweep.files.options import Options

pc: Any = compute  # it makes its functions when it is imported: a type checker knows none
ABSENT = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
"""What stands for a missing value."""
FEW = 1000  # rows that tell what a column holds
NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
LIKE_A_NUMBER = "^[-+($€£ ]*[0-9]+([.,'’_ \u00a0\u202f][0-9]{3})*([.,][0-9]*)?[ %$€£)]*$"
"""A number with signs of currencies or between thousands, which is refused: what is meant can't be told."""


@dataclass(frozen=True)
class Table:
    """The cells of a file.

    Attributes:
        path: Of the file, as messages name it.
        options: How it is read, the separator filled in.
        columns: The cells of each column, by its name: of text, or in Parquet as they are typed there.
        numbers: Those read as numbers so far, see `read_numbers`.
        places: Of several files, the number of the first row of each, and its path; empty: there is one.
    """

    path: Path
    options: Options
    columns: dict[str, Any]
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    places: tuple[tuple[int, Path], ...] = ()

    def refusal(self, row: int, column: str, problem: str) -> Refused:
        """Return what says where a cell breaks a rule; rows are counted from 0 here, by the user from the header."""
        begin, path = 0, self.path
        for first, place in self.places:
            if first <= row:
                begin, path = first, place
        where = f"{path}, row {row - begin + 2}, column {shown_cell(column) or 'without a name'}"
        return Refused(f"{where}: {problem}")

    def text(self, row: int, column: str) -> str:
        """Return a cell as a message shows it."""
        cell = self.columns[column][row].as_py()
        return shown_cell("" if cell is None else str(cell)) or "an empty cell"

    def read_numbers(self, column: str) -> np.ndarray:
        """Return the numbers in a column, (row,), float64 to the last bit; nan for a cell that holds none."""
        if column not in self.numbers:
            self.numbers[column] = _numbers(self.columns[column], self.options.decimal)
        return self.numbers[column]

    def is_text(self, column: str) -> bool:
        """Say whether a column holds something else than numbers, some of which may be misspelt."""
        kind = self.columns[column].type
        if not pa.types.is_string(kind):
            return not is_number_type(kind)
        cells = pc.ascii_trim_whitespace(self.columns[column].slice(0, FEW))
        cells = cells.filter(pc.invert(_stand_for_none(cells)))
        others = cells.filter(pa.array(np.isnan(_numbers(cells, self.options.decimal))))
        like = pc.sum(pc.match_substring_regex(others, LIKE_A_NUMBER)).as_py() or 0
        return 2 * (len(others) - like) > len(cells)

    def absent(self, column: str) -> np.ndarray:
        """Say which cells of a column stand for a missing value, (row,)."""
        cells = self.columns[column]
        if not pa.types.is_string(cells.type):
            return cells.is_null(nan_is_null=True).to_numpy()
        return _stand_for_none(pc.ascii_trim_whitespace(cells)).to_numpy()

    def values(self, column: str, may_lack: np.ndarray | None = None) -> np.ndarray:
        """Return the values in a column, (row,), float64; nan where one is missing, if that is allowed.

        Args:
            column: Its name.
            may_lack: In which rows one may be missing whatever options say, (row,); None: in none.

        Raises:
            Refused: At the first cell that is no number, too large, or missing where that is not allowed.
        """
        numbers = self.read_numbers(column)
        wrong = ~(np.abs(numbers) <= LARGEST)
        if self.options.missing == "interpolate":
            wrong &= ~self.absent(column)
        elif may_lack is not None:
            wrong &= ~(may_lack & self.absent(column))
        if wrong.any():
            row = int(wrong.argmax())
            raise self.refusal(row, column, self._why_no_value(row, column))
        return numbers

    def _why_no_value(self, row: int, column: str) -> str:
        """Return the rule that a cell breaks, what it holds, and the way out."""
        got = self.text(row, column)
        interpolate = self.options.give(missing="interpolate")
        if self.absent(column)[row]:
            return f"must hold a number, got {got}; {interpolate}, or fill it in"
        way_out = f"write the number alone, without units or signs between thousands, or empty it and {interpolate}"
        other = "," if self.options.decimal == "." else "."
        if re.fullmatch(rf"[-+]?\d*[{other}]\d+", got):
            way_out = f"write it without signs between thousands or, if {other} is decimal, "
            way_out += self.options.give(decimal=other)
        return f"must be a finite number of at most {LARGEST:g} in size, got {got}; {way_out}"


def shown_cell(text: str) -> str:
    """Return what a file holds such that it fits into one line of a message."""
    spaced = re.sub("[\u00a0\u202f]", " ", text[:41])  # as word processors set between thousands
    plain = "".join(letter if letter.isprintable() else "?" for letter in spaced)
    return plain if len(plain) <= 40 else f"{plain[:37]}..."


def is_number_type(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _stand_for_none(texts: Any) -> Any:
    return pc.is_in(pc.fill_null(texts, ""), value_set=pa.array(ABSENT, texts.type))


def _numbers(cells: Any, decimal: str) -> np.ndarray:
    """Return the numbers in some cells, nan for what is none; an exponent beyond all floats makes inf."""
    if is_number_type(cells.type):
        return cells.cast(pa.float64(), safe=False).to_numpy()
    if not pa.types.is_string(cells.type):
        return np.full(len(cells), np.nan)
    if decimal == ".":
        with suppress(pa.ArrowInvalid):
            return cells.cast(pa.float64()).to_numpy()  # the fast way, for a column without a mistake
    cells = pc.ascii_trim_whitespace(cells)
    if decimal == ",":
        cells = pc.replace_substring(pc.replace_substring(cells, ".", "_"), ",", ".")
    valid = pc.if_else(pc.match_substring_regex(cells, NUMBER), pc.ascii_ltrim(cells, "+"), None)
    return valid.cast(pa.float64()).to_numpy()
