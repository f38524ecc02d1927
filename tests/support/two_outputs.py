"""A loss of two outputs a value, as one of quantiles has several."""

from typing import ClassVar

from torch import Tensor

from wavesweep.models.losses import Loss


class TwoOutputs(Loss):
    """Squared errors of what is forecast, the mean, and absolute ones of a second output, the median."""

    name: ClassVar[str] = "two_outputs"
    size: ClassVar[int] = 2

    def point(self, outputs: Tensor) -> Tensor:
        """See `Loss.point`: the first of each pair."""
        return outputs[..., ::2]

    def mean(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """See `Loss.mean`."""
        return self.each(outputs, truth).mean()

    def each(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """See `Loss.each`."""
        return (outputs[..., ::2] - truth).square() + (outputs[..., 1::2] - truth).abs()


TWO_OUTPUTS = TwoOutputs()
