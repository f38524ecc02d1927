"""What is refused: in one line, with the file, the row and the column, the rule, what stands there, and the way out."""

import os
import re
import shlex
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from hydra_queue_sweeper.base.errors import Refused
from tests.support.commands import call, run_process
from tests.support.series_files import opened, written
from wavesweep.config.composing import compose

DAYS = "date,v\n2024-01-01,1\n2024-01-02,2\n"


def local(first: str, last: str, freq: str = "h") -> str:
    """Return values with the time of Berlin's clocks, which doesn't tell summer from winter."""
    hours = pd.date_range(first, last, freq=freq, tz="Europe/Berlin").tz_localize(None)
    return pd.DataFrame({"date": hours, "v": np.arange(len(hours))}).to_csv(index=False)


def refused(path: Path, **options: object) -> str:
    with pytest.raises(Refused) as refusal:
        opened(path, **options)
    return str(refusal.value)


@pytest.mark.parametrize("cells", [["1.1.2024", None, "3.1.2024"], ["a", None, "b"]])
def test_a_text_that_is_missing_from_parquet_is_refused_as_it_is_from_csv(
    tmp_path: Path, cells: list[str | None]
) -> None:
    table = pd.DataFrame({"time": cells, "v": [1.0, 2.0, 3.0]})
    told = [
        refused(written(tmp_path / name, content))
        for name, content in (("a.csv", table.to_csv(index=False)), ("a.parquet", table.to_parquet()))
    ]
    assert told[0].replace("a.csv", "a.parquet") == told[1]


FAR = [2**60 + number for number in range(3)]
NO_UTF8 = pa.array([b"\xff", b"a", b"b"]).buffers()
ODD_CELLS = {
    "null": pa.nulls(3),
    "categories that are all missing": pa.DictionaryArray.from_arrays(pa.nulls(3, pa.int32()), pa.nulls(0)),
    "text that is no UTF-8": pa.Array.from_buffers(pa.string(), 3, NO_UTF8),
    "categories that are no UTF-8": pa.Array.from_buffers(pa.string(), 3, NO_UTF8).dictionary_encode(),
    "bytes": pa.array([b"\xff", b"a", b"b"]),
    "days beyond all": pa.array([2**31 - 3, 2**31 - 2, 2**31 - 1], pa.int32()).cast(pa.date32()),
    "milliseconds beyond all": pa.array(FAR).cast(pa.timestamp("ms")),
    "microseconds beyond all": pa.array([2**62, 0, -(2**62)]).cast(pa.timestamp("us", "UTC")),
    "a year beyond all": pa.array([253402300800, 0, 1]).cast(pa.timestamp("s")),
    "a zone that isn't known": pa.array([0, 1, 2]).cast(pa.timestamp("us", "Mars/Base")),
    "times of a day beyond all": pa.array([90_000, 1, 2], pa.int32()).cast(pa.time32("s")),
    "durations beyond all": pa.array(FAR).cast(pa.duration("us")),
    "lists": pa.array([[1], [2], [3]]),
    "structures": pa.array([{"a": 1}] * 3),
}


@pytest.mark.parametrize("column", ["time", "series", "v"])
@pytest.mark.parametrize("cells", ODD_CELLS.values(), ids=ODD_CELLS)
@pytest.mark.filterwarnings("error")
def test_what_foreign_parquet_holds_is_refused(tmp_path: Path, cells: pa.Array, column: str) -> None:
    parquet.write_table(pa.table({"day": [1, 2, 4], column: cells}), tmp_path / "x.parquet")
    for options in ({}, {"time_column": column}, {"time_format": "%Y"}):
        text = refused(tmp_path / "x.parquet", **options)
        assert text.startswith(str(tmp_path / "x.parquet"))
        assert "\n" not in text


@pytest.mark.filterwarnings("error")
def test_infinite_steps_are_refused_without_a_warning(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"time": [float("inf")] * 3, "v": [1, 2, 4]}), tmp_path / "x.parquet")
    assert ", row 2, column time: steps must be whole numbers that rise evenly, got inf" in refused(
        tmp_path / "x.parquet"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"time,b\n" + b"2024-01-01" * 200_000 + b",1\n2024-01-01,3\n",
            ", row 2, column time: must be a date such as ",
        ),
        (
            b"a" + b"," * 20_000_000 + b"\n1\n",
            ", row 1: must name at most 10,000 columns, got 20,000,001; leave some out",
        ),
    ],
    ids=["a long cell", "many columns"],
)
def test_what_is_far_too_long_is_refused_at_once(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path / "x.csv", content)
    start = time.process_time()
    assert message in refused(path)
    assert time.process_time() - start < 5


def test_a_text_that_parquet_repeats_beyond_all_memory_is_refused(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(np.zeros(200_000, np.int32), pa.array(["x" * 10_000]))
    for store_schema in (True, False):  # without one, as other programs write it
        parquet.write_table(pa.table({"a": texts}), tmp_path / "x.parquet", store_schema=store_schema)
        message = ", column a must have at most 500,000,000 bytes of text, got 2,000,000,000; give a part of the file"
        assert refused(tmp_path / "x.parquet").endswith(message)


def test_a_file_whose_name_is_no_utf8_can_t_name_a_series(tmp_path: Path) -> None:
    for name in (b"a.csv", b"b\xe9.csv"):
        written(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), DAYS)
    assert refused(tmp_path / "*.csv").startswith(
        f"{tmp_path}/b?.csv must have a name of printable characters, since it "
    )


NOT_DATA = [
    (b"", " is empty; give a row of names, and a row for each step"),
    (b"\n\r\n", " is empty; give"),
    (b"\xef\xbb\xbf", " is empty; give"),
    (b"a,b\n", " must have a row for each step below its row of names, got none; give some"),
    (b"\na,b\n1,2\n", " can't be read as CSV (Row #2: Expected 1 columns, got 2: "),
    (b"1,2\n3,4\n5,6\n", ", row 1: must name the columns, got numbers; put a row of names above them"),
    (b"2024-01-01,5\n2024-01-02,6\n", ", row 1: must name the columns, got numbers; put a row of names above them"),
    (b"Report 2024,,\nday,a,b\n1,2,3\n", ", row 1, column 2: must have a printable name of its own, got none"),
    (
        b"Report 2024\n\nday,a,b\n1,2,3\n",
        "; mend it, leave out what stands above the row of names, or give dataset.sep",
    ),
    (b"a,b\n1,2\n,\n3,4\n", ", row 3, column a: must hold a number, got an empty cell; give dataset.missing"),
    (b"a,b\n[kW],[%]\n1,2\n3,4\n5,6\n", ", row 2, column a: must be a finite number"),
    (b'[{"a": 1}]', " must hold data, got JSON; save it as CSV"),
    (b"  <!DOCTYPE html><p>404", " must hold data, got a web page; download the file itself"),
    (b"version https://git-lfs.github.com/spec/v1\n", " must hold data, got a Git LFS pointer; git lfs pull fetches"),
    (b'{"a": [1, 2]}', " must hold data, got JSON; save it as CSV"),
    (b"PK\3\4...", " must hold data, got a workbook or a ZIP archive; save it as CSV, or unpack it"),
    (b"\x1f\x8b\x08\0\0", " can't be unpacked by gzip (Compressed file ended before the end-of-stream marker was"),
    (b"PAR1....", " can't be read as Parquet ("),
    (b"a,b\n1,\0\n", ", row 1: must be text in utf-8 (it holds a byte of 0, as no text does); save it in UTF-8"),
    ("a,b\n1,2\nü,4\n".encode("cp1252"), ", row 3: must be text in utf-8 ('utf-8' codec can't decode byte 0xfc in "),
    ("a,b\n1,2\n".encode("utf-16"), "; save it in UTF-8, or give dataset.encoding=cp1252, utf-16 or another"),
    (b"a,b\n1,2\n3,4,5\n", " can't be read as CSV (Row #3: Expected 2 columns, got 3: "),
    (b"a,b\n1,2,3\n4,5,6\n", " can't be read as CSV (Row #2: Expected 2 columns, got 3: "),
    (b"a,b\n1,2\n3,4\n5", " can't be read as CSV (Row #4: Expected 2 columns, got 1: "),
    (b'a,b\n1,"2\n3,4\n', ' must close each " by another, got one that is left open; mend it'),
    (
        b"a,,b\n1,2,3\n",
        ", row 1, column 2: must have a printable name of its own, got none; rename it, or leave it out",
    ),
    (b",a,t\nx,1,0\ny,0,1\n", ", row 2, column without a name: must hold numbers, got x; give"),
    (b"a,b,a\n1,2,3\n", ", row 1, column 3: must have a printable name of its own, got a; rename it"),
    (b"a\x07b\n1\n2\n", ", row 1, column 1: must have a printable name of its own, got a?b; rename it"),
]


@pytest.mark.parametrize(("content", "message"), NOT_DATA, ids=[repr(content[:12]) for content, _ in NOT_DATA])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path / "x.csv", content)
    text = refused(path)
    assert text.startswith(str(path))
    assert message in text
    assert "\n" not in text


ALONE = (
    "write the number alone, without units or signs between thousands, or empty it and give dataset.missing=interpolate"
)
DECIMAL = """write it without signs between thousands or, if , is decimal, give 'dataset.decimal=","'"""


@pytest.mark.parametrize(
    ("cell", "way_out"),
    [
        ("1,234", DECIMAL),
        ("1,234.5", ALONE),
        ("1,5", DECIMAL),
        ("?", ALONE),
        ("-", ALONE),
        ("inf", ALONE),
        ("1e400", ALONE),
        ("-1.1e15", ALONE),
        ("1_000", ALONE),
        ("1 000", ALONE),
        ("1\u202f000,5", ALONE),
        ("1'000", ALONE),
        ("5.5%", ALONE),
        ("€5", ALONE),
        ("5 EUR", ALONE),
        ("(5)", ALONE),
        ("5 x", ALONE),
        ("0x10", ALONE),
        ("true", ALONE),
        ("nan", "give dataset.missing=interpolate, or fill it in"),
        ("NA", "give dataset.missing=interpolate, or fill it in"),
        ("", "give dataset.missing=interpolate, or fill it in"),
    ],
)
def test_what_is_no_value_is_refused(tmp_path: Path, cell: str, way_out: str) -> None:
    path = written(tmp_path / "x.csv", f'a,b\n1,2\n3,4\n5,"{cell}"\n7,8\n')
    text = refused(path)
    assert text.startswith(f"{path}, row 4, column b: must ")
    assert text.endswith(f", got {cell.replace(chr(0x202F), ' ') or 'an empty cell'}; {way_out}")


def test_a_point_is_no_decimal_comma(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "a;b\n1,5;2\n1.500;3\n2;4\n")
    way_out = """write it without signs between thousands or, if . is decimal, give 'dataset.decimal="."'"""
    assert refused(path, decimal=",").endswith(f"of at most 1e+15 in size, got 1.500; {way_out}")


COLUMNS = [
    (
        "date,a,b,sky\n2024-01-01,1,2,dry\n2024-01-02,2,1,wet\n",
        {},
        ", row 2, column sky: must hold numbers, got dry; give 'dataset.value_columns=[a,b]'",
    ),
    (
        "a,b\n1,2\n",
        {"value_columns": ["q"]},
        "x.csv, row 1: must have the column q of dataset.value_columns; choose from a, b",
    ),
    (
        "alpha,b\n1,2\n",
        {"time_column": "alpa"},
        ", row 1: must have the column alpa of dataset.time_column; did you mean alpha?",
    ),
    (
        "alpha,b\n1,2\n",
        {"series_column": "alph"},
        ", row 1: must have the column alph of dataset.series_column; did you mean",
    ),
    ("a,b\n1,2\n2,3\n", {"target": ["c"]}, "dataset.target: c is no channel of "),
    (
        "date,time,v\n2024-01-01,10:00,1\n",
        {},
        ", row 1: columns date, time may all tell the time; give dataset.time_column=date",
    ),
    ("step,t,v\n1,1,1\n2,2,5\n", {}, ", row 1: columns step, t mean the same; give dataset.time_column=step"),
    (
        "item_id,symbol,v\na,x,1\na,x,2\nb,y,3\nb,y,2\n",
        {},
        ", row 1: columns item_id, symbol may all name the series; give dataset.series_column=item_id",
    ),
    (
        "depot,v\nx,1\nx,2\ny,3\ny,2\n",
        {},
        ", column depot: must hold numbers, got x; give 'dataset.value_columns=[v]', "
        "or give dataset.series_column=depot, if it names the series",
    ),
    (
        "sold,sent,v\n2024-01-01,2024-01-03,1\n2024-01-02,2024-01-05,2\n",
        {},
        ", column sold: must hold numbers, got 2024-01-01; give 'dataset.value_columns=[v]', "
        "or give dataset.time_column=sold",
    ),
    ("t\n1\n2\n", {}, ", row 1: must have a column of values, got t; add one"),
    (
        "year,v\n1990,1\n1991,2\n1993,3\n",
        {},
        ", row 4, column year: steps must be whole numbers that rise evenly, got 1993; sort",
    ),
    ("index,v\n9.5,1\n9.1,2\n", {}, ", or give 'dataset.value_columns=[index,v]', if it is a channel"),
    ("series,v\na,1\na,2\n,3\n,4\n", {}, ", row 4, column series: must name a series, got an empty cell; name it"),
    (
        "a,b\n1,2\n3,2\n",
        {},
        ": column b must change within its series, got 2 in 2 rows; leave it or the series out",
    ),
    (
        "series,v\na,1\na,2\nb,7\nb,7\n",
        {},
        ", series b: column v must change within its series, got 7 in 2 rows; leave it or",
    ),
    ("series,v\na,1\na,2\nb,7\n", {}, ", series b must have 2 steps at least, got 1; give more, or leave it out"),
    ("a,b\n1,\n2,\n", {"missing": "interpolate"}, ": column b must hold a number, got none"),
]


@pytest.mark.parametrize(("content", "options", "message"), COLUMNS, ids=[repr(row[0][:20]) for row in COLUMNS])
def test_columns_that_make_no_series_are_refused(
    tmp_path: Path, content: str, options: dict[str, object], message: str
) -> None:
    text = refused(written(tmp_path / "x.csv", content), **options)
    assert message in text
    assert "\n" not in text


TIMES = [
    (
        f"{DAYS}2024-01-02,3\n",
        {},
        "row 4, column date: time stamps must come in order, each once, got 2024-01-02 after 2024-01-02; give",
    ),
    (
        f"{DAYS}2023-12-31,3\n",
        {},
        "got 2023-12-31 after 2024-01-02; give dataset.duplicates=mean, sort the rows, or give dataset.series_column=",
    ),
    (
        f"{DAYS}2024-01-04,3\n",
        {},
        "got 2024-01-04 after 2024-01-02; give dataset.missing=interpolate, or leave the column out",
    ),
    (
        f"{DAYS}2024-01-02 07:13,3\n2029-05-01,3\n",
        {"missing": "interpolate"},
        "got 2024-01-02 07:13 after 2024-01-02; more than gaps are wrong; mend them",
    ),
    (
        f"{DAYS}x,3\n",
        {},
        "row 4, column date: must be a date such as 2024-01-31 or 2024-01-31 13:00, got x; write it so",
    ),
    (f"{DAYS},3\n", {}, "column date: must be a date such as 2024-01-31 or 2024-01-31 13:00, got an empty cell; write"),
    (
        DAYS,
        {"time_format": "%d.%m.%Y"},
        "row 2, column date: must be a date such as %d.%m.%Y, got 2024-01-01; write it so, or give",
    ),
    (
        "date,v\n2024-01-01,1\n02.01.2024,2\n2024-01-03,3\n",
        {},
        "got 02.01.2024; write it so, or give",
    ),
    (
        "date,store_id,v\n2024-01-01,1,5\n2024-01-02,1,6\n2024-01-01,2,7\n2024-01-02,2,7\n",
        {},
        ", or give dataset.series_column=NAME where rows belong to several",
    ),
    (DAYS, {"time_format": "%Q"}, "dataset.time_format must be in the letters of strptime, got %Q ("),
    (DAYS, {"time_format": "%Y%Y"}, "dataset.time_format must be in the letters of strptime, got %Y%Y ("),
    (
        DAYS.replace("2024", "0000"),
        {},
        ", row 2, column date: must be a date such as 2024-01-31 or 2024-01-31 13:00, got 0000-",
    ),
    ("date,v\n2024-01-01,1\n2024-01-02,3\ntoday,2\n", {}, ", row 4, column date: must be a date such as"),
    ("date,v\n0000Q1,1\n0000Q2,2\n", {}, ", row 2, column date: must be a date such as"),
    ("year,v\n1990,1\n1991,2\n", {"time_format": "%d"}, ", row 2, column year: must be a date such as %d, got 1990; "),
    (
        "date,v\n01/02/2024,1\n02/02/2024,2\n",
        {},
        """got 01/02/2024; write it so, or give 'dataset.time_format="%d/%m/%Y"', in the letters of strptime""",
    ),
    (
        "date,v\n01.02.2024 00:00,1\n01.02.2024 01:00,2\n",
        {},
        """got 01.02.2024 00:00; write it so, or give 'dataset.time_format="%d.%m.%Y %H:%M"', in the letters""",
    ),
    (
        DAYS,
        {"time_format": "%d/%m/%Y"},
        """got 2024-01-01; write it so, or give 'dataset.time_format="%Y-%m-%d"', in the letters of strptime""",
    ),
    (
        "date,v\n31.12.23 10:00,1\n31.12.23 11:00,2\n",
        {},
        "got 31.12.23 10:00; write it so, or give",
    ),
    ("date,v\nfirst,1\nsecond,2\n", {}, "got first; write it so, or give"),
    (
        "date,v\n2024-01-01,1\n",
        {},
        "row 2, column date: must be two time stamps at least, which tell their distance, got one; leave",
    ),
    (
        "series,date,v\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-03,3\nb,2024-01-01,1\nb,2024-01-03,2\n",
        {},
        "row 6, column date: time stamps must make daily steps, as those of the longest series, got",
    ),
    (
        local("2024-10-26", "2024-10-28"),
        {},
        "row 29, column date: time stamps must come in order, each once, got 2024-10-27 02:00:00 after 2024-10-27 02",
    ),
    (
        local("2024-03-30", "2024-04-01"),
        {},
        "got 2024-03-31 03:00:00 after 2024-03-31 01:00:00; give dataset.missing=interpolate, or leave the",
    ),
]


@pytest.mark.parametrize(("content", "options", "message"), TIMES, ids=map(str, range(len(TIMES))))
def test_times_that_are_not_even_are_refused(
    tmp_path: Path, content: str, options: dict[str, object], message: str
) -> None:
    assert message in refused(written(tmp_path / "x.csv", content), **options)


def test_an_option_that_is_printed_can_be_pasted(tmp_path: Path) -> None:
    """With the quotes that a shell and Hydra take away."""
    path = written(tmp_path / "x.csv", '"a ""b""",c;d,"e\'f",2020,sky\n1,2,3,4,dry\n2,1,2,2,wet\n')
    [typed] = re.findall(r"give ('.*)$", refused(path).partition(", or give")[0])
    dataset = compose("dataset=csv", f"dataset.path={path}", *shlex.split(typed)).dataset
    assert dataset.open(0).channels == ('a "b"', "c;d", "e'f", "2020")


def test_series_that_stand_one_below_the_other_are_not_averaged(tmp_path: Path) -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 31)]
    rows = "".join(f"{day},{number}\n" for number in range(2) for day in days)
    path = written(tmp_path / "x.csv", f"date,v\n{rows}")
    said = refused(path, duplicates="mean")
    assert "got 2024-01-01 after 2024-01-30" in said
    assert "give dataset.series_column=NAME where rows belong to several" in said


@pytest.mark.parametrize(("freq", "a_day"), [("h", 24), ("15min", 96)])
def test_hours_of_clocks_that_change_are_averaged_and_filled_in(tmp_path: Path, freq: str, a_day: int) -> None:
    path = written(tmp_path / "x.csv", local("2024-03-01", "2024-11-30", freq))
    source = opened(path, duplicates="mean", missing="interpolate")
    [series] = source.content.series
    assert len(series.values) == a_day * 274 + 1
    hour = a_day // 24
    assert np.array_equal(series.values[: 24 * hour, 0], np.arange(24 * hour))
    twice = np.flatnonzero(np.diff(series.values[:, 0]) != 1)  # half a step in, where two values are averaged
    assert series.stamps is not None
    assert set(series.stamps[twice].date.astype(str)) == {"2024-03-31", "2024-10-27"}


def test_a_way_out_is_of_a_length_that_can_be_pasted(tmp_path: Path) -> None:
    names = [f"2024-01-{day:02d}" for day in range(1, 32)]
    path = written(tmp_path / "x.csv", f"item,{','.join(names)}\nA{',1' * 31}\nB{',2' * 31}\n")
    way_out = "give dataset.value_columns, or give dataset.series_column=item, if it names the series"
    assert refused(path).endswith(f", row 2, column item: must hold numbers, got A; {way_out}")


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing", "device", "large"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sales.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(3 * 10**9)
    else:
        written(tmp_path / "sale.csv", "a\n1\n2\n")
    message = {
        "large": "must have at most 2,000,000,000 bytes, got 3,000,000,000; give a part of it",
        "missing": "must be a file, but it is not there; give another",
    }
    assert (
        refused(path) == f"{path} {message.get(kind, 'must be a file, got a folder, a pipe or a device; give another')}"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("path=''", "dataset.path must match ^[^\\pC]+$, got nothing"),
        ("separator=ab", "dataset.separator: ab is unknown; did you mean tab?"),
        ("encoding=rot13", "must be text in rot13 ('rot13' is not a text encoding"),
        ("digest=abc", "dataset.digest must match ^[0-9a-f]{64}$, got abc"),
    ],
)
def test_an_option_that_means_nothing_is_refused(tmp_path: Path, value: str, message: str) -> None:
    path = written(tmp_path / "x.csv", "a\n1\n2\n")
    with pytest.raises(Refused, match=re.escape(message)):
        compose("dataset=csv", f"dataset.path={path}", f"dataset.{value}").dataset.open(0)


@pytest.mark.parametrize(
    "arguments",
    [["dataset.path=x.csv"], *(pytest.param(more, marks=pytest.mark.slow) for more in ([], ["dataset.path=no.csv"]))],
    ids=str,
)
def test_the_command_refuses_in_a_line(tmp_path: Path, arguments: list[str]) -> None:
    written(tmp_path / "x.csv", "a;b\n1,5;2\n3,5;4\n")
    done = call("dataset=csv", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_what_the_command_prints_helps(tmp_path: Path) -> None:
    written(tmp_path / "x.csv", "a;b\n1,5;2\n3,5;4\n5,5;6\n")
    done = run_process("dataset=csv", "dataset.path=x.csv", cwd=tmp_path)
    assert done.returncode == 2
    [typed] = re.findall(r"give ('.*')$", done.stderr.strip())
    again = run_process("dataset=csv", "dataset.path=x.csv", *shlex.split(typed), cwd=tmp_path)
    assert "x.csv" not in again.stderr


@pytest.mark.parametrize("key", ["target", "value_columns"])
def test_a_column_that_is_named_twice_is_refused(key: str) -> None:
    with pytest.raises(Refused, match=rf"dataset.{key} must name each column once, got \[a, a\]"):
        compose("dataset=csv", "dataset.path=a.csv", f"dataset.{key}=[a,a]")


@pytest.mark.parametrize("zone", ["Z", "+02:00", "+0200", " UTC"])
@pytest.mark.parametrize("first", [True, False])
def test_times_with_and_without_a_zone_are_refused(tmp_path: Path, zone: str, first: bool) -> None:
    times = [f"2024-01-01 {hour:02}:00:00" for hour in range(24)]
    times[5:] = [time + zone for time in times[5:]]
    rows = [f"{time},{number}" for number, time in enumerate(times if not first else reversed(times))]
    said = refused(written(tmp_path / "a.csv", "\n".join(["date,v", *rows])), time_column="date")
    row = 21 if first else 7
    assert f"row {row}, column date: must have a zone as all above it do, or none as they do, got" in said
    assert said.endswith("; write all alike")


@pytest.mark.parametrize("word", ["now", "today", "NOW", "Today", "infinity", "NaT"])
def test_a_word_is_no_date(tmp_path: Path, word: str) -> None:
    said = refused(written(tmp_path / "a.csv", DAYS + f"{word},3\n"), time_column="date")
    assert f"row 4, column date: must be a date such as 2024-01-31 or 2024-01-31 13:00, got {word};" in said


@pytest.mark.parametrize("zone", ["Mars/Phobos", "+25:00"])
def test_a_zone_that_nobody_knows_is_refused(tmp_path: Path, zone: str) -> None:
    times = pa.array(range(0, 24 * 3600, 3600), pa.timestamp("s", zone))
    parquet.write_table(pa.table({"date": times, "v": range(24)}), tmp_path / "a.parquet")
    said = refused(tmp_path / "a.parquet", time_column="date")
    assert f"column date: must hold numbers, times or text in UTF-8, got timestamp[ms, tz={zone}]" in said
