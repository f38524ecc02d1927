"""The interface of all networks.

All take and give (series, time, channel). `start` is the time index of each series' first value, (series,);
only the pointwise network looks at it. `known` is what is known in advance of each step, (series, time, channel +
feature), its effect on each channel first, which the values are without; only networks beside a highway look at it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from wavesweep.models.losses import SQUARED, Loss

if TYPE_CHECKING:
    import numpy as np

    from wavesweep.models.baseline import Windows


class Forecaster(nn.Module):
    """One-step forecaster that can also run on its own predictions.

    Attributes:
        lead: How many values a prediction needs before it.
        before: How many values stand before a training window, for its first predictions.
        horizon: How many steps are predicted at once.
        spacing: Steps between the origins from which training lets them be predicted.
        reach: How many of the last values networks see that are trained on windows of their own; 0: none does.
        is_fitted: Whether it forecasts before it is trained, by what `adapt` took from the training part.
        loss: What it is trained by: the number of its outputs follows from it, and which value they forecast.
    """

    lead: int
    before: int = 0
    horizon: int = 1
    spacing: int = 1
    reach: int = 0
    is_fitted: bool = False
    loss: Loss = SQUARED

    def adapt(self, series: Sequence[Tensor]) -> None:
        """Take from the training part of each series, (time, channel), what is not learnt; before training."""

    def fit(self, series: Sequence[Tensor]) -> None:
        """Fit to the training part of each series, (time, channel), in closed form: where no gradient trains."""
        raise NotImplementedError

    def outputs(self, values: Tensor, start: Tensor) -> Tensor:
        """Return what the network gives for each value, from the true values before it.

        Args:
            values: (series, time, channel), more than `lead` steps.
            start: Time index of the first value, (series,).

        Returns:
            Outputs for `values[:, lead:]`, (series, time - lead, output); the loss has so many for each channel.
        """
        raise NotImplementedError

    def one_step(self, values: Tensor, start: Tensor, known: Tensor | None = None) -> Tensor:
        """Predict each value from the true ones before it, (series, time - lead, channel), as `outputs` takes them."""
        return self.loss.point(self.outputs(values, start))

    def inputs(self, values: Tensor) -> Tensor:
        """Return what the layers see of values, (series, time, channel), to which training adds noise."""
        return values

    def ahead(self, values: Tensor, inputs: Tensor, start: Tensor, first: int) -> Tensor:
        """Predict the next `horizon` values from the true ones before them, every `spacing` steps anew.

        Args:
            values: (series, time, channel), at least `lead` steps and the horizon.
            inputs: What `inputs` gives of them, with noise or without.
            start: Time index of the first value, (series,).
            first: Values before the first origin, at least `lead`.

        Returns:
            (member, series, origin, step, output): of each of the networks of which forecasts are the mean, from as
            many origins as are known to go on for `horizon` steps; the loss has so many outputs for each channel.
        """
        outputs = self.outputs(inputs, start)
        if first > self.lead:
            outputs = outputs[:, first - self.lead :]
        return outputs[None, :, :, None]

    def direct(self, context: Tensor, known: Tensor | None = None) -> list[Tensor]:
        """Predict the next `horizon` values by the networks that see the last `reach` ones alone, as they are.

        Args:
            context: (series, time, channel), at least `reach` steps.
            known: What is known of these steps and of the next.

        Returns:
            Of those with each memory, and of those that see what is known, (member, series, step, output); the loss has
            so many outputs for each channel. In training, some may do so of the first series alone.
        """
        raise NotImplementedError

    def direct_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the networks that `direct` predicts by."""
        return []

    def combine(self, val: "Windows", known: "np.ndarray | None" = None) -> None:
        """Decide by validation windows, in the network's units, and by what is known of them how much each part has."""

    def parts(self) -> dict[str, float]:
        """Return the share of each part in the forecast, by name: of one that has several, and learns their shares."""
        return {}

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int, known: Tensor | None = None) -> Tensor:
        """Forecast by feeding each prediction back as the next input.

        Args:
            context: Observed values, (series, context, channel), at least `lead` steps.
            start: Time index of the first observed value, (series,).
            horizon: Steps to forecast, at least 1.
            known: What is known of the context and of these steps.

        Returns:
            Forecast, (series, horizon, channel), in the units of `context`.

        Source:
            Teacher forcing and free running: Williams & Zipser (1989).
        """
        raise NotImplementedError

    def quantiles(self, context: Tensor, start: Tensor, known: Tensor | None = None) -> Tensor | None:
        """Return quantiles of the next `horizon` values, (series, horizon, channel, level), by the levels of its loss.

        None of a network that knows them a step ahead at most.
        """
        return None

    def forecast(
        self, values: Tensor, start: Tensor, context: int, horizon: int, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Do as `one_step` and, from the first `context` of the values, as `closed_loop`, which may share the work.

        Args:
            values: True values, (series, time, channel), at least the context.
            start: Time index of the first value, (series,).
            context: Observed steps before the closed loop.
            horizon: Steps to forecast in closed loop.
            known: What is known of the values' steps and of those that are forecast.

        Returns:
            Predictions of the last values, of all steps beyond the context at least, and the forecast.
        """
        return self.one_step(values, start, known), self.closed_loop(values[:, :context], start, horizon, known)


def repeated(values: Tensor, loss: Loss) -> Tensor:
    """Return values, (…, channel), once for each of the outputs that forecast them, (…, output)."""
    return values if loss.size == 1 else values.repeat_interleave(loss.size, dim=-1)


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
