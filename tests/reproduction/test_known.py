"""A run that knows something in advance: forecast by command, notebook and served model, from rows and tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import wavesweep as ws
from hydra_queue_sweeper.base.errors import Refused
from tests.support.commands import call
from wavesweep.served_model import ServedForecaster
from wavesweep.workspace.directory import RunDirectory

STEPS, AHEAD = 300, 6
DRAWS = np.random.default_rng(0)
DAYS: Any = pd.date_range("2024-01-01", periods=STEPS + AHEAD, name="day")
PROMOTED = DRAWS.integers(0, 2, STEPS + AHEAD)
SALES: Any = 10 + 3.0 * PROMOTED + (DAYS.day_of_week >= 5) * 2.0 + 0.2 * DRAWS.normal(size=STEPS + AHEAD)
WHOLE: Any = pd.DataFrame({"sales": SALES, "promoted": PROMOTED}, DAYS)
PAST, FUTURE = WHOLE[:STEPS], WHOLE[["promoted"]][STEPS:]
FILE: Any = WHOLE.assign(sales=WHOLE.sales.where(np.arange(STEPS + AHEAD) < STEPS)).reset_index()
LINES = (
    "dataset=csv", "dataset.known=[promoted]", "dataset.calendar=[weekday]", "model.hidden_sizes=[3]",
    "model.members=1", "training.epochs=2", "tracking.followers=[]", f"forecast.horizon={AHEAD}",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a run of a file that ends with rows that have no sales."""
    place = tmp_path_factory.mktemp("known")
    FILE.to_csv(place / "sales.csv", index=False)
    done = call(*LINES, "dataset.path=sales.csv", "hydra.run.dir=outputs/runs/one", cwd=place)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "6 steps beyond the last value, known in advance" in said
    assert "known in advance: promoted, weekday; regression on it explains 9" in said
    return place


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> ws.Run:
    monkeypatch.chdir(place)
    return ws.open_run("outputs/runs/one")


def test_it_knows_what_comes(run: ws.Run) -> None:
    ahead = run.forecast()[0, :, 0]
    assert len(ahead) == AHEAD
    assert np.abs(ahead - SALES[STEPS:]).max() < 1
    assert run.result.metrics["test/linear_scaled_mse"] < 0.1 * run.result.metrics["test/naive_scaled_mse"]


def test_nothing_of_the_effects_is_lost_in_scores(run: ws.Run) -> None:
    metrics = run.result.metrics
    assert metrics["test/closed_loop_scaled_mse"] < 0.1
    assert metrics["test/one_step_mse"] < 0.1


def test_the_command_writes_the_same(run: ws.Run, place: Path) -> None:
    expected = run.forecast()[0, :, 0]
    own = place / "own.csv"
    for number, data in enumerate(((), ("--data", "sales.csv"))):
        own = place / f"own{number}.csv"
        done = call("forecast", "outputs/runs/one", *data, "--output", own.name, cwd=place)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(pd.read_csv(own).sales, expected, rtol=1e-3)


@pytest.mark.parametrize("frame", [FILE, FILE.set_index("day")])
def test_a_table_is_a_file(run: ws.Run, frame: pd.DataFrame) -> None:
    np.testing.assert_array_equal(run.forecast(frame), run.forecast())
    np.testing.assert_array_equal(run.forecast(PAST, future=FUTURE), run.forecast())
    np.testing.assert_array_equal(run.forecast(future=FUTURE[:4]), run.forecast()[:, :4])


def test_bounds_are_put_back_too(run: ws.Run) -> None:
    lower, ahead, upper = run.forecast(bounds=True)
    np.testing.assert_allclose(upper - ahead, ahead - lower)
    np.testing.assert_array_equal(ahead, run.forecast())


def test_a_run_of_a_table_is_that_of_a_file(run: ws.Run) -> None:
    again = ws.run(ws.compose(*LINES), data=FILE)
    assert again.result.metrics["objective"] == run.result.metrics["objective"]
    assert again.config.dataset.file
    assert again.config.dataset.file[0].startswith("outputs/data/")
    assert again.reproduce().equal


@pytest.mark.usefixtures("run")
def test_a_table_takes_the_place_of_no_other_data() -> None:
    with pytest.raises(Refused, match="data takes the place of a file: give dataset=csv"):
        ws.run(ws.compose(), data=FILE)
    with pytest.raises(Refused, match=r"got path=sales"):
        ws.run(ws.compose(*LINES, "dataset.path=sales.csv"), data=FILE)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (PAST, {}, "the table: must tell promoted of each step that is forecast, got 0 rows without values"),
        (None, {"horizon": 9}, "must tell promoted of each step that is forecast, got 6 rows without values"),
        (None, {"future": FUTURE.iloc[:, :0]}, "future must have the column promoted, got day; add it"),
        (None, {"future": FUTURE[1:]}, "future must tell of 5 steps from 2024-10-27 00:00:00 on"),
        (SALES, {}, "series 0: must tell promoted, which is known in advance, got none"),
        (SALES, {"future": FUTURE}, "future must stand beside a table of values, got an array"),
        (FILE.drop(columns="promoted"), {}, "must have the column promoted of dataset.known"),
        (
            FILE.assign(promoted=FILE.promoted.where(FILE.index != STEPS + 2)),
            {},
            f"the table, row {STEPS + 4}, column promoted: must hold what is known of that step in advance",
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(run: ws.Run, values: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        run.forecast(values, **options)  # type: ignore[arg-type]


def test_the_served_model_takes_rows_without_values(run: ws.Run) -> None:
    served = ServedForecaster(RunDirectory(run.path / "model" / "data"))
    frame = FILE.assign(day=FILE.day.astype(str))
    np.testing.assert_array_equal(served.predict(frame).sales, run.forecast()[0, :, 0])


def test_its_example_can_be_sent(run: ws.Run) -> None:
    import mlflow

    model = mlflow.pyfunc.load_model(str(run.path / "model"))
    assert len(model.predict(model.input_example)) == AHEAD


@pytest.mark.usefixtures("run")
def test_the_calendar_alone_needs_no_rows() -> None:
    again = ws.run(ws.compose(*LINES, "dataset.known=null", "dataset.value_columns=[sales]"), data=FILE)
    assert again.forecast(horizon=9).shape == (1, 9, 1)
    assert again.forecast(PAST[["sales"]], horizon=9).shape == (1, 9, 1)
    with pytest.raises(Refused, match="must have time stamps, of which the calendar is told"):
        again.forecast(SALES)


@pytest.mark.usefixtures("run")
def test_floors_and_quantiles_are_of_what_is_put_back() -> None:
    few = FILE.assign(sales=np.maximum(FILE.sales - 12, 0).round(1))
    loss = ("training.loss=quantile", "forecast.quantiles=[0.1,0.5,0.9]", "training.epochs=20", "optimizer.lr=0.01")
    again = ws.run(ws.compose(*LINES, *loss), data=few)
    lower, ahead, upper = again.forecast(bounds=True)
    assert (lower >= 0).all()
    assert (ahead >= lower).all()
    assert (upper >= ahead).all()
    assert np.abs(ahead[0, :, 0] - np.maximum(SALES[STEPS:] - 12, 0)).max() < 1.5
    assert again.result.metrics["test/quantile_score"] < 0.5
    assert 0.7 < again.result.metrics["test/coverage"] <= 1


ODD = {
    "index and column": FILE.set_index("day", drop=False),
    "unnamed index beside its column": FILE.set_axis(pd.DatetimeIndex(FILE.day, name=None)).rename(
        columns={"day": "time"}
    ),
    "two levels": FILE.assign(series="one").set_index(["series", "day"]),
    "true or false": FILE.assign(promoted=FILE.promoted.astype(bool)),
}


@pytest.mark.parametrize("form", ODD)
def test_a_table_of_another_form_is_the_same(run: ws.Run, form: str) -> None:
    table = ODD[form].rename(columns={"time": "day"}) if form.startswith("unnamed") else ODD[form]
    np.testing.assert_array_equal(run.forecast(table), run.forecast())


def test_a_table_that_can_t_be_one_is_refused_in_a_line(run: ws.Run) -> None:
    with pytest.raises(Refused, match="data can't be read as a table"):
        run.forecast(FILE.assign(promoted=[2**80] * len(FILE)))


@pytest.mark.usefixtures("run")
def test_without_a_calendar_steps_may_number_the_rows() -> None:
    table = FILE.drop(columns="day").assign(step=range(len(FILE)))
    again = ws.run(ws.compose(*LINES, "dataset.calendar=null"), data=table)
    served = ServedForecaster(RunDirectory(again.path / "model" / "data"))
    np.testing.assert_array_equal(served.predict(table).sales, again.forecast()[0, :, 0])
    import mlflow

    model = mlflow.pyfunc.load_model(str(again.path / "model"))
    assert len(model.predict(model.input_example)) == AHEAD


@pytest.mark.usefixtures("run")
def test_two_tables_that_number_their_own_rows_are_one() -> None:
    rows = FILE[["sales", "promoted"]]
    past, future = rows[:STEPS].reset_index(drop=True), rows[["promoted"]][STEPS:].reset_index(drop=True)
    again = ws.run(ws.compose(*LINES, "dataset.calendar=null"), data=rows)
    np.testing.assert_array_equal(again.forecast(past, future=future), again.forecast())
