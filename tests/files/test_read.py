"""What is read: pandas' values to the last bit, in whichever of its forms a file is."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.series_files import opened, read, written
from wavesweep.files import reading
from wavesweep.files.dataset import Csv

GENERATOR = np.random.default_rng(0)
VALUES = GENERATOR.normal(size=(7, 3)) * 10.0 ** GENERATOR.integers(-12, 12, size=(7, 3))
WIDE = pd.DataFrame(VALUES, columns=["a", "b c", "d"])
DAYS = pd.date_range("2023-12-29", periods=7)
SHOPS = pd.DataFrame({"item_id": [*"abbab"] * 2, "v": range(10)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sales.csv"


def in_euros(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, sep=";", decimal=",").encode("cp1252")


FORMS: dict[str, tuple[Callable[[pd.DataFrame], bytes], dict[str, str]]] = {
    "plain": (lambda table: table.to_csv(index=False).encode(), {}),
    "windows": (lambda table: b"\xef\xbb\xbf" + table.to_csv(index=False, lineterminator="\r\n").encode(), {}),
    "packed": (lambda table: gzip.compress(table.to_csv(index=False).encode()), {}),
    "tabs": (lambda table: table.to_csv(index=False, sep="\t").encode(), {}),
    "bars": (lambda table: table.to_csv(index=False, sep="|").encode("utf-16"), {"encoding": "utf-16"}),
    "euros": (in_euros, {"decimal": ",", "encoding": "cp1252"}),
    "quoted": (lambda table: table.to_csv(index=False, quoting=1).encode(), {}),
    "index": (lambda table: table.to_csv().encode(), {}),
    "untidy": (lambda table: table.to_csv(index=False).replace(",", " , ").encode() + b"\n\n", {}),
    "blank line": (lambda table: table.to_csv(index=False).encode() + b"\n", {}),
    "parquet": (lambda table: table.to_parquet(), {}),
    "parquet index": (lambda table: table.set_axis([*range(0, 14, 2)]).to_parquet(), {}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("timed", [False, True])
def test_each_form_holds_the_same(path: Path, form: str, timed: bool) -> None:
    write, options = FORMS[form]
    table = WIDE.rename(columns={"d": "é"})
    if timed:
        table.insert(1, "when", DAYS)
    source = opened(written(path, write(table)), **options)
    assert source.channels == ("a", "b c", "é")
    assert np.array_equal(source.load(5)[0], VALUES[np.newaxis])
    assert source.load(5)[1].shape == (1, 0, 3)
    assert (source.shape, source.lengths, source.names) == ((1, 7), (7,), (0,))
    [stamps] = source.stamps
    assert stamps is None if not timed else (stamps == DAYS).all()


def test_the_values_are_pandas(path: Path) -> None:
    """Whose parser is given what this one finds out."""
    written(path, "w;x;y\n-1,5; 2e-3 ;+7\n,25;1e300;8\n".replace("1e300", "1e15"))
    expected: Any = pd.read_csv(path, sep=";", decimal=",", dtype=np.float64)
    source = opened(path, decimal=",")
    assert source.dataset.separator == ";"
    assert np.array_equal(source.load(0)[0][0], expected.to_numpy())


def test_a_resolved_configuration_names_all_that_the_file_tells(path: Path) -> None:
    table = SHOPS.assign(time=[f"2024-01-{day:02}" for day in (1, 1, 2, 2, 3, 3, 4, 5, 4, 6)])
    source = read(path, table)
    dataset = source.dataset
    assert (dataset.separator, dataset.time_column, dataset.series_column) == (",", "time", "item_id")
    assert (dataset.value_columns, source.targets) == (("v",), ("v",))
    assert dataset.open(0) == source
    assert Csv.model_validate(dataset.model_dump(mode="json")) == dataset


class TestPanels:
    def test_series_stand_in_turns_and_are_of_unequal_lengths(self, path: Path) -> None:
        """Of 4 and 6 steps."""
        table = SHOPS.assign(w=np.arange(10) ** 2, u=-np.arange(10.0))
        source = read(path, table)
        assert (source.names, source.lengths, source.shape) == (("a", "b"), (4, 6), (2, 4))
        values, ahead = source.load(3)
        assert (values.shape, ahead.shape) == ((2, 6, 3), (2, 0, 3))
        assert source.is_divided_by_time
        for name, one in zip("ab", values, strict=True):
            rows = table.loc[table["item_id"] == name, ["v", "w", "u"]].to_numpy()
            assert np.array_equal(one[: len(rows)], rows)
            assert np.isnan(one[len(rows) :]).all()

    def test_names_of_one_series_need_not_stand_together(self, path: Path) -> None:
        mixed = read(path, SHOPS).load(0)[0]
        assert np.array_equal(read(path, SHOPS.sort_values("item_id", kind="stable")).load(0)[0], mixed, equal_nan=True)

    @pytest.mark.parametrize(("column", "told"), [("depot", "depot"), ("unique_id", None)])
    def test_their_stamps_are_their_own(self, path: Path, column: str, told: str | None) -> None:
        days = [pd.date_range("2024-01-31", periods=5, freq="ME"), pd.date_range("2023-06-30", periods=3, freq="ME")]
        tables = [
            pd.DataFrame({column: name, "day": one, "v": range(len(one))}) for name, one in zip("xy", days, strict=True)
        ]
        source = read(path, pd.concat(tables), series_column=told)
        assert [(one == other).all() for one, other in zip(source.stamps, days, strict=True)] == [True, True]
        assert source.summary == "sales.csv: 2 series of 3 to 5 monthly steps, 1 channel (v)"

    def test_numbers_name_series_where_that_is_said(self, path: Path) -> None:
        table = SHOPS.assign(depot=[7 if name == "a" else 3 for name in SHOPS["item_id"]]).drop(columns="item_id")
        assert read(path, table).names == (0,)
        assert read(path, table, series_column="depot").names == ("7", "3")


class TestColumns:
    @pytest.mark.parametrize("column", ["year", "Step", "t", "index", "id", "Unnamed: 0"])
    @pytest.mark.parametrize("gap", [1, 10])
    def test_even_steps_are_no_channel(self, path: Path, column: str, gap: int) -> None:
        table = WIDE.assign(**{column: range(1990, 1990 + 7 * gap, gap)})
        source = read(path, table)
        assert (source.channels, source.dataset.time_column) == (("a", "b c", "d"), column)
        assert read(path, table, value_columns=[column, "a"]).channels == (column, "a")

    @pytest.mark.parametrize("column", ["step", "index", "id", "Unnamed: 0"])
    def test_what_counts_rows_beside_dates_is_no_channel(self, path: Path, column: str) -> None:
        table = WIDE.assign(**{column: range(3, 10), "when": DAYS})
        assert read(path, table).channels == read(path, table, time_column="when").channels == ("a", "b c", "d")

    @pytest.mark.parametrize("column", ["index", "id", "t", "time"])
    def test_what_is_called_so_and_counts_nothing_beside_dates_is_a_channel(self, path: Path, column: str) -> None:
        table = pd.DataFrame({"date": DAYS, column: VALUES[:, 0], "v": range(7)})
        assert read(path, table, time_column="date").channels == (column, "v")
        assert read(path, table).channels == (column, "v")

    def test_years_beside_dates_are_a_channel(self, path: Path) -> None:
        days = pd.date_range("2022-11-01", periods=7, freq="MS")
        assert read(path, pd.DataFrame({"date": days, "year": days.year, "v": range(7)})).channels == ("year", "v")

    def test_some_are_taken_and_some_scored(self, path: Path) -> None:
        table = WIDE.assign(sky=[*"drywets"])
        source = read(path, table, value_columns=["d", "a"], target=["a"])
        assert (source.channels, source.targets) == (("d", "a"), ("a",))
        assert np.array_equal(source.load(0)[0][0], VALUES[:, [2, 0]])

    @pytest.mark.parametrize("names", [["2019", "v", "2021"], ["0", "1", "2"]])
    def test_some_numbers_are_names(self, path: Path, names: list[str]) -> None:
        assert read(path, WIDE.set_axis(names, axis=1)).channels == tuple(names)


class TestTimes:
    @pytest.mark.parametrize(
        ("freq", "words"),
        [
            *[("h", "hourly"), ("D", "daily"), ("B", "weekday"), ("W-WED", "weekly"), ("MS", "monthly")],
            *[("ME", "monthly"), ("QS-FEB", "quarterly"), ("QE-MAR", "quarterly"), ("YS-JAN", "yearly")],
            *[("YE-JUN", "yearly"), ("15min", "steps of 15min"), ("s", "second-by-second")],
        ],
    )
    def test_gaps_are_filled_in_evenly(self, path: Path, freq: str, words: str) -> None:
        """In time: months are of unequal lengths; at the ends with the nearest value."""
        stamps = pd.date_range("2023-01-02", periods=31, freq=freq)
        table = pd.DataFrame({"date": stamps, "v": np.arange(31.0) ** 2, "w": GENERATOR.normal(size=31)})
        holes = table.copy()
        holes.loc[[0, 7, 8, 30], "v"] = np.nan
        holes = holes.drop(index=[3, 4, 11])
        with pytest.raises(ValueError, match=r"give dataset\.missing=interpolate"):
            read(path, holes)
        source = read(path, holes, missing="interpolate")
        assert (source.stamps[0] == stamps).all()
        assert source.summary.endswith("; 3 absent time stamps filled in, 4 empty cells filled in")
        assert words in source.summary
        expected = holes.set_index("date").reindex(stamps).interpolate("time", limit_direction="both")
        np.testing.assert_allclose(source.load(0)[0][0], expected.to_numpy(), rtol=1e-12)

    def test_a_panel_is_filled_in_on_one_grid(self, path: Path) -> None:
        days = pd.date_range("2024-01-01", periods=9)
        table = pd.concat(
            [
                pd.DataFrame({"series": name, "date": days[keep], "v": keep})
                for name, keep in (("x", [0, 1, 2, 4, 5, 6, 7]), ("y", [2, 4, 5]))
            ]
        )
        source = read(path, table, missing="interpolate")
        assert source.lengths == (8, 4)
        assert np.array_equal(source.load(0)[0][:, :4, 0], [[0, 1, 2, 3], [2, 3, 4, 5]])

    def test_rows_of_one_stamp_are_averaged(self, path: Path) -> None:
        table = pd.DataFrame({"date": DAYS.repeat([1, 2, 1, 3, 1, 1, 1]), "v": range(10)})
        source = read(path, table, duplicates="mean")
        assert np.array_equal(source.load(0)[0][0, :, 0], np.array(table.groupby("date")["v"].mean()))
        assert source.summary == "sales.csv: 1 series of 7 daily steps, 1 channel (v); 3 rows averaged"

    def test_clocks_that_change_are_read_where_their_zone_is_told(self, path: Path) -> None:
        hours = pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Berlin")
        [stamps] = read(path, pd.DataFrame({"date": hours, "v": range(72)})).stamps
        assert (stamps == hours.tz_convert("UTC")).all()

    @pytest.mark.parametrize(
        ("texts", "first", "form"),
        [
            (["13/02/2024", "14/02/2024"], "2024-02-13", None),
            (["02/13/2024", "02/14/2024"], "2024-02-13", None),
            (["02/01/2024", "03/01/2024"], "2024-01-02", "%d/%m/%Y"),
            (["2.1.24 7:30", "3.1.24 7:30"], "2024-01-02 07:30", "%d.%m.%y %H:%M"),
            (["Jan 1 2000", "Feb 1 2000", "Mar 1 2000"], "2000-01-01", None),
            (["2010/01/31 05:00", "2010/01/31 06:00"], "2010-01-31 05:00", None),
            (["20240131", "20240201"], "2024-01-31", None),
            (["2023-12", "2024-01", "2024-02"], "2023-12-01", None),
            (["2023Q4", "2024Q1", "2024Q2"], "2023-10-01", None),
        ],
    )
    def test_dates_are_read_as_they_are_written(
        self, path: Path, texts: list[str], first: str, form: str | None
    ) -> None:
        stamps: Any
        [stamps] = read(path, pd.DataFrame({"date": texts, "v": range(len(texts))}), time_format=form).stamps
        assert stamps[0] == pd.Timestamp(first)


@pytest.mark.bench
@pytest.mark.parametrize("kind", ["hourly", "panel", "bare"])
def test_a_million_rows_take_little_more_than_by_pandas(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the processor's time: pandas takes several threads; here, the digest of the file is found besides."""
    path, count = tmp_path / "x.csv", 10**6
    table = pd.DataFrame(GENERATOR.normal(size=(count, 3)).cumsum(axis=0), columns=["a", "b", "c"])
    dates: Any = {"parse_dates": ["date"]} if kind != "bare" else {}
    if kind == "hourly":
        table.insert(0, "date", pd.date_range("1990-01-01", periods=count, freq="h"))
    elif kind == "panel":
        table.insert(0, "date", np.tile(pd.date_range("2000-01-01", periods=count // 50, freq="h"), 50))
        table.insert(0, "series", np.repeat([f"shop {number}" for number in range(50)], count // 50))
    table.to_csv(path, index=False)
    seconds: dict[str, list[float]] = {"ours": [], "pandas": []}
    for _ in range(5):
        reading._read_file.cache_clear()
        for name, load in (("ours", lambda: opened(path)), ("pandas", lambda: pd.read_csv(path, **dates))):
            start = time.process_time()
            load()
            seconds[name].append(time.process_time() - start)
    ratio = min(seconds["ours"]) / min(seconds["pandas"])
    with capsys.disabled():
        print(f"\n{kind}: {ratio:.2f} of the processor's time that pandas takes")
    assert ratio <= 2.5
