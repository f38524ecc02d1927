"""The interface of all networks.

All take and give (series, time, channel). `start` is the time index of each series' first value, (series,);
only the pointwise network looks at it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Forecaster(nn.Module):
    """One-step forecaster that can also run on its own predictions."""

    lead: int
    """How many values a prediction needs before it."""

    def adapt(self, series: Sequence[Tensor]) -> None:
        """Take from the training part of each series, (time, channel), what is not learnt; before training."""

    def fit(self, series: Sequence[Tensor]) -> None:
        """Fit to the training part of each series, (time, channel), in closed form: where no gradient trains."""
        raise NotImplementedError

    def one_step(self, values: Tensor, start: Tensor) -> Tensor:
        """Predict each value from the true values before it.

        Args:
            values: (series, time, channel), more than `lead` steps.
            start: Time index of the first value, (series,).

        Returns:
            Predictions of `values[:, lead:]`, (series, time - lead, channel).
        """
        raise NotImplementedError

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int) -> Tensor:
        """Forecast by feeding each prediction back as the next input.

        Args:
            context: Observed values, (series, context, channel), at least `lead` steps.
            start: Time index of the first observed value, (series,).
            horizon: Steps to forecast, at least 1.

        Returns:
            Forecast, (series, horizon, channel), in the units of `context`.

        Source:
            Teacher forcing and free running: Williams & Zipser (1989).
        """
        raise NotImplementedError

    def forecast(self, values: Tensor, start: Tensor, context: int, horizon: int) -> tuple[Tensor, Tensor]:
        """Do as `one_step` and, from the first `context` of the values, as `closed_loop`, which may share the work.

        Args:
            values: True values, (series, time, channel), at least the context.
            start: Time index of the first value, (series,).
            context: Observed steps before the closed loop.
            horizon: Steps to forecast in closed loop.
        """
        return self.one_step(values, start), self.closed_loop(values[:, :context], start, horizon)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode without gradients, and each of its modules back into the mode it was in."""
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in training:
            module.training = mode


def linear_head(num_inputs: int, hidden_size: int, num_channels: int) -> nn.Module:
    """Return a linear output, by way of a hidden layer where that has a size."""
    if hidden_size == 0:
        return nn.Linear(num_inputs, num_channels)
    return nn.Sequential(nn.Linear(num_inputs, hidden_size), nn.Tanh(), nn.Linear(hidden_size, num_channels))
