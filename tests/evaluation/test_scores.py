"""Scores against oracles and by hand, in the units of each series."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from utilsforecast.losses import mase

from tests.support.baselines import errors_by, fit_baselines
from tests.support.parts import composed, given
from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.data.scaling import Scaler
from wavesweep.data.widths import Widths
from wavesweep.evaluation.beside_baselines import (
    calibrate,
    coverage_by_series,
    forecast_by,
    gain,
    score_intervals,
    shown,
)
from wavesweep.evaluation.comparison import compare
from wavesweep.evaluation.forecasting import Forecasts
from wavesweep.evaluation.scores import Errors, errors, mean_absolute_scaled_error, mse, scores
from wavesweep.experiment.preparation import load_data

CONTEXT, HORIZON, CHANNELS, WINDOWS = 5, 4, 3, 7
DRAWS = np.random.default_rng(0).normal


def part(targets: tuple[int, ...] = (0, 2), scored: slice = slice(CONTEXT, CONTEXT + HORIZON)) -> Part:
    """Return windows of two series, four of the first and three of the second."""
    context, truth = DRAWS(size=(WINDOWS, CONTEXT, CHANNELS)), DRAWS(size=(WINDOWS, HORIZON, CHANNELS))
    series = np.array([0, 0, 0, 0, 1, 1, 1])
    start = np.array([9, 10, 11, 12, 2, 3, 4])
    return Part(context, truth, start, series, scored, np.array(targets), start + CONTEXT)


OWN = Scaler(np.zeros((2, CHANNELS)), np.array([[1.0, 10.0, 0.1], [1000.0, 2.0, 5.0]]))


def of_season(steps: int, data: Data) -> Data:
    return replace(data, seasons=(steps,))


def test_errors_by_hand() -> None:
    true, forecast = part(), DRAWS(size=(WINDOWS, HORIZON, CHANNELS))
    found = errors(forecast, true, OWN)
    by_hand = np.zeros((WINDOWS, HORIZON, 2))
    for window, number in enumerate(true.series):
        for place, channel in enumerate((0, 2)):
            error = forecast[window, :, channel] - true.truth[window, :, channel]
            by_hand[window, :, place] = error / OWN.std[number, channel]
    np.testing.assert_allclose(found.by_window, np.square(by_hand).mean(axis=(1, 2)))
    np.testing.assert_allclose(found.by_step, np.square(by_hand).mean(axis=(0, 2)))
    assert found.mean == pytest.approx(np.square(by_hand).mean())
    assert found.absolute == pytest.approx(np.abs(by_hand).mean())


def test_scores_are_of_the_steps_and_channels_that_are_scored() -> None:
    true = part(scored=slice(2, CONTEXT + 1))
    whole = np.concatenate([true.context, true.truth], axis=1)
    wrong = np.array([3.0, 1e9, 0.0])  # of a channel that is not scored, anything
    one_step = whole[:, 2 : CONTEXT + 1] + wrong
    found = scores(Forecasts(one_step, true.truth - wrong), true, OWN)
    units = np.square(OWN.std[true.series][:, [0, 2]])
    assert found == pytest.approx(
        {
            "one_step_mse": 4.5,
            "closed_loop_mse": 4.5,
            "closed_loop_scaled_mse": (np.array([9.0, 0.0]) / units).mean(),
        }
    )
    of_fewer = Forecasts(one_step[:, 1:], true.truth)  # as of a network that needs more before the first
    fewer = scores(of_fewer, true, OWN)
    assert fewer["one_step_mse"] == pytest.approx(4.5)
    assert fewer["closed_loop_mse"] == 0


def test_a_forecast_that_explodes_has_an_infinite_error() -> None:
    true = part()
    assert mse(true.truth * 1e200, true.truth, true.targets, true.observed) == np.inf
    assert errors(true.truth * 1e200, true, OWN).mean == np.inf
    with np.errstate(all="raise"):
        assert np.isnan(errors(true.truth * np.nan, true, OWN).mean)


class TestTheMeanAbsoluteScaledError:
    @pytest.mark.parametrize("season", [1, 4])
    def test_it_is_that_of_utilsforecast(self, season: int) -> None:
        lengths = (30, 17)
        train = tuple(DRAWS(size=(length, 1)).cumsum(axis=0) * 10**number for number, length in enumerate(lengths))
        truth, forecast = DRAWS(size=(2, HORIZON, 1)), DRAWS(size=(2, HORIZON, 1))
        context, start = DRAWS(size=(2, CONTEXT, 1)), np.array([25, 12])
        once = Part(context, truth, start, np.arange(2), slice(5, 9), np.array([0]), start + CONTEXT)
        units = Scaler(np.zeros((2, 1)), np.ones((2, 1)))
        data = replace(of_season(season, load_data(given(train, panel=True))), train=train, observed=train, units=units)
        ours = mean_absolute_scaled_error(forecast, once, data)
        past = pd.concat([pd.DataFrame({"unique_id": n, "y": one[:, 0]}) for n, one in enumerate(train)])
        ahead = pd.concat(
            [
                pd.DataFrame({"unique_id": n, "y": truth[n, :, 0], "model": forecast[n, :, 0]})
                for n in range(len(lengths))
            ]
        )
        theirs = mase(ahead, ["model"], seasonality=season, train_df=past)["model"]
        assert ours == pytest.approx(theirs.mean())

    def test_a_series_as_long_as_a_season_is_measured_by_half_of_its_steps(self) -> None:
        data = of_season(30, load_data(given([DRAWS(size=(length, 2)) for length in (40, 11)], panel=True)))
        forecast = np.zeros_like(data.val.truth)
        assert np.isfinite(mean_absolute_scaled_error(forecast, data.val, data))

    def test_series_that_are_split_from_each_other_give_a_unit_together(self) -> None:
        data = of_season(1, load_data(given(DRAWS(size=(7, 40, 3)).cumsum(axis=1))))
        steps = np.abs(np.diff(np.array(data.train), axis=1)).mean(axis=(0, 1))
        ahead = data.val.truth + steps * [1, 2, 6]
        assert mean_absolute_scaled_error(ahead, data.val, data) == pytest.approx(3)


class TestGain:
    @pytest.mark.parametrize(("stride", "overlap"), [(1, 4), (2, 2), (3, 2), (4, 1), (30, 1)])
    def test_windows_overlap_by_their_distance_within_a_series(self, stride: int, overlap: int) -> None:
        """Not by that of two windows of two series."""
        series = [DRAWS(size=(length, 2)) for length in (400, 300)]
        forecasts = ("forecast.horizon=4", "forecast.context=5", f"forecast.stride={stride}")
        windows = load_data(given(series, *forecasts, panel=True)).val
        assert (windows.stride, windows.overlap) == (stride, overlap)
        units = Scaler(np.zeros(2), np.ones(2))
        mine, other = (errors(DRAWS(size=windows.truth.shape), windows, units) for _ in range(2))
        both = windows.by_origin(mine.by_window), windows.by_origin(other.by_window)
        share, interval = compare(*both, overlap)
        low, high = interval or (np.nan, np.nan)
        assert gain(mine, other, windows) == {"gain": share, "gain_low": low, "gain_high": high}

    def test_windows_of_series_that_are_forecast_once_share_no_step(self) -> None:
        windows = load_data(given(DRAWS(size=(7, 40, 3)).cumsum(axis=1))).val
        assert (windows.stride, windows.overlap) == (0, 1)

    @pytest.mark.parametrize(
        ("chosen", "overlap"),
        [
            ((0, 1, 2, 3, 4, 5, 6), 4),
            ((0, 2, 4, 6), 2),
            ((3, 4, 5, 6), 4),
            ((4, 3, 5, 6), 4),
            ((3, 4), 1),
            ((0, 2, 5, 6), 2),
        ],
    )
    def test_forecasts_overlap_by_the_distance_of_their_origins(self, chosen: tuple[int, ...], overlap: int) -> None:
        """Whichever series they are of."""
        assert part().only(np.array(chosen)).overlap == overlap

    def test_it_is_the_share_by_which_the_error_is_lower(self) -> None:
        windows = part()
        mine, other = (Errors(np.full(2, value), np.full(4, value), 1.0, value) for value in (3.0, 4.0))
        some = windows.only(np.array([0, 4]))
        assert gain(mine, other, some) == {"gain": pytest.approx(0.25)}, "two origins tell no interval"
        assert gain(other, mine, some) == {"gain": pytest.approx(-1 / 3)}

    def test_equal_forecasts_of_series_that_share_shocks_are_seldom_told_apart(self) -> None:
        """As 95% promise. Windows of 20 series taken as independent are told apart in half of all cases."""
        series, origins, shocks = 20, 120, np.array([[0.5], [0.5]]) ** 0.5
        draws, told = np.random.default_rng(0), 0
        windows = np.tile(np.arange(origins), series)
        blank = np.zeros((series * origins, 1, 1))
        some = Part(blank, blank, windows, np.repeat(np.arange(series), origins), slice(0), np.array([0]), windows)
        for _ in range(200):
            each = (
                draws.normal(size=(2, series, origins)) * shocks[:, None]
                + draws.normal(size=(2, 1, origins)) * (shocks[:, None])
            )
            mine, other = (Errors(np.square(one).ravel(), np.ones(1), 1.0, 1.0) for one in each)
            found = gain(mine, other, some)
            told += not found["gain_low"] <= 0 <= found["gain_high"]
        assert told <= 20


class TestIntervals:
    """Of two series of 3 channels, of which two are scored, forecast 7 steps."""

    def data(self) -> Data:
        values = [DRAWS(size=(length, CHANNELS)) * [1.0, 100.0, 0.01] for length in (150, 99)]
        values[1] *= 1000
        return load_data(given(values, "forecast.horizon=7", panel=True))

    def test_all_series_tell_the_widths_each_in_its_own_units(self) -> None:
        data = self.data()
        size = data.units.std[data.val.series][:, None]  # (window, 1, channel)
        number, steps = len(data.val.start), np.arange(1, 8)[:, None]
        off = np.arange(number)[:, None, None] % 50 * steps * [1.0, 2.0, 3.0]
        found = calibrate(data.val.truth - off * size, data, 0.9)
        assert found is not None
        found = found.of_all
        assert found.shape == (7, CHANNELS)
        np.testing.assert_allclose(found / found[0] / steps, (found / found[0] / steps)[:, :1] @ np.ones((1, 3)))
        np.testing.assert_allclose(found / found[:, :1], np.ones((7, 1)) * [1.0, 2.0, 3.0])
        by_hand = np.sort(np.arange(number) % 50)[int(np.ceil((number + 1) * 0.9)) - 1]
        assert found[0, 0] == pytest.approx(by_hand)

    def test_each_is_scored_on_the_channels_that_are_scored(self) -> None:
        data = replace(self.data(), test=None)
        part = replace(data.val, targets=np.array([0, 2]))
        widths = np.arange(1, 22.0).reshape(7, 3)
        ahead = part.truth + 0.5 * widths * data.units.std[part.series][:, None]
        ahead[..., 1] = np.nan
        found = score_intervals(ahead, Widths(widths), part, data, 0.9)
        wide = 2 * widths[:, [0, 2]].mean()
        assert found == pytest.approx({"coverage": 1.0, "interval_width": wide, "interval_score": wide})
        naive = forecast_by(fit_baselines(data)["naive"], data, part)
        theirs = score_intervals(naive, calibrate(naive, data, 0.9), part, data, 0.9)
        assert 0.8 < theirs["coverage"] <= 1
        assert theirs["interval_score"] > theirs["interval_width"] > 0

    def test_of_each_series_by_its_own_size_of_errors(self) -> None:
        """Here errors of one series are ten times those of the other, in units of either."""
        data = self.data()
        part = data.val
        size = np.where(part.series == 0, 1.0, 10.0)[:, None, None] * data.units.std[part.series][:, None]
        ahead = part.truth + size * np.random.default_rng(0).normal(size=part.truth.shape)
        found = calibrate(ahead, data, 0.9)
        assert found is not None
        small, large = found.of(0), found.of(1)
        assert (small < found.of_all).all()
        assert (large > 2 * small).all()
        assert np.array_equal(found.of(part.series)[[0, -1]], [small, large])
        covered = coverage_by_series(ahead, found, part, data)
        of_all = coverage_by_series(ahead, Widths(found.of_all), part, data)
        first, second = covered
        assert of_all[first] == 1
        assert of_all[second] < min(covered.values())

    def test_a_series_with_few_windows_has_those_of_all(self) -> None:
        values = [DRAWS(size=(length, CHANNELS)) for length in (150, 85)]
        data = load_data(given(values, "forecast.horizon=7", panel=True))
        fewer = np.bincount(data.val.series)[1]
        assert fewer < 9
        found = calibrate(0.0 * data.val.truth, data, 0.9)
        assert found is not None
        assert np.array_equal(found.of(1), found.of_all)
        assert not np.array_equal(found.of(0), found.of_all)

    def test_too_few_windows_have_none(self) -> None:
        data = load_data(given(DRAWS(size=(7, 40, 3)).cumsum(axis=1)))
        assert calibrate(data.val.truth, data, 0.9) is None
        assert score_intervals(data.val.truth, None, data.val, data, 0.9) == {}


class TestBaselines:
    def test_of_a_panel_each_is_forecast_in_its_own_units(self) -> None:
        """A series in other units, with another level, is forecast just so in these."""
        series = [DRAWS(size=(length, 2)).cumsum(axis=0) for length in (60, 45)]
        other = [series[0], 1000 * series[1] - 7]
        first, second = (of_season(6, load_data(given(each, panel=True))) for each in (series, other))
        fitted, again = (fit_baselines(data) for data in (first, second))
        ours, theirs = errors_by(fitted, first, first.val), errors_by(again, second, second.val)
        for name in fitted:
            np.testing.assert_allclose(theirs[name].by_window, ours[name].by_window, rtol=1e-6, err_msg=name)
            shifted = forecast_by(fitted[name], first, first.val)
            shifted[first.val.series == 1] = 1000 * shifted[first.val.series == 1] - 7
            np.testing.assert_allclose(forecast_by(again[name], second, second.val), shifted, rtol=1e-6, atol=1e-6)

    def test_they_are_fitted_to_the_training_part_and_chosen_on_validation(self) -> None:
        series = [DRAWS(size=(length, 1)).cumsum(axis=0) for length in (60, 45)]
        data = of_season(6, load_data(given(series, panel=True)))
        assert data.test is not None
        expected = {name: forecast_by(one, data, data.test) for name, one in fit_baselines(data).items()}
        for one in series:
            one[round(0.85 * len(one)) :] *= 1e6
        spoilt = of_season(6, load_data(given(series, panel=True)))
        for name, one in fit_baselines(spoilt).items():
            assert np.array_equal(forecast_by(one, data, data.test), expected[name]), name


def test_the_windows_shown_are_the_first_series_or_spread_over_the_steps() -> None:
    of_series = load_data(composed("dataset.num_series=40")).val
    assert shown(of_series, 3).series.tolist() == of_series.series[:3].tolist()
    by_time = load_data(composed("dataset.num_series=1", "forecast.horizon=20")).val
    assert shown(by_time, 3).start.tolist() == [by_time.start[0], by_time.start[65], by_time.start[130]]
    assert shown(by_time, 3).scored == slice(0, by_time.context.shape[1])
