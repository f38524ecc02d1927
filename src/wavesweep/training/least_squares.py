"""Training in closed form: a linear network is fitted by least squares."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from wavesweep.models.forecaster import Forecaster
from wavesweep.training.losses import one_step_loss
from wavesweep.training.steps import Spent
from wavesweep.training.trainer import Record


class LeastSquares:
    """Fits a network in closed form, in one epoch.

    Args:
        network: What to fit.
        series: Training part, (series, time, channel), in the network's units.

    Attributes:
        See `Trainer`.
    """

    epochs = 1

    def __init__(self, network: Forecaster, series: Tensor) -> None:
        self.network, self.series = network, series
        self.epoch, self.spent = 0, Spent()

    def records(self, is_enough: Callable[[int], bool]) -> Iterator[Record]:
        """See `Trainer.records`."""
        if self.epoch:
            return
        began = perf_counter()
        self.network.fit(self.series)
        self.epoch, self.spent = 1, Spent(evaluations=1, seconds=perf_counter() - began)
        begin = torch.zeros(len(self.series), dtype=torch.int64, device=self.series.device)
        yield Record(1, one_step_loss(self.network, self.series, self.series, begin, washout=0)().item())

    def is_recorded(self, epoch: int) -> bool:
        """See `Trainer.is_recorded`."""
        return epoch == 1

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`."""
        return {"epoch": self.epoch, "seconds": self.spent.seconds, "network": self.network.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Trainer.restore`."""
        self.epoch, self.spent = state["epoch"], Spent(evaluations=state["epoch"], seconds=state["seconds"])
        self.network.load_state_dict(state["network"])
