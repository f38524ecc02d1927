"""What a network has to beat: forecasts that need no training by gradient."""

import numpy as np
import torch

from wavesweep.forecasting import closed_loop
from wavesweep.models import Linear
from wavesweep.networks import LinearForecaster
from wavesweep.splits import Part, Scaler, Split


def baseline_forecasts(split: Split, part: Part) -> dict[str, np.ndarray]:
    """Forecast a part by each baseline: `naive`, `seasonal_naive` and `linear`, (window, horizon, channel)."""
    period = find_period(split.train / np.sqrt(split.variance), longest=part.context.shape[1])
    return {
        "naive": seasonal_naive(part, period=1),
        "seasonal_naive": seasonal_naive(part, period),
        "linear": linear(part, split.train),
    }


def seasonal_naive(part: Part, period: int) -> np.ndarray:
    """Repeat the last `period` observed values, (window, horizon, channel); with 1 it is the naive forecast."""
    horizon = part.truth.shape[1]
    steps = np.arange(horizon) % period
    return part.context[:, -period:][:, steps]


def find_period(train: np.ndarray, longest: int) -> int:
    """Find the lag at which the training part repeats itself best.

    Args:
        train: (series, time, channel), of the same variance in each channel.
        longest: The greatest lag allowed; half the training length also bounds it.

    Returns:
        The lag with the least mean squared difference beyond the first rise and fall of that difference; 1
        where it never falls, as on a trend.

    Source:
        The structure function of a time series, Kolmogorov (1941).
    """
    lags = np.arange(1, min(longest, train.shape[1] // 2) + 1)
    differences = np.array([np.square(train[:, lag:] - train[:, :-lag]).mean() for lag in lags])
    falls = np.flatnonzero(np.diff(differences) < 0)
    if len(falls) == 0:
        return 1
    return int(lags[falls[0] + np.argmin(differences[falls[0] :])])


def linear(part: Part, train: np.ndarray) -> np.ndarray:
    """Forecast by linear autoregression fitted by least squares, (window, horizon, channel)."""
    shortest = min(train.shape[1], part.context.shape[1])
    network = Linear(kind="linear", order=None).with_sizes(shortest).build(train.shape[2], "float64")
    assert isinstance(network, LinearForecaster)
    scaler = Scaler(train.mean(axis=(0, 1)), train.std(axis=(0, 1)))
    network.fit(torch.from_numpy(scaler.scale(train)))
    return closed_loop(network, scaler, part.context, part.start, part.truth.shape[1])
