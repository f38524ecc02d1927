"""Training in closed form: a network is fitted by least squares."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from wavesweep.networks.forecaster import Forecaster
from wavesweep.training.losses import cut_windows, prediction_loss
from wavesweep.training.trainer import Trainer


class LeastSquares(Trainer):
    """Fits a network in closed form, in one epoch.

    Args:
        network: What to fit.
        series: Training part of each series, (time, channel), in the network's units.
    """

    def __init__(self, network: Forecaster, series: Sequence[Tensor]) -> None:
        super().__init__(network, epochs=1, record_every=1)
        self.series = series

    def train_epoch(self) -> float:
        """See `Trainer.train_epoch`."""
        self.network.fit(self.series)
        self.spent.evaluations = 1
        return prediction_loss(self.network, cut_windows(self.series, max(map(len, self.series))), washout=0)().item()

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`; the costs but seconds follow from the epoch."""
        return {"epoch": self.epoch, "seconds": self.spent.seconds, "network": self.network.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Trainer.restore`."""
        super().restore({"steps": 0, "evaluations": state["epoch"]} | state)
