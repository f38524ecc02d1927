"""What is configured of a model; `build` takes what only the data can tell. Imports torch only then."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from wavesweep.schema import ConfigPart, Count

if TYPE_CHECKING:
    from wavesweep.networks import Forecaster


class _Model(ConfigPart):
    def build(self, num_channels: int, dtype: str) -> "Forecaster":
        """Build the network, the Forecaster of the same name, with fresh weights from torch's global generator."""
        import torch

        from wavesweep import networks

        forecaster = getattr(networks, f"{type(self).__name__}Forecaster")
        return forecaster(num_channels, self).to(getattr(torch, dtype))

    def with_sizes(self, shortest: int) -> Self:
        """Return a copy with each size that is `null` derived.

        Args:
            shortest: Steps of the shortest stretch that the model sees, in training or as context.
        """
        return self


class LSTM(_Model):
    """Stacked LSTM layers, of equal or unequal sizes, with a linear output."""

    kind: Literal["lstm"]
    hidden_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...], Field(strict=False, min_length=1)]
    head_size: Annotated[int, Field(ge=0, le=65536)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    normalization: Literal["none", "batch", "layer"]
    difference: bool | None
    output: Literal["value", "increment"]
    initialization: Literal["orthogonal", "uniform"]


class Pointwise(_Model):
    """A network of the time alone, which never sees a past value; for one series."""

    kind: Literal["pointwise"]
    hidden_size: Annotated[int, Field(ge=1, le=65536)]


class Linear(_Model):
    """Linear autoregression on the last `order` values, fitted by least squares."""

    kind: Literal["linear"]
    order: Count | None

    def with_sizes(self, shortest: int) -> Self:
        """Return a copy with a `null` order derived: 32, or half of the shortest stretch it sees if that is less."""
        return self.model_copy(update={"order": self.order or min(32, max(shortest // 2, 1))})

    def build(self, num_channels: int, dtype: str) -> "Forecaster":
        """Build the autoregression, not fitted yet; it works in double precision whatever the `dtype`."""
        return super().build(num_channels, "float64")


Model = Annotated[LSTM | Pointwise | Linear, Field(discriminator="kind")]
