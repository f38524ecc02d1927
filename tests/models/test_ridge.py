"""Ridge regression straight to all steps: by hand, by its laws, and where the answer is known."""

import numpy as np
import pytest

from wavesweep.models.autoregression import Lags, fit_weights
from wavesweep.models.baseline import Windows
from wavesweep.models.ridge import MOST_ROWS, Moments, Ridge, choose_ridge, fit_ridge, forecast, ridge_regression

HORIZON, CHANNELS = 5, 2
DRAWS = np.random.default_rng(0).normal


def walks(*lengths: int) -> list[np.ndarray]:
    """Return series that wander and come back, each (time, channel)."""
    series = []
    for length in lengths:
        values = DRAWS(size=(length, CHANNELS))
        for step in range(1, length):
            values[step] += 0.8 * values[step - 1]
        series.append(values)
    return series


def windows(series: np.ndarray, context: int, horizon: int = HORIZON) -> Windows:
    cut = np.lib.stride_tricks.sliding_window_view(series, context + horizon, axis=0).swapaxes(1, 2)
    return Windows(cut[:, :context], cut[:, context:])


TRAIN, VAL = walks(90, 60, 4), windows(walks(120)[0], 40)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("penalty", [1e-7, 0.3, 10.0])
def test_it_is_least_squares_with_a_penalty_by_hand(penalty: float, *, centred: bool) -> None:
    """Of all series that are long enough, whose mean is not shrunk."""
    order = 6
    weights = fit_ridge(TRAIN, Ridge(order, centred, penalty), HORIZON)
    assert weights.shape == (CHANNELS, HORIZON, order + 1)
    for channel in range(CHANNELS):
        rows = [
            one[start : start + order + HORIZON, channel]
            for one in TRAIN
            for start in range(len(one) - order - HORIZON + 1)
        ]
        before, after = np.split(np.array(rows), [order], axis=1)
        last = before[:, -1:] * centred
        inputs = (before - last)[:, : order - centred]
        means = inputs.mean(axis=0), (after - last).mean(axis=0)
        centre, targets = inputs - means[0], after - last - means[1]
        gram = centre.T @ centre / len(rows)
        shrink = penalty * np.trace(gram) / order * np.eye(len(gram))
        solved = np.linalg.solve(gram + shrink, centre.T @ targets / len(rows))
        context = DRAWS(size=(7, 9, CHANNELS))
        seen = context[:, -order:, channel]
        offset = seen[:, -1:] * centred
        by_hand = ((seen - offset)[:, : order - centred] - means[0]) @ solved + means[1] + offset
        np.testing.assert_allclose(forecast(weights, context)[..., channel], by_hand, rtol=1e-6, atol=1e-8)


def test_one_step_without_a_penalty_is_autoregression() -> None:
    lags = Lags((1, 2, 3))
    expected = fit_weights(TRAIN[:1], lags)
    found = fit_ridge(TRAIN[:1], Ridge(3, centred=False, penalty=0.0), 1)
    np.testing.assert_allclose(found[:, 0, :-1], expected[:, 0, 2::-1], rtol=1e-8)
    np.testing.assert_allclose(found[:, 0, -1], expected[:, 0, -1], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("centred", [False, True])
def test_series_in_other_units_are_forecast_in_them(*, centred: bool) -> None:
    """The penalty is in units of the values' variance."""
    ridge, context = Ridge(6, centred, 0.5), VAL.context[:4]
    expected = 1e3 * forecast(fit_ridge(TRAIN, ridge, HORIZON), context) - 7e3
    other = fit_ridge([1e3 * one - 7e3 for one in TRAIN], ridge, HORIZON)
    np.testing.assert_allclose(forecast(other, 1e3 * context - 7e3), expected, rtol=1e-6)


def test_a_level_never_seen_is_kept_where_it_is_centred() -> None:
    weights = fit_ridge(TRAIN, Ridge(6, centred=True, penalty=0.5), HORIZON)
    ahead = forecast(weights, VAL.context[:4])
    np.testing.assert_allclose(forecast(weights, VAL.context[:4] + 50), ahead + 50, rtol=1e-9)


def test_a_large_penalty_leaves_the_mean_or_the_last_value() -> None:
    series = [one - one.mean(axis=0) for one in walks(4000)]
    context = VAL.context[:4]
    mean, last = (fit_ridge(series, Ridge(6, centred, 1e9), HORIZON) for centred in (False, True))
    np.testing.assert_allclose(forecast(mean, context), 0, atol=0.01)
    np.testing.assert_allclose(forecast(last, context), np.repeat(context[:, -1:], HORIZON, axis=1), atol=0.01)


def test_a_constant_channel_is_forecast_as_constant() -> None:
    series = np.concatenate([walks(80)[0][:, :1], np.full((80, 1), 3.0)], axis=1)
    weights = fit_ridge([series], Ridge(4, centred=False, penalty=0.1), HORIZON)
    np.testing.assert_allclose(forecast(weights, series[None, :9])[..., 1], 3.0)


def test_it_sees_further_than_closed_loop_where_a_step_says_little() -> None:
    """A season in noise: its last cycles say what the next step of autoregression can't."""
    time = np.arange(900)
    values = (np.sin(time * np.pi / 12) + 0.5 * DRAWS(size=900))[:, None]
    found = ridge_regression([values[:600]], windows(values[600:], 100, 24), (24,))
    assert found
    test = windows(np.sin(np.arange(200) * np.pi / 12)[:, None], 100, 24)
    assert test.error(found.forecast(test.context, 24)) < 0.02


def test_what_it_looks_at_is_the_best_on_validation() -> None:
    """Of two lags, and of a walk, whose level is kept."""
    values = DRAWS(size=(1500, 1))
    walk = values.cumsum(axis=0)
    for step in range(2, len(values)):
        values[step] += 0.9 * values[step - 1] - 0.5 * values[step - 2]
    short = choose_ridge([values[:1000]], windows(values[1000:], 100, 1), ())
    assert short
    assert short.order <= 8
    wandering = choose_ridge([walk[:600]], windows(walk[600:] + 500, 100), ())
    assert wandering
    assert wandering.centred


def test_series_too_short_for_any_have_none() -> None:
    assert choose_ridge([TRAIN[0][:14]], windows(VAL.context[0], 20), ()) is None
    assert choose_ridge([TRAIN[0]], windows(VAL.context[0], 3), ()) is None
    assert choose_ridge([TRAIN[0][:17]], windows(VAL.context[0], 20), ()) is not None


def test_an_origin_needs_all_its_steps() -> None:
    """The last step that a series has is the last that one of its origins is fitted to."""
    series = [np.arange(10.0)[:, None]]
    moments = Moments.of(series, 3, np.array([0, 4]), MOST_ROWS)
    assert moments.mean[0].tolist() == [1 + 0.0, 2 + 0.0, 3 + 0.0, 4 + 0.0, 8 + 0.0]


def test_of_many_short_series_each_is_seen() -> None:
    moments = Moments.of([np.array([[0.0], [float(number)]]) for number in range(100)], 1, np.array([0]), 10)
    assert moments.mean[0].tolist() == [0, 49.5]


def test_of_many_origins_some_are_drawn() -> None:
    series = walks(3000)
    some, every = (Moments.of(series, 4, np.arange(3), most).mean for most in (500, MOST_ROWS))
    assert not np.array_equal(some, every)
    np.testing.assert_allclose(some, every, atol=0.5)
