"""Scores of forecasts. Lower is better throughout."""

import numpy as np

from wavesweep.base.names import CLOSED_LOOP, ONE_STEP, SCALED
from wavesweep.data.splits import Part
from wavesweep.models.forecasting import Forecasts

Metrics = dict[str, float]


def scores(forecasts: Forecasts, part: Part, variance: np.ndarray) -> dict[str, float]:
    """Return the mean squared errors of one part's forecasts.

    Args:
        forecasts: What the network predicted.
        part: What was true.
        variance: Of the training part, (channel,).

    Returns:
        `one_step_mse` and `closed_loop_mse`, in squared units of the data, and `closed_loop_scaled_mse`, in
        units of the variance: a forecast of the mean scores about 1 on a stationary series.
    """
    first = max(part.first_target, forecasts.lead)
    return {
        ONE_STEP: mse(forecasts.one_step[:, first - forecasts.lead :], part.observed[:, first:]),
        CLOSED_LOOP: mse(forecasts.closed_loop, part.truth),
        SCALED: mse(forecasts.closed_loop, part.truth, variance),
    }


def mse(forecast: np.ndarray, truth: np.ndarray, variance: np.ndarray | float = 1.0) -> float:
    """Return the mean squared error of (series, time, channel), each channel divided by its `variance`.

    It is inf where a forecast exploded.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return float((np.square(forecast - truth) / variance).mean())


def drift(forecasts: dict[str, np.ndarray], truth: np.ndarray, variance: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scaled error at each step ahead, (horizon,), of each forecast, (window, horizon, channel), by name."""
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            name: (np.square(forecast - truth) / variance).mean(axis=(0, 2)) for name, forecast in forecasts.items()
        }
