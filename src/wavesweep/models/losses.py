"""What training minimises: how far forecasts lie from what comes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor


MEDIAN = 0.5  # the level of the quantile that is forecast


class Loss:
    """How far forecasts lie from what comes; one in this file is found by its `name`, chosen by `training.loss`.

    Attributes:
        name: What a configuration calls it.
        function: What torch.nn.functional calls it; a loss that has none there gives `mean` and `each` itself.
        size: How many outputs of a network make the forecast of a value.
    """

    name: ClassVar[str]
    function: ClassVar[str]
    size: int = 1

    def point(self, outputs: "Tensor") -> "Tensor":
        """Return what a network's outputs, (…, channel · size), forecast: one value of each channel, (…, channel)."""
        return outputs

    def mean(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """Return the mean loss of outputs, (…, channel · size), given what came, (…, channel)."""
        return self._compute(outputs, truth, "mean")

    def each(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """Return the loss of each value, (…, channel)."""
        return self._compute(outputs, truth, "none")

    def in_order(self, outputs: "Tensor") -> "Tensor":
        """Return outputs, (…, channel · size), put in their places, so that they can be averaged."""
        return outputs

    def mean_of_points(self, points: "Tensor", truth: "Tensor") -> "Tensor":
        """Return the mean loss of what `point` gives, (…, channel), where no other output is known."""
        return self.mean(points.repeat_interleave(self.size, dim=-1) if self.size > 1 else points, truth)

    def _compute(self, outputs: "Tensor", truth: "Tensor", reduction: str) -> "Tensor":
        from torch.nn import functional

        return getattr(functional, self.function)(outputs, truth, reduction=reduction)


class Squared(Loss):
    """Squared errors, whose least mean a forecast of the mean has."""

    name, function = "squared", "mse_loss"


class Absolute(Loss):
    """Absolute errors, whose least mean a forecast of the median has."""

    name, function = "absolute", "l1_loss"


class Huber(Loss):
    """Squared errors up to one unit of the network, beyond it absolute ones. Huber (1964)."""

    name, function = "huber", "huber_loss"


class Quantile(Loss):
    """Quantile losses, whose least mean the quantiles of what comes have: twice their mean over some levels.

    Outputs in any order are taken for quantiles once they are sorted, so that none crosses another; that only lowers
    the loss. Of the median alone, the loss is the absolute error.

    Args:
        levels: Of the quantiles, ascending, the median's among them, which is what is forecast.

    Source:
        Koenker & Bassett (1978), Regression quantiles; sorting: Chernozhukov, Fernández-Val & Galichon (2010),
        Quantile and probability curves without crossing.
    """

    name = "quantile"

    def __init__(self, levels: Sequence[float] = (MEDIAN,)) -> None:
        self.levels, self.size = tuple(levels), len(levels)

    def quantiles(self, outputs: "Tensor") -> "Tensor":
        """Return the quantiles of each value, (…, channel, level), which a network's outputs stand for."""
        return outputs.unflatten(-1, (-1, self.size)).sort(dim=-1, stable=True).values

    def in_order(self, outputs: "Tensor") -> "Tensor":
        """See `Loss.in_order`."""
        return self.quantiles(outputs).flatten(-2)

    def point(self, outputs: "Tensor") -> "Tensor":
        """See `Loss.point`: the median."""
        return self.quantiles(outputs)[..., self.levels.index(MEDIAN)]

    def mean(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """See `Loss.mean`."""
        return self.each(outputs, truth).mean()

    def each(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """See `Loss.each`."""
        above = truth[..., None] - self.quantiles(outputs)
        levels = above.new_tensor(self.levels)
        return 2 * (levels * above.relu() + (1 - levels) * (-above).relu()).mean(dim=-1)

    def mean_of_points(self, points: "Tensor", truth: "Tensor") -> "Tensor":
        """See `Loss.mean_of_points`: that of the median."""
        return (points - truth).abs().mean()


LOSSES: dict[str, Loss] = {loss.name: loss() for loss in Loss.__subclasses__()}
SQUARED = LOSSES["squared"]


def choose_loss(name: str, levels: Sequence[float]) -> Loss:
    """Return the loss of a name; where that is of quantiles, of these levels."""
    return Quantile(levels) if name == Quantile.name else LOSSES[name]


if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[tuple(LOSSES)]
