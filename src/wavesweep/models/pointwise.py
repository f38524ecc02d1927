"""The pointwise network as it is configured."""

from typing import TYPE_CHECKING, ClassVar, Literal

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.models.configured import ResolvedModel, Size

if TYPE_CHECKING:
    from wavesweep.models.forecaster import Forecaster
    from wavesweep.models.losses import Loss


class Pointwise(ResolvedModel):
    """A network of the time alone, which never sees a past value; for one series."""

    kind: Literal["pointwise"]
    hidden_size: Size

    sees_past: ClassVar[bool] = False
    feeds_back: ClassVar[bool] = False

    def check(self, num_series: int, steps: int, window: int, context: int) -> None:
        """See `SettledModel.check`."""
        if num_series > 1:
            raise Refused(
                f"model=pointwise sees the time alone, so it takes one series, got {num_series}; "
                "choose another model, or set dataset.num_series=1 and dataset.validation_series=0"
            )

    def build(self, num_channels: int, horizon: int, dtype: str, loss: "Loss", num_features: int = 0) -> "Forecaster":
        """See `ResolvedModel.build`."""
        import torch

        from wavesweep.models.pointwise_network import PointwiseForecaster

        return PointwiseForecaster(num_channels, self.hidden_size, loss).to(getattr(torch, dtype))
