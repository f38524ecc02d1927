"""What is known in advance: columns, the calendar, rows beyond the last value; several files as one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.series_files import opened, read
from wavesweep.files.copies import fetch, keep

DRAWS = np.random.default_rng(0)
DAYS: Any = pd.date_range("2024-02-20", periods=20)
SALES: Any = pd.DataFrame(
    {"day": DAYS, "sales": DRAWS.normal(size=20), "price": DRAWS.normal(size=20), "holiday": DRAWS.integers(0, 2, 20)}
)
AHEAD: Any = SALES.assign(sales=SALES.sales.where(SALES.index < 15), price=SALES.price.where(SALES.index < 15))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sales.csv"


def test_a_known_column_is_no_channel(path: Path) -> None:
    source = read(path, SALES, known=("holiday",))
    assert source.channels == ("sales", "price")
    np.testing.assert_array_equal(source.load_inputs(0)[0, :, 0], SALES.holiday)


def test_rows_without_values_at_the_end_are_what_is_to_come(path: Path) -> None:
    source = read(path, AHEAD, known=("holiday",))
    assert source.lengths == (15,)
    assert source.filled() is None
    np.testing.assert_array_equal(source.load(0)[0][0], SALES[["sales", "price"]][:15])
    [known] = source.known
    assert known
    np.testing.assert_array_equal(known.values[:, 0], SALES.holiday)
    np.testing.assert_array_equal(known.rows, range(15, 20))
    assert "5 steps beyond the last value, known in advance" in source.summary
    assert np.isnan(source.load_inputs(7)[0, 20:]).all()


def test_they_are_left_out_where_nothing_is_known(path: Path) -> None:
    source = read(path, AHEAD.drop(columns="holiday"), missing="interpolate")
    assert source.lengths == (15,)
    assert source.filled() is None
    assert source.summary.endswith("5 steps without values")


def test_the_targets_alone_say_which_rows_they_are(path: Path) -> None:
    table = AHEAD.assign(price=SALES.price)
    assert read(path, table, target=("sales",), known=("holiday",)).lengths == (15,)
    with pytest.raises(Refused, match="row 17, column sales: must hold a number"):
        read(path, table, known=("holiday",))


def test_a_gap_before_a_value_is_one(path: Path) -> None:
    table = AHEAD.copy()
    table.loc[18, ["sales", "price"]] = 1.0
    with pytest.raises(Refused, match="row 17, column sales: must hold a number"):
        read(path, table, known=("holiday",))


def test_each_series_has_rows_of_its_own(path: Path) -> None:
    table = pd.concat([AHEAD.assign(shop="a"), SALES.assign(shop="b")])
    source = read(path, table, known=("holiday",), series_column="shop")
    assert source.lengths == (15, 20)
    assert [len(one.rows) for one in source.known if one] == [5, 0]


def test_a_series_without_values_is_refused(path: Path) -> None:
    table = pd.concat([AHEAD.assign(shop="a"), AHEAD[15:].assign(shop="b")])
    with pytest.raises(Refused, match=r"series b must have a value of sales, got none; leave it out"):
        read(path, table, known=("holiday",), series_column="shop")


def test_known_values_in_between_are_refused_or_filled_in(path: Path) -> None:
    table = SALES.assign(holiday=SALES.holiday.where(SALES.index != 3))
    with pytest.raises(Refused, match="row 5, column holiday: must hold a number"):
        read(path, table, known=("holiday",))
    source = read(path, table, known=("holiday",), missing="interpolate")
    assert source.load_inputs(0)[0, 3, 0] == SALES.holiday[[2, 4]].mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"known": ("holidays",)}, "must have the column holidays of dataset.known"),
        ({"known": ("sales",), "value_columns": ("sales",)}, "can't be known in advance and be what tells time"),
        ({"known": ("day",), "time_column": "day"}, "can't be known in advance and be what tells time"),
        ({"target": ("holiday",), "known": ("holiday",)}, "can't be known in advance and be what tells time"),
    ],
)
def test_what_can_t_be_known_is_refused(path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        read(path, SALES, **options)


def test_time_stamps_tell_the_calendar_beyond_the_end_too(path: Path) -> None:
    fields = ("weekday", "day", "month", "week", "quarter", "hour")
    inputs = read(path, SALES[["day", "sales"]], calendar=fields).load_inputs(3)[0]
    stamps = pd.date_range(DAYS[0], periods=23)
    expected = [stamps.day_of_week, stamps.day, stamps.month, stamps.isocalendar().week, stamps.quarter, stamps.hour]
    np.testing.assert_array_equal(inputs, np.stack([np.asarray(one, float) for one in expected], axis=1))


def test_an_hour_has_minutes(path: Path) -> None:
    table = SALES.assign(day=pd.date_range("2024-01-01", periods=20, freq="15min"))
    hours = read(path, table[["day", "sales"]], calendar=("hour",)).load_inputs(0)[0, :, 0]
    np.testing.assert_allclose(hours, np.arange(20) / 4)


def test_the_calendar_takes_time_stamps(path: Path) -> None:
    with pytest.raises(Refused, match="must have a column of time stamps to tell the calendar of"):
        read(path, SALES[["sales"]], calendar=("month",))


class TestSeveralFiles:
    @pytest.fixture
    def pattern(self, tmp_path: Path) -> Path:
        SALES.to_csv(tmp_path / "east.csv", index=False)
        AHEAD[["price", "holiday", "sales", "day"]].to_parquet(tmp_path / "west.csv")
        return tmp_path / "*.csv"

    def test_they_are_the_series_of_a_panel(self, pattern: Path) -> None:
        source = opened(pattern, known=("holiday",))
        assert (source.names, source.lengths) == (("east", "west"), (20, 15))
        assert source.dataset.series_column == "series"
        np.testing.assert_array_equal(source.load(0)[0][1, :15], SALES[["sales", "price"]][:15])

    def test_a_mistake_is_told_by_file_and_row(self, pattern: Path) -> None:
        (pattern.parent / "west.csv").write_text("day,sales,price,holiday\n2024-01-01,1,2,0\n2024-01-02,x,2,1\n")
        with pytest.raises(Refused, match=r"west\.csv, row 3, column sales: must be a finite number"):
            opened(pattern, known=("holiday",))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "day,sales,price\n2024-01-01,1,2\n",
                r"west\.csv, row 1: must have the columns of .*east\.csv, but holiday",
            ),
            ("day,sales,price,holiday,series\n", r"west\.csv must have a row for each step"),
        ],
    )
    def test_they_have_the_same_columns(self, pattern: Path, text: str, message: str) -> None:
        (pattern.parent / "west.csv").write_text(text)
        with pytest.raises(Refused, match=message):
            opened(pattern)

    def test_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(Refused, match="must match a file, but none is there"):
            opened(tmp_path / "*.csv")

    def test_a_copy_is_kept_of_all(self, pattern: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(pattern.parent)
        content, digest = fetch(Path("*.csv"))
        assert keep("*.csv", digest) == Path("outputs/data") / digest[:16] / "all.csv.tar"
        (pattern.parent / "east.csv").unlink()
        assert fetch(Path("*.csv"), digest) == (content, digest)
        assert opened(Path("*.csv"), digest=digest, known=("holiday",)).lengths == (20, 15)
