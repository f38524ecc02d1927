"""How a file is written is found out, so that what follows its rows can stand below them."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.series_files import opened, written
from wavesweep.data.dataset import Observed
from wavesweep.files.dataset import File
from wavesweep.files.manner import read_manner
from wavesweep.reproduction.tables import continuations_below

AHEAD = np.array([[7.125, -0.001], [8.0, 1e6], [2.0, 3.0]])
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")
PANEL = "b,symbol,a,date\n3,x,1,2024-01\n4,x,2,2024-02\n1,x,3,2024-03\n3,y,1,2024-05\n4,y,2,2024-06\n1,y,3,2024-07\n"


def table(*times: str, time: str = "time", separator: str = ",") -> str:
    """Return a file of two channels, a with two decimals and b with none."""
    cells = ("1.5,3", "-2.25,4", "3,1", "4.50,7")
    rows = [f"{time},a,b", *(f"{time},{cell}" for time, cell in zip(times, cells, strict=True))]
    return "".join(row.replace(",", separator) + "\n" for row in rows)


def in_german(*times: str) -> bytes:
    """Return such a file with decimal commas and an umlaut."""
    rows = [f"{time};{cell}" for time, cell in zip(times, ("1,5;3", "-2,25;4", "3;1", "4,50;7"), strict=True)]
    return "\r\n".join(["für;a;b", *rows, ""]).encode("cp1252")


def continued(path: Path, **options: str) -> tuple[File, bytes]:
    """Return the series of a file, and what continues each by the rows of AHEAD, written as the file is."""
    source = opened(path, **options)
    series = [Observed(one.name, one.values, one.start, one.stamps) for one in source.content.series]
    manner = read_manner(path, None, source.dataset.options)
    return source, continuations_below(manner, source.channels, source.channels, series, [AHEAD] * len(series))


GERMAN = {"encoding": "cp1252", "decimal": ",", "time_format": "%d.%m.%Y %H:%M"}
FORMS: dict[str, tuple[str | bytes, dict[str, str], str]] = {
    "days": (table(*DAYS), {}, "2024-01-05,7.125,0.0"),
    "of a German": (
        in_german("30.1.2024 21:00", "30.1.2024 22:00", "30.1.2024 23:00", "31.1.2024 0:00"),
        GERMAN,
        "31.1.2024 1:00;7,125;0,0",
    ),
    "of a German, with zeros": (
        in_german("30.01.2024 07:00", "30.01.2024 08:00", "30.01.2024 09:00", "30.01.2024 10:00"),
        GERMAN,
        "30.01.2024 11:00;7,125;0,0",
    ),
    "with a mark": (b"\xef\xbb\xbf" + table(*DAYS).replace("\n", "\r\n").encode(), {}, "2024-01-05,7.125,0.0"),
    "tabs": (table(*DAYS, separator="\t").encode("cp1252"), {"encoding": "cp1252"}, "2024-01-05\t7.125\t0.0"),
    "quarters": (table("2023Q2", "2023Q3", "2023Q4", "2024Q1"), {}, "2024Q2,7.125,0.0"),
    "months": (table("2023-11", "2023-12", "2024-01", "2024-02"), {}, "2024-03,7.125,0.0"),
    "months by name": (table("Jan 2024", "Feb 2024", "Mar 2024", "Apr 2024"), {}, "May 2024,7.125,0.0"),
    "hours": (table(*(f"{DAYS[0]} 0{hour}:00:00" for hour in range(4))), {}, "2024-01-01 04:00:00,7.125,0.0"),
    "UTC": (table(*(f"{DAYS[0]}T0{hour}:00Z" for hour in range(4))), {}, "2024-01-01 04:00:00+00:00,7.125,0.0"),
    "UTC with seconds": (
        table(*(f"{DAYS[0]}T0{hour}:00:00Z" for hour in range(4))),
        {},
        "2024-01-01T04:00:00Z,7.125,0.0",
    ),
    "years": (table("1990", "1991", "1992", "1993", time="year"), {}, "1994,7.125,0.0"),
    "steps": (table("10", "20", "30", "40", time="t"), {}, "50,7.125,0.0"),
    "an index": (table(*"0123", time=""), {}, "4,7.125,0.0"),
    "no steps": ("a,b\n1.5,3\n-2.25,4\n3,1\n", {}, "7.125,0.0"),
    "two series": (PANEL, {}, "7.1,x,0.0,2024-04"),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_stand_below_the_file_as_if_they_were_its_own(form: str, tmp_path: Path) -> None:
    content, options, first = FORMS[form]
    path = written(tmp_path / "a.csv", content)
    source, ahead = continued(path, **options)
    header, _, rows = ahead.partition(b"\n")
    assert path.read_bytes().startswith(header)
    assert rows.decode(options.get("encoding", "utf-8")).splitlines()[0] == first
    both = opened(written(tmp_path / "both.csv", path.read_bytes() + rows), **options)
    assert (both.names, both.channels) == (source.names, source.channels)
    for one, before in zip(both.content.series, source.content.series, strict=True):
        assert len(one.values) == len(before.values) + len(AHEAD)
        assert np.array_equal(one.values[: len(before.values)], before.values)
        assert np.allclose(one.values[len(before.values) :], AHEAD, atol=0.03)


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (("100", "250", "130"), ("123.5", "0.0", "", "inf")),  # one decimal more
        (("100.0", "250.0", "130.0"), ("123.5", "0.0", "", "inf")),
        (("1.5", "2.25", "3"), ("123.457", "-0.001", "", "inf")),
        (("1344.3520249221183", "1231.0467289719627", "1500"), ("123.457", "-0.001", "", "inf")),  # of noise, none
        (("1e-3", "2e-3", "4e-3"), ("123.45678901", "-0.00100000", "", "inf")),
        (("10000000", "25000000", "9000000"), ("123", "0", "", "inf")),
    ],
)
def test_numbers_have_a_digit_more_than_the_file_s(
    cells: tuple[str, ...], texts: tuple[str, ...], tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", "\n".join(["a", *cells]))
    manner = read_manner(path, None, opened(path).dataset.options)
    assert manner.numbers("a", np.array([123.456789012, -0.001, np.nan, np.inf])) == [*texts]


def test_a_cell_that_holds_the_separator_is_quoted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", '"a, in m",b\n"1,5","2"\n"2,5","3"\n"1,5","4"\n')
    _, ahead = continued(path, decimal=",")
    assert ahead.decode().splitlines()[:2] == ['"a, in m",b', '"7,12","0,0"']


def test_targets_alone_are_written_and_bounds_stand_behind(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", table(*DAYS))
    source = opened(path)
    [series] = source.content.series
    observed = [Observed(0, series.values, 0, series.stamps)]
    manner = read_manner(path, None, source.dataset.options)
    rows = (
        continuations_below(manner, ("b",), ("a", "b"), observed, [AHEAD], [np.ones((2, 3, 2))]).decode().splitlines()
    )
    assert rows[:2] == ["time,b,b_lower,b_upper", "2024-01-05,0.0,-1.0,1.0"]


def test_steps_go_on_from_the_last_value(tmp_path: Path) -> None:
    lines = ["t,promoted,b", *(f"{10 + 2 * step},0,{step}.5" for step in range(4)), "18,1,", "20,0,"]
    path = written(tmp_path / "a.csv", "\n".join(lines))
    source = opened(path, known=("promoted",))
    assert read_manner(path, None, source.dataset.options).next_steps("0", 2) == ["18", "20"]
