"""Training in closed form: a network is fitted by least squares."""

from typing import Any

import torch
from torch import Tensor

from wavesweep.models.forecaster import Forecaster
from wavesweep.training.losses import one_step_loss
from wavesweep.training.trainer import Trainer


class LeastSquares(Trainer):
    """Fits a network in closed form, in one epoch.

    Args:
        network: What to fit.
        series: Training part, (series, time, channel), in the network's units.
    """

    def __init__(self, network: Forecaster, series: Tensor) -> None:
        super().__init__(network, epochs=1, record_every=1)
        self.series = series

    def train_epoch(self) -> float:
        """See `Trainer.train_epoch`."""
        self.network.fit(self.series)
        self.spent.evaluations = 1
        begin = torch.zeros(len(self.series), dtype=torch.int64, device=self.series.device)
        return one_step_loss(self.network, self.series, self.series, begin, washout=0)().item()

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`; the costs but seconds follow from the epoch."""
        return {"epoch": self.epoch, "seconds": self.spent.seconds, "network": self.network.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Trainer.restore`."""
        super().restore({"steps": 0, "evaluations": state["epoch"]} | state)
