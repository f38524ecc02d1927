"""What training minimises: how far forecasts lie from what comes."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Loss:
    """How far forecasts lie from what comes; a new one is found by its `name`, and chosen by `training.loss`.

    Attributes:
        name: What a configuration calls it.
        size: How many outputs of a network make the forecast of a value.
    """

    name: ClassVar[str]
    size: ClassVar[int] = 1

    def point(self, outputs: "Tensor") -> "Tensor":
        """Return what a network's outputs, (…, channel · size), forecast: one value of each channel, (…, channel)."""
        return outputs

    def mean(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """Return the mean loss of outputs, (…, channel · size), given what came, (…, channel)."""
        return self._function(outputs, truth)

    def each(self, outputs: "Tensor", truth: "Tensor") -> "Tensor":
        """Return the loss of each value, (…, channel)."""
        return self._function(outputs, truth, reduction="none")

    @property
    def _function(self) -> "Callable[..., Any]":
        """What torch calls the loss."""
        raise NotImplementedError


class Squared(Loss):
    """Squared errors, whose least mean a forecast of the mean has."""

    name = "squared"

    @property
    def _function(self) -> "Callable[..., Any]":
        from torch.nn.functional import mse_loss

        return mse_loss


class Absolute(Loss):
    """Absolute errors, whose least mean a forecast of the median has."""

    name = "absolute"

    @property
    def _function(self) -> "Callable[..., Any]":
        from torch.nn.functional import l1_loss

        return l1_loss


class Huber(Loss):
    """Squared errors up to one unit of the network, beyond it absolute ones. Huber (1964)."""

    name = "huber"

    @property
    def _function(self) -> "Callable[..., Any]":
        from torch.nn.functional import huber_loss

        return huber_loss


LOSSES: dict[str, Loss] = {loss.name: loss() for loss in Loss.__subclasses__()}
SQUARED = LOSSES["squared"]

if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[tuple(LOSSES)]
