"""Linear autoregression."""

import torch
from torch import Tensor

from wavesweep.models.forecaster import Forecaster


class LinearForecaster(Forecaster):
    """The next value as a linear function of the last `order` values, with an intercept, in float64."""

    weights: Tensor

    def __init__(self, num_channels: int, order: int) -> None:
        super().__init__()
        self.lead = order
        weights = torch.zeros(self.lead * num_channels + 1, num_channels, dtype=torch.float64)
        self.register_buffer("weights", weights)  # the last row is the intercept

    def fit(self, series: Tensor) -> None:
        """Fit by least squares; the solution of least norm where several fit equally well.

        Args:
            series: Training part, (series, time, channel), more than `order` steps.

        Source:
            Covariance method of linear prediction, Makhoul (1975); least norm keeps the superfluous roots
            inside the unit circle, Kumaresan & Tufts (1982).
        """
        rows = self._rows(series.double())
        inputs = rows[:, :-1].reshape(-1, self.weights.shape[0] - 1)
        inputs = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
        targets = series.double()[:, self.lead :].reshape(-1, series.shape[2])
        solution = torch.linalg.lstsq(inputs.cpu(), targets.cpu(), driver="gelsd").solution
        self.weights.copy_(solution)  # in the layout that loaded ones have: sums round by it

    def one_step(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.one_step`."""
        return self._predict(self._rows(values.double())[:, :-1].flatten(2)).to(values.dtype)

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int) -> Tensor:
        """See `Forecaster.closed_loop`."""
        past = context[:, -self.lead :].double()
        for _ in range(horizon):
            following = self._predict(past[:, -self.lead :].flatten(1))
            past = torch.cat([past, following[:, None]], dim=1)
        return past[:, self.lead :].to(context.dtype)

    def _rows(self, values: Tensor) -> Tensor:
        """Return each stretch of `order` values, (series, time - order + 1, order, channel)."""
        return values.unfold(1, self.lead, 1).transpose(2, 3)

    def _predict(self, rows: Tensor) -> Tensor:
        return rows @ self.weights[:-1] + self.weights[-1]
