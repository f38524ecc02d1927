"""Selecting the epoch whose weights are kept, and ending training early."""

import math
from dataclasses import dataclass

from wavesweep.base.schema import known
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.scores import Metrics
from wavesweep.models.weights import Weights, copy_weights
from wavesweep.training.configured import Training


@dataclass(frozen=True)
class Kept:
    """The weights to be tested, stored and served.

    Attributes:
        epoch: After which they stood; 0: before training.
        objective: Their score on validation data, lower is better.
        weights: By name.
        metrics: What was recorded of the epoch.
    """

    epoch: int
    objective: float
    weights: Weights
    metrics: Metrics


class Selection:
    """Keeps the weights of the epoch with the best objective on validation data, or of the last.

    Args:
        training: With derived values filled in.
        objective: The metric that judges epochs.
        network: What is trained.

    Attributes:
        kept: What is kept so far.
    """

    def __init__(self, training: Training, objective: str, network: Forecaster) -> None:
        self.training, self.objective, self.network = training, objective, network
        self.kept = Kept(0, math.inf, copy_weights(network), {})

    def consider(self, epoch: int, metrics: Metrics) -> None:
        """Keep the weights as they are now, if these metrics say so."""
        value = metrics[self.objective]
        if self.training.keep == "last" or value < self.kept.objective:
            self.kept = Kept(epoch, value, copy_weights(self.network), metrics)

    def gives_up(self, epoch: int) -> bool:
        """Say whether the last stage has lasted `patience` epochs without a better one."""
        began = known(self.training.epochs) if self.training.refine_epochs else 0
        return 0 < self.training.patience <= epoch - max(self.kept.epoch, began)
