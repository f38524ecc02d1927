"""Scores of forecasts, of what was observed alone. Lower is better throughout."""

from dataclasses import dataclass

import numpy as np

from wavesweep.data.data import Data
from wavesweep.data.parts import Part, mean_where
from wavesweep.data.scaling import Scaler
from wavesweep.evaluation.forecasting import Forecasts
from wavesweep.evaluation.metric_names import CLOSED_LOOP, ONE_STEP, SCALED

Metrics = dict[str, float]


@dataclass(frozen=True)
class Errors:
    """Errors of forecasts in closed loop, in units of the training part's standard deviation.

    Attributes:
        by_window: Mean squared error of each window, (window,), by the share of it that was observed: in the mean, that
            of all.
        by_step: The same of each step ahead, (horizon,); nan where none was observed.
        absolute: Mean absolute error.
        mean: Mean squared error; inf where a forecast exploded.
    """

    by_window: np.ndarray
    by_step: np.ndarray
    absolute: float
    mean: float


def errors(closed_loop: np.ndarray, part: Part, units: Scaler) -> Errors:
    """Return the errors of a part's forecasts, (window, horizon, channel), on the channels that are scored."""
    scaled, observed = scaled_errors(closed_loop, part, units)[..., part.targets], part.observed[..., part.targets]
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.square(scaled)
        share = observed.mean(axis=(1, 2)) / observed.mean()
        by_window = mean_where(squared, observed, axis=(1, 2)) * share
        by_step = mean_where(squared, observed, axis=(0, 2))
        mean = by_step.mean() if observed.all() else by_window.mean()
        return Errors(by_window, by_step, float(mean_where(np.abs(scaled), observed)), float(mean))


def scaled_errors(closed_loop: np.ndarray, part: Part, units: Scaler) -> np.ndarray:
    """Return how far a part's forecasts lie from the truth, (window, horizon, channel), in scaled units."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (closed_loop - part.truth) / units.of(part.series).std


def scores(forecasts: Forecasts, part: Part, units: Scaler) -> Metrics:
    """Return the mean squared errors of one part's forecasts.

    Args:
        forecasts: What the network predicted.
        part: What was true.
        units: Mean and standard deviation of the training part.

    Returns:
        `one_step_mse` and `closed_loop_mse`, in squared units of the data, and `closed_loop_scaled_mse`, in
        units of the variance: a forecast of the mean scores about 1 on a stationary series.
    """
    stop, steps = part.scored.stop - part.context.shape[1], forecasts.one_step.shape[1]
    seen = np.concatenate([part.context, part.truth[:, :stop]], axis=1)[:, : part.scored.stop]
    context = np.broadcast_to(True, part.context.shape)  # scored of series alone in which nothing was filled in
    observed = np.concatenate([context, part.observed[:, :stop]], axis=1)[:, : part.scored.stop]
    return {
        ONE_STEP: mse(forecasts.one_step, seen[:, -steps:], part.targets, observed[:, -steps:]),
        CLOSED_LOOP: mse(forecasts.closed_loop, part.truth, part.targets, part.observed),
        SCALED: errors(forecasts.closed_loop, part, units).mean,
    }


def mse(forecast: np.ndarray, truth: np.ndarray, targets: np.ndarray, observed: np.ndarray) -> float:
    """Return the mean squared error of (window, time, channel) on some channels; inf where a forecast exploded."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(mean_where(np.square((forecast - truth)[..., targets]), observed[..., targets]))


def mean_absolute_scaled_error(closed_loop: np.ndarray, part: Part, data: Data) -> float:
    """Return the mean absolute error in units of the seasonal naive forecast's, one step ahead, in the training part.

    Args:
        closed_loop: Forecasts, (window, horizon, channel).
        part: What was true.
        data: With the training part of each series, or of other series that give a unit together; of series that are
            shorter than two seasons, the naive forecast goes back by half of their steps.

    Source:
        Hyndman & Koehler (2006).
    """
    season = data.seasons[0] if data.seasons else 1
    lags = [min(season, len(one) // 2) for one in data.observed]
    steps = [np.abs(one[lag:] - one[:-lag]) for one, lag in zip(data.observed, lags, strict=True)]
    naive = np.stack([mean_where(one, ~np.isnan(one), axis=0) for one in steps])
    unit = naive[part.series, None] if data.units.mean.ndim == 2 else naive.mean(axis=0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        absolute = (np.abs(closed_loop - part.truth) / unit)[..., part.targets]
        return float(mean_where(absolute, part.observed[..., part.targets]))
