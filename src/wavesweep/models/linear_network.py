"""Linear autoregression."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wavesweep.models.autoregression import Lags, fit_weights
from wavesweep.models.forecaster import Forecaster


class LinearForecaster(Forecaster):
    """The next value as a linear function of past values, with an intercept, in float64.

    Args:
        num_channels: Values at each time step.
        lags: Which past values; the weights of those of other channels stay 0 unless they are joint.
    """

    weights: Tensor

    def __init__(self, num_channels: int, lags: Lags) -> None:
        super().__init__()
        self.lags, self.lead = lags, lags.lags[-1]
        weights = torch.zeros(len(lags.lags) * num_channels + 1, num_channels, dtype=torch.float64)
        self.register_buffer("weights", weights)  # the earliest value first, the intercept last

    def fit(self, series: Sequence[Tensor]) -> None:
        """Fit to the training part of each series, (time, channel), more than `lead` steps; see `fit_weights`."""
        fitted = fit_weights([one.double().cpu().numpy() for one in series], self.lags)
        num_channels = self.weights.shape[1]
        weights = np.zeros((len(self.lags.lags), num_channels, num_channels))  # (lag, from, to)
        groups = np.split(np.arange(num_channels), len(fitted))
        for channels, group in zip(groups, fitted, strict=True):
            size = len(channels)
            weights[:, channels[:, None], channels] = group[:, :-1].reshape(size, -1, size).transpose(1, 2, 0)
        stacked = np.vstack([weights[::-1].reshape(-1, num_channels), fitted[..., -1].reshape(1, -1)])
        self.weights.copy_(torch.from_numpy(stacked))  # in the layout that loaded ones have: sums round by it

    def outputs(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.outputs`."""
        return self._predict(self._rows(values.double())[:, :-1].flatten(2)).to(values.dtype)

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int, known: Tensor | None = None) -> Tensor:
        """See `Forecaster.closed_loop`."""
        past = context[:, -self.lead :].double()
        for _ in range(horizon):
            following = self._predict(self._rows(past[:, -self.lead :]).flatten(2))
            past = torch.cat([past, following], dim=1)
        return past[:, self.lead :].to(context.dtype)

    def _rows(self, values: Tensor) -> Tensor:
        """Return the values before each step and the one after the last, (series, step, lag, channel)."""
        back = [self.lead - lag for lag in reversed(self.lags.lags)]
        return values.unfold(1, self.lead, 1).transpose(2, 3)[:, :, back]

    def _predict(self, rows: Tensor) -> Tensor:
        return rows @ self.weights[:-1] + self.weights[-1]
