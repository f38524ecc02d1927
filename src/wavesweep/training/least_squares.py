"""Training in closed form: a network is fitted by least squares."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import SQUARED
from wavesweep.training.closures import prediction_loss
from wavesweep.training.trainer import Trainer
from wavesweep.training.windows import cut_windows


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
        windows = cut_windows(self.series, max(map(len, self.series)))
        return prediction_loss(self.network, windows, washout=0, loss=SQUARED)().item()

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`; the costs but seconds follow from the epoch."""
        return {"epoch": self.epoch, "seconds": self.spent.seconds, "network": self.network.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Trainer.restore`."""
        super().restore({"steps": 0, "evaluations": state["epoch"]} | state)
