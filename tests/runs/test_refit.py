"""Linear autoregression that is fitted again, to validation data too, once it is chosen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.parts import config, given, go, kept_network, leave_undrawn
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.evaluation.scores import errors
from wavesweep.evaluation.shown import ShownForecasts
from wavesweep.experiment.description import refit
from wavesweep.experiment.events import Drawable
from wavesweep.experiment.experiment import experiment
from wavesweep.experiment.preparation import Prepared, load_data, prepare
from wavesweep.experiment.result import Result
from wavesweep.models.autoregression import Lags, fit_weights, forecast
from wavesweep.workspace.directory import RunDirectory

SPLIT = (150, 60, 60)
LINEAR = ("model=linear", "model.order=2", "forecast.horizon=4")
AGAIN = "forecast.refit=validation"


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def noisy(length: int = sum(SPLIT)) -> np.ndarray:
    """Return a series that an autoregression of two lags knows as well as one can, (time, 1)."""
    values = np.random.default_rng(1).normal(size=(length, 1))
    for step in range(2, length):
        values[step] += 1.2 * values[step - 1] - 0.5 * values[step - 2]
    return values


def prepared(*overrides: str, split: tuple[int, int, int] = SPLIT) -> Prepared:
    return prepare(given([noisy()], *overrides, split=split))


def left(one: Prepared, directory: RunDirectory) -> tuple[Result, dict[str, Any]]:
    """Run; return the result, and all that was measured of which the time says nothing."""
    result = go(one.config, directory, data=one.data)
    passing = ("timestamp", "seconds", "time/train_seconds")
    rows = [{key: value for key, value in row.items() if key not in passing} for row in directory.read_metrics()]
    return result, {"rows": rows[:-1], **rows[-1]}


def by_least_squares(series: np.ndarray, context: np.ndarray, order: int = 2) -> np.ndarray:
    """Forecast four steps by an autoregression that is fitted to a series, all in the units of the data."""
    lags = Lags(tuple(range(1, order + 1)))
    return forecast(fit_weights([series], lags), lags, context, 4)


def test_it_is_fitted_to_all_before_the_test_and_only_the_test_is_of_it(tmp_path: Path) -> None:
    once, again = prepared(*LINEAR), prepared(*LINEAR, AGAIN)
    directory = RunDirectory(tmp_path / "again")
    plain, before = left(once, RunDirectory(tmp_path / "once"))
    result, found = left(again, directory)
    data = again.data
    assert data.test
    network, scaler = kept_network(again.config, directory)
    ahead = forecast_part(network, scaler, data.test).closed_loop
    np.testing.assert_allclose(ahead, by_least_squares(noisy()[: sum(SPLIT[:2])], data.test.context), rtol=1e-5)
    assert found["test/closed_loop_scaled_mse"] == errors(ahead, data.test, data.units).mean
    was, now = before["test/closed_loop_scaled_mse"], found["test/closed_loop_scaled_mse"]
    assert found["test/refit_gain"] == pytest.approx(1 - now / was)
    assert found["test/refit_gain_low"] < found["test/refit_gain"] < found["test/refit_gain_high"]
    assert result.objective == plain.objective
    assert {key: value for key, value in found.items() if not key.startswith("test/")} == {
        key: value for key, value in before.items() if not key.startswith("test/")
    }
    assert found["test/interval_width"] == before["test/interval_width"], "as errors before tell"


def test_baselines_are_fitted_again_too_so_that_it_is_compared_with_its_like(tmp_path: Path) -> None:
    free = ("model=linear", "forecast.horizon=4", "runtime.dtype=float64")
    results = [left(prepared(*free, *some), RunDirectory(tmp_path / f"{len(some)}"))[1] for some in ([], [AGAIN])]
    for found in results:
        assert found["test/closed_loop_scaled_mse"] == pytest.approx(found["test/linear_scaled_mse"], rel=1e-4)
    before, after = results
    for name in ("linear", "ridge", "combined", "line"):
        assert before[f"test/{name}_scaled_mse"] != after[f"test/{name}_scaled_mse"]
        assert before[f"val/{name}_scaled_mse"] == after[f"val/{name}_scaled_mse"]
    assert before["test/naive_scaled_mse"] == after["test/naive_scaled_mse"]
    assert before["test/baseline_interval_width"] == after["test/baseline_interval_width"]


def test_no_test_value_reaches_what_is_kept(tmp_path: Path) -> None:
    spoilt = noisy()
    spoilt[sum(SPLIT[:2]) :] += 100
    kept = []
    for name, values in {"as it is": noisy(), "spoilt": spoilt}.items():
        one, directory = prepare(given([values], *LINEAR, AGAIN, split=SPLIT)), RunDirectory(tmp_path / name)
        go(one.config, directory)
        kept.append(directory.weights.read_bytes())
    assert kept[0] == kept[1]


def test_of_values_that_were_filled_in_over_its_end_none_tells_of_the_test(tmp_path: Path) -> None:
    border = sum(SPLIT[:2])
    values = noisy()[:, 0]
    values[border - 5 : border + 3] = np.nan
    found = []
    for name, after in {"as it is": 0.0, "spoilt": 50.0}.items():
        changed = values.copy()
        changed[border + 3 :] += after
        lines = ["time,value", *(f"{step},{'' if np.isnan(one) else one}" for step, one in enumerate(changed))]
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(lines))
        file = (
            "dataset=csv",
            f"dataset.path='{path}'",
            "dataset.missing=interpolate",
            "dataset.split=[150,60,60]",
        )
        found.append(load_data(config(*file, *LINEAR)).before_test[0])
    assert found[0].shape == (border, 1)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0][-5:], np.full((5, 1), found[0][-6]))


def test_a_start_that_is_kept_is_fitted_again_and_a_network_is_not(tmp_path: Path) -> None:
    beside = (
        "model.hidden_sizes=[3]",
        "model.members=1",
        "model.highway=true",
        "model.lags=[1,2]",
        "model.start=autoregression",
        "training.epochs=1",
    )
    start = prepared(*beside, "optimizer.lr=1e-9", "forecast.horizon=4", AGAIN)
    directory = RunDirectory(tmp_path / "start")
    result = go(start.config, directory)
    assert result.epoch == 0
    assert start.data.test
    network, scaler = kept_network(start.config, directory)
    ahead = forecast_part(network, scaler, start.data.test).closed_loop
    by_hand = by_least_squares(noisy()[: sum(SPLIT[:2])], start.data.test.context)
    np.testing.assert_allclose(ahead, by_hand, rtol=1e-3, atol=1e-3)
    assert "test/refit_gain" in result.metrics

    trained = []
    for some in ([], [AGAIN]):
        one = prepared(*beside, "training.keep=last", "forecast.horizon=4", *some)
        directory = RunDirectory(tmp_path / f"trained {len(some)}")
        result = go(one.config, directory)
        assert result.epoch == 1
        assert "test/refit_gain" not in result.metrics
        trained.append(directory.weights.read_bytes())
    assert trained[0] == trained[1]


def test_without_a_test_part_it_is_stored_and_what_is_measured_stays(tmp_path: Path) -> None:
    directories = [RunDirectory(tmp_path / name) for name in ("once", "again")]
    split = (150, 120, 0)
    found = [
        left(prepared(*LINEAR, *some, split=split), one)[1]
        for some, one in zip(([], [AGAIN]), directories, strict=True)
    ]
    assert found[0] == found[1]
    assert directories[0].weights.read_bytes() != directories[1].weights.read_bytes()
    again = prepared(*LINEAR, AGAIN, split=split)
    network, scaler = kept_network(again.config, directories[1])
    ahead = forecast_part(network, scaler, again.data.val).closed_loop
    np.testing.assert_allclose(ahead, by_least_squares(noisy(), again.data.val.context), rtol=1e-5)


def test_of_series_that_are_split_from_each_other_those_that_validate_are_fitted_too() -> None:
    data = load_data(
        config("dataset=linear_noise", "dataset.num_series=6", "dataset.length=20", "dataset.split=[3,2,1]")
    )
    assert [len(one) for one in data.before_test] == [20, 20, 20, 40, 40]
    both = np.concatenate([data.val.context, data.val.truth], axis=1)
    assert np.array_equal(data.before_test[:3], data.train)
    assert np.array_equal(data.before_test[3:], both)
    assert data.test
    assert not any(np.array_equal(one[:20], data.test.context[0]) for one in data.before_test)


def test_pictures_show_what_is_tested() -> None:
    again = prepared(*LINEAR, AGAIN)
    events = [*experiment(again.config, again.data)]
    [shown] = [one.shown for one in events if isinstance(one, Drawable) and one.name == "forecast"]
    assert isinstance(shown, ShownForecasts)
    by_hand = by_least_squares(noisy()[: sum(SPLIT[:2])], shown.context)
    np.testing.assert_allclose(shown.closed_loop, by_hand, rtol=1e-5)


def test_a_series_that_is_too_short_to_be_scored_bounds_no_baseline() -> None:
    series = [noisy(80), noisy(14), noisy(90)]
    data = load_data(given(series, *LINEAR, split=(0.5, 0.25, 0.25), panel=True))
    assert [len(one) for one in data.scored_before_test(data.units)] == [60, 68]


def test_in_a_panel_each_series_ends_before_its_own_test() -> None:
    series = [noisy(80), noisy(60)]
    data = load_data(given(series, *LINEAR, split=(0.5, 0.25, 0.25), panel=True))
    assert [len(one) for one in data.before_test] == [60, 45]
    for whole, one in zip(series, data.before_test, strict=True):
        assert np.array_equal(one, whole[: len(one)])


@pytest.mark.parametrize(
    ("overrides", "epoch", "metrics", "told"),
    [
        (["model=linear"], 1, {}, None),
        (["model=linear", AGAIN], 1, {}, "Once it was chosen, it was fitted again, to validation data too."),
        (
            ["model=linear", AGAIN],
            1,
            {"test/refit_gain": 0.031, "test/refit_gain_low": -0.01, "test/refit_gain_high": 0.07},
            "Once it was chosen, it was fitted again, to validation data too: its error on test data is 3% lower by "
            "that (95% interval: 1% higher to 7% lower).",
        ),
        (
            ["model=linear", AGAIN],
            1,
            {"test/refit_gain": -0.25},
            "Once it was chosen, it was fitted again, to validation data too: its error on test data is 25% higher.",
        ),
        (
            [AGAIN],
            2,
            {},
            "The network was not fitted again, to validation data too: forecast.refit is for linear forecasts.",
        ),
    ],
)
def test_what_is_said_of_it(overrides: list[str], epoch: int, metrics: dict[str, float], told: str | None) -> None:
    result = Result(False, 1.0, epoch, metrics)
    assert refit(config(*overrides), result) == ([] if told is None else [told])
