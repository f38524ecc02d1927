"""Baselines against oracles and on series where the answer is known."""

import numpy as np
import pytest
import torch
from statsmodels.tsa.ar_model import AutoReg

from tests.support.parts import small
from wavesweep.data.periods import find_period
from wavesweep.data.splits import Part
from wavesweep.models.baselines import baseline_forecasts, seasonal_naive
from wavesweep.models.linear import LinearForecaster
from wavesweep.models.scores import drift, mse
from wavesweep.runs.preparation import load_data


def part(context: np.ndarray, horizon: int) -> Part:
    return Part(context, 0, context, np.zeros((len(context), horizon, context.shape[2])), np.zeros(len(context), int))


def test_naive_forecasts() -> None:
    context = np.array([[[1.0, 9.0], [2.0, 8.0], [3.0, 7.0]]])
    assert seasonal_naive(part(context, 2), period=1)[0].tolist() == [[3.0, 7.0], [3.0, 7.0]]
    assert seasonal_naive(part(context, 4), period=3)[0, :, 0].tolist() == [1.0, 2.0, 3.0, 1.0]


def test_the_period_of_a_wave_is_found_and_a_trend_has_none() -> None:
    time = np.arange(200)[None, :, None]
    assert find_period(np.sin(2 * np.pi * time / 17), 100) % 17 == 0
    assert find_period(1.6 * time + 4, 100) == 1


def test_no_channel_outweighs_the_others_in_the_period() -> None:
    wave = np.sin(2 * np.pi * np.arange(300)[None, :, None] / 25)
    noise = np.random.default_rng(0).normal(size=(1, 300, 1))
    both = np.concatenate([wave, 1000 * noise], axis=2)
    assert find_period(both / both.std(axis=(0, 1)), 150) in (24, 25, 26)


def test_least_squares_agree_with_statsmodels() -> None:
    series = np.random.default_rng(0).normal(size=300).cumsum()
    built = LinearForecaster(1, order=3)
    built.fit(torch.from_numpy(series)[None, :, None])
    oracle = AutoReg(series, lags=3, trend="c").fit()
    ours = np.append(built.weights[-1].numpy(), built.weights[:-1].numpy()[::-1])  # AutoReg lists the last value first
    np.testing.assert_allclose(ours, oracle.params, rtol=1e-6)
    forecast = built.closed_loop(torch.from_numpy(series)[None, :, None], torch.zeros(1), 20)
    np.testing.assert_allclose(forecast[0, :, 0], oracle.forecast(20), rtol=1e-6)


def test_scores_on_the_windows_of_the_test_part() -> None:
    data = load_data(small())
    assert data.test is not None
    forecasts = baseline_forecasts(data, data.test)
    scores = {name: mse(forecast, data.test.truth, data.variance) for name, forecast in forecasts.items()}
    assert scores.keys() == {"naive", "seasonal_naive", "linear"}
    assert scores["linear"] < 1e-12
    assert scores["naive"] > 0.1
    errors = drift(forecasts, data.test.truth, data.variance)
    assert {name: error.mean() for name, error in errors.items()} == pytest.approx(scores)
    assert errors["naive"].shape == (40,)


def test_errors_are_scaled_per_channel() -> None:
    forecast, truth = np.zeros((1, 2, 2)), np.array([[[1.0, 10.0], [1.0, 10.0]]])
    assert mse(forecast, truth) == 50.5
    assert mse(forecast, truth, np.array([1.0, 100.0])) == 1.0
    assert mse(np.array([[[1e200]]]), np.zeros((1, 1, 1))) == np.inf
