"""Any file: read with pandas' values, or refused in a line.

By hand, `WAVESWEEP_EXAMPLES=10000 pytest -n 0 -m slow tests/files/test_any_file.py` tries more.
"""

import gzip
import io
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hydra_queue_sweeper.base.errors import Refused
from tests.support.series_files import opened, written
from wavesweep.files import reading
from wavesweep.files.dataset import Csv
from wavesweep.files.table import ABSENT

NUMBERS = ["1", "2.5", "-3e2", "+7", ".5", "1.", " 4 ", "0.1", "123456789.123456789", "1e-320", "1e15", "-0.0"]
ODD = [
    *("", "NA", "nan", "inf", "1e400", "1e16", "?", "-", "1_000", "1,5", '"1,5"', "true", "0x1", "١", "1 2", "a", "b"),
    *("2024-01-01", "01/02/2024", "31.12.2024", "2024-01-01T10:00Z", "10:00", "now", "2024Q1", "20240101", "1990"),
    *('"', '""', '"a""b"', "'", "#", "\\", "é", "\ufeff", "\u2028", "\x1b]0;x\x07", "x" * 300, "-9223372036854775809"),
    *("\0", "\n", "\r", ",", "a,b", ";", "1;2"),
]
NAMES = ["a", "b", "c", "value", "d e", "series", "x", "t", "year", "", "0", "1", " d ", '"c,d"', "é", "index", "id"]
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "separator": st.sampled_from([";", ",", "tab", " "]),
        "decimal": st.sampled_from([",", "."]),
        "encoding": st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-7"]),
        "time_column": st.sampled_from(["a", "ds"]),
        "time_format": st.sampled_from(["%d/%m/%Y", "%Y", "%", "x", "%Q", "%H:%M", "(%d", "%Y-%m-%d%z"]),
        "series_column": st.sampled_from(["a", "series"]),
        "value_columns": st.sampled_from([["a"], ["b", "a"], ["value"]]),
        "target": st.just(["a"]),
        "missing": st.just("interpolate"),
        "duplicates": st.just("mean"),
    },
)
SOME_OPTIONS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({}, optional={"missing": st.just("interpolate"), "duplicates": st.just("mean")}),
    OPTIONS,
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Draw rows of cells that can be read, their header first, some with time stamps or names of series."""
    names = draw(
        st.lists(st.sampled_from(NAMES[:7] if draw(st.booleans()) else NAMES), min_size=1, max_size=3, unique=True)
    )
    number = st.sampled_from(NUMBERS) | st.floats(-1e15, 1e15).map(repr)
    count = draw(st.integers(2, 7))
    columns = [draw(st.lists(number, min_size=count, max_size=count, unique=True)) for _ in names]
    if "series" in names:
        columns[names.index("series")] = sorted(draw(st.lists(st.sampled_from("xy"), min_size=count, max_size=count)))
    elif draw(st.booleans()):
        first = pd.Timestamp(draw(st.datetimes(datetime(2, 1, 2), datetime(9900, 1, 1))))
        freq = draw(st.sampled_from(["h", "D", "B", "ME", "W", "YS", "7min"]))
        names = ["ds", *names]
        columns = [[str(stamp) for stamp in pd.date_range(first, periods=count, freq=freq)], *columns]
    return [names, *map(list, zip(*columns, strict=True))]


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Draw files, most of them with something that is odd: a cell, a row, a byte, the encoding, the end."""
    table = draw(tables())
    kind = draw(st.sampled_from(["whole", "cell", "cell", "row", "cut", "byte", "encoding", "packed"]))
    row = draw(st.integers(0, len(table) - 1))
    if kind == "cell":
        table[row][draw(st.integers(0, len(table[row]) - 1))] = draw(st.sampled_from(ODD))
    elif kind == "row":
        change = draw(st.sampled_from(["twice", "none", "more", "less", "empty"]))
        changes = {"twice": [table[row]] * 2, "none": [], "more": [[*table[row], "1"]], "less": [table[row][:-1]]}
        table[row : row + 1] = changes.get(change, [[]])
    sign, end = draw(st.sampled_from([",", ",", ";", "\t"])), draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    text = end.join(sign.join(row) for row in table) + draw(st.sampled_from(["", end, end * 2]))
    encodings = ["utf-8-sig", "cp1252", "utf-16", "utf-16-le"]
    content = text.encode(draw(st.sampled_from(encodings)) if kind == "encoding" else "utf-8", "replace")
    place = draw(st.integers(0, len(content)))
    if kind == "cut":
        return content[:place]
    if kind == "byte":
        return content[:place] + draw(st.binary(max_size=2)) + content[place + 1 :]
    return gzip.compress(content, mtime=0) if kind == "packed" else content


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("any") / "x.csv"
    reading._read_file.cache_clear()


def is_right(path: Path, content: bytes, options: dict[str, object]) -> bool:
    """Say whether a file is read with pandas' values, again so by the configuration as stored, or refused in a line."""
    written(path, content)
    reading._read_file.cache_clear()
    try:
        source = opened(path, **options)
        values = source.load(0)[0]
        assert source.summary.isprintable()
    except (Refused, ValidationError) as error:
        return "\n" not in str(error) or isinstance(error, ValidationError)
    finally:
        reading._read_file.cache_clear()
    read = np.array_equal(values, again(source.dataset), equal_nan=True)
    if read and not source.content.filled and source.dataset.series_column is None:
        np.testing.assert_array_equal(values[0], by_pandas(source.dataset, content))
    return read


def again(dataset: Csv) -> np.ndarray:
    return Csv.model_validate(dataset.model_dump(mode="json")).open(0).load(0)[0]


def by_pandas(dataset: Csv, content: bytes) -> np.ndarray:
    """Return the values that pandas reads, to the last bit; rows at the end that have none are what is to come."""
    text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode(dataset.encoding)
    separator = "\t" if dataset.separator == "tab" else dataset.separator
    table = pd.read_csv(
        io.StringIO(text.removeprefix("\ufeff").rstrip("\r\n")),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        index_col=False,
        skip_blank_lines=False,
    )
    names = [str(name).strip() for name in table.columns]
    columns = [table.iloc[:, names.index(name)] for name in dataset.channels]
    rows = [*zip(*columns, strict=True)]
    while rows and all(cell.strip() in ABSENT for cell in rows[-1]):
        rows.pop()
    return np.array([[float(cell.replace(dataset.decimal, ".")) for cell in row] for row in rows])


EXAMPLES = int(os.environ.get("WAVESWEEP_EXAMPLES", "400"))
TRIES = [pytest.param(30, id="few"), pytest.param(EXAMPLES, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize("examples", TRIES)
def test_a_file_is_read_as_by_pandas_or_refused_in_a_line(path: Path, examples: int) -> None:
    @given(content=contents(), options=SOME_OPTIONS)
    @example(content=b"a\n1\n2.5\n-3e2\n+7\n0.0\nNA", options={})
    @settings(max_examples=examples, deadline=timedelta(seconds=5))
    def tried(content: bytes, options: dict[str, object]) -> None:
        assert is_right(path, content, options)

    tried()
