"""Training by gradient, an epoch at a time, in two stages: the main one, then the refinement."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from torch import Tensor

from hydra_queue_sweeper.base import signals
from wavesweep.models.forecaster import Forecaster
from wavesweep.training.configured import ResolvedTraining
from wavesweep.training.main_stage import MainStage
from wavesweep.training.optimizers import ResolvedOptimizer
from wavesweep.training.randomness import random_states, set_random_states
from wavesweep.training.refinement import Refinement
from wavesweep.training.steps import Spent


@dataclass(frozen=True)
class Epoch:
    """An epoch of training that has ended.

    Attributes:
        epoch: Counted from 1, the refinement's following those of the main stage.
        loss: As `training.loss` has it, in units of the network. Of random batches, the mean of what was minimised,
            before each step and with its noise; of a full batch, after its step and without noise; in the refinement,
            of the closed loop.
        is_recorded: Whether it is to be scored: as `Trainer.is_recorded` says, and where the loss is not finite.
    """

    epoch: int
    loss: float
    is_recorded: bool = True


class Trainer:
    """Trains a network, epoch by epoch.

    Args:
        network: What to train, in place.
        epochs: Epochs in all.
        record_every: Epochs between records.

    Attributes:
        main_epochs: Epochs of the main stage: all, unless there is a refinement.
        epoch: Epochs done so far.
        spent: What they have cost.
    """

    def __init__(self, network: Forecaster, epochs: int, record_every: int) -> None:
        self.network, self.epochs, self.record_every = network, epochs, record_every
        self.main_epochs, self.epoch, self.spent = epochs, 0, Spent()

    def run(self, is_enough: Callable[[int], bool]) -> Iterator[Epoch]:
        """Train, yielding each epoch as it has ended; one whose loss isn't finite is the last.

        Ends early after a recorded epoch that `is_enough`, and after one in which a signal comes (see
        base/signals.py).

        Raises:
            Interrupted: Within an epoch that goes on for longer; it can't be gone on with then.
        """
        while self.epoch < self.epochs and not signals.pending():
            if self.is_recorded(self.epoch) and is_enough(self.epoch):
                return
            began = perf_counter()
            self.epoch += 1
            loss = self.train_epoch()
            self.spent.seconds += perf_counter() - began
            finite = math.isfinite(loss)
            yield Epoch(self.epoch, loss, self.is_recorded(self.epoch) or not finite)
            if not finite:
                return

    def is_recorded(self, epoch: int) -> bool:
        """Say whether an epoch is recorded: 1, the multiples of `record_every`, the refinement's, and the last."""
        return epoch in (1, self.epochs) or epoch > self.main_epochs or epoch % self.record_every == 0

    def train_epoch(self) -> float:
        """Train for an epoch; return its loss (see `Epoch.loss`)."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return the state, tensors and plain values, from which training goes on exactly."""
        return {"epoch": self.epoch, **asdict(self.spent), "network": self.network.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a `state` of a trainer that was made with the same arguments."""
        self.epoch = state["epoch"]
        self.spent.steps, self.spent.evaluations = state["steps"], state["evaluations"]
        self.spent.seconds = state["seconds"]
        self.network.load_state_dict(state["network"])


class GradientDescent(Trainer):
    """Trains a network by its optimizer, then refines its closed loop by another.

    Args:
        network: What to train.
        series: Training part of each series, (time, channel), in the network's units; it begins at time 0.
        training: Settings of both stages.
        optimizer: Drives the main stage.
        seed: Of the refinement's windows.
        known: What is known in advance of each series, (time, channel + feature); empty: nothing.
    """

    def __init__(
        self,
        network: Forecaster,
        series: Sequence[Tensor],
        training: ResolvedTraining,
        optimizer: ResolvedOptimizer,
        seed: int,
        known: Sequence[Tensor] = (),
    ) -> None:
        super().__init__(network, training.epochs + training.refine_epochs, training.record_every)
        self.device = series[0].device
        self.main = MainStage(network, series, training, optimizer, self.spent, known)
        self.main_epochs = self.main.epochs
        self.refinement = Refinement(network, series, training, seed, self.spent)
        network.train()

    def train_epoch(self) -> float:
        """See `Trainer.train_epoch`."""
        if self.epoch <= self.main.epochs:
            return self.main.train_epoch()
        return self.refinement.train_epoch(self.epoch - self.main.epochs)

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`."""
        refining = self.epoch > self.main.epochs
        optimizer = self.refinement.optimizer if refining else self.main.optimizer
        return super().state() | {
            "retries": self.refinement.retries,
            "optimizer": optimizer.state_dict(),
            "schedule": self.main.schedule.state_dict() if self.main.schedule and not refining else None,
            "random": random_states(self.device),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """See `Trainer.restore`."""
        super().restore(state)
        self.refinement.retries = state["retries"]
        optimizer = self.main.optimizer
        if self.epoch > self.main.epochs:
            self.refinement.enter_round(self.epoch - self.main.epochs)
            optimizer = self.refinement.optimizer
        optimizer.load_state_dict(state["optimizer"])
        if self.main.schedule and state["schedule"]:
            self.main.schedule.load_state_dict(state["schedule"])
        set_random_states(state["random"], self.device)
