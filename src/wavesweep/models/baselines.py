"""Baselines that a network has to beat: forecasts that need no training by gradient."""

import numpy as np
import torch

from wavesweep.data.periods import find_period
from wavesweep.data.scaling import Scaler
from wavesweep.data.splits import Part, Split
from wavesweep.models.configured import default_order
from wavesweep.models.forecasting import closed_loop
from wavesweep.models.linear import LinearForecaster


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


def linear(part: Part, train: np.ndarray) -> np.ndarray:
    """Forecast by linear autoregression fitted by least squares, (window, horizon, channel)."""
    order = default_order(min(train.shape[1], part.context.shape[1]))
    network = LinearForecaster(train.shape[2], order)
    scaler = Scaler(train.mean(axis=(0, 1)), train.std(axis=(0, 1)))
    network.fit(torch.from_numpy(scaler.scale(train)))
    return closed_loop(network, scaler, part.context, part.start, part.truth.shape[1])
