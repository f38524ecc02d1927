"""What training minimises: how far forecasts lie from what comes."""

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor


class Loss:
    """How far forecasts lie from what comes; one in this file is found by its `name`, chosen by `training.loss`.

    Attributes:
        name: What a configuration calls it.
        function: What torch.nn.functional calls it; a loss that has none there gives `mean` and `each` itself.
        size: How many outputs of a network make the forecast of a value.
    """

    name: ClassVar[str]
    function: ClassVar[str]
    size: ClassVar[int] = 1

    def point(self, outputs: "Tensor") -> "Tensor":
        """Return what a network's outputs, (…, channel · size), forecast: one value of each channel, (…, channel)."""
        return outputs

    def mean(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """Return the mean loss of outputs, (…, channel · size), given what came, (…, channel)."""
        return self._compute(outputs, truth, "mean")

    def each(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """Return the loss of each value, (…, channel)."""
        return self._compute(outputs, truth, "none")

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


LOSSES: dict[str, Loss] = {loss.name: loss() for loss in Loss.__subclasses__()}
SQUARED = LOSSES["squared"]

if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[tuple(LOSSES)]
