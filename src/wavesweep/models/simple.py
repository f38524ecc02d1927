"""Baselines that repeat a value, or go on by a line."""

from collections.abc import Sequence

import numpy as np

from wavesweep.models.baseline import Baseline, Windows


def seasonal_naive(season: int) -> Baseline:
    """Return the forecast that repeats the last season; of one step, it is that of the last value."""

    def forecast(context: np.ndarray, horizon: int) -> np.ndarray:
        return context[:, -season:][:, np.arange(horizon) % season]

    return Baseline(forecast, f"season {season}" if season > 1 else "last value")


def best_seasonal_naive(val: Windows, seasons: Sequence[int]) -> Baseline:
    """Return the seasonal naive forecast that does best on validation; the naive one where there is no season."""
    fitting = [season for season in seasons if season <= val.context.shape[1]]
    candidates = [seasonal_naive(season) for season in fitting or [1]]
    return min(candidates, key=lambda one: val.error(one.forecast(val.context, val.truth.shape[1])))


def drift() -> Baseline:
    """Return the forecast of the last value and the mean step of the context for each step ahead."""

    def forecast(context: np.ndarray, horizon: int) -> np.ndarray:
        step = (context[:, -1:] - context[:, :1]) / max(context.shape[1] - 1, 1)
        return context[:, -1:] + step * np.arange(1, horizon + 1)[:, None]

    return Baseline(forecast, "mean step of the context")


def line(train: Sequence[np.ndarray]) -> Baseline:
    """Return the forecast of a line for each channel: its slope that of all series, its level the context's."""
    above, below = np.zeros(train[0].shape[1]), 0.0
    for values in train:
        time = np.arange(len(values)) - (len(values) - 1) / 2
        above += time @ values
        below += np.square(time).sum()
    slope = above / max(below, 1.0)

    def forecast(context: np.ndarray, horizon: int) -> np.ndarray:
        ahead = np.arange(1, horizon + 1)[:, None] + (context.shape[1] - 1) / 2
        return context.mean(axis=1, keepdims=True) + slope * ahead

    return Baseline(forecast, "common slope, level of the context", line)
