"""The refinement: an optimizer, L-BFGS by default, lowers the loss of the closed loop itself."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wavesweep.data.random_streams import stream
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.weights import copy_weights
from wavesweep.training.closures import closed_loop_loss
from wavesweep.training.configured import ResolvedTraining
from wavesweep.training.steps import Spent, take_full_batch_step
from wavesweep.training.windows import draw_windows

MOST_RETRIES = 3


class Refinement:
    """Refines a trained network, a step of an optimizer an epoch.

    It works in rounds of `refine_restart_every` steps, each with windows drawn anew and an optimizer that has forgotten
    the last round's: in single precision L-BFGS gets stuck. The horizon is half a window in the first half of the
    epochs, then three times as much, as far as half of the series reach: a short one mends the shape of a wave for
    little, a long one its period. From a loss that is not finite it goes back to the weights before, with a quarter of
    the step, at most three times. Windows are drawn from streams of their own, so that refining more or less changes
    nothing before it.

    Args:
        network: What to refine.
        series: Training part of each series, (time, channel), in the network's units; it begins at time 0.
        training: Its settings; their `refiner` takes the steps.
        seed: Of the windows.
        spent: Is brought up to date.

    Attributes:
        retries: How often it has gone back.

    Source:
        A loss over several steps of the closed loop: Williams & Zipser (1989); horizons that lengthen, a
        curriculum: Bengio et al. (2009).
    """

    def __init__(
        self, network: Forecaster, series: Sequence[Tensor], training: ResolvedTraining, seed: int, spent: Spent
    ) -> None:
        self.network, self.series, self.training, self.spent = network, series, training, spent
        self.seed, self.retries = seed, 0

    def train_epoch(self, epoch: int) -> float:
        """Take the step of an epoch, counted from 1; from one whose loss is not finite, go back and take a smaller one.

        Returns:
            The loss after the step, of the closed loop.
        """
        if (epoch - 1) % self.training.refine_restart_every == 0:
            self.enter_round(epoch)
        before = copy_weights(self.network)
        loss = self._take_step()
        while not math.isfinite(loss) and self.retries < MOST_RETRIES:
            self.retries += 1
            self.network.load_state_dict(before)
            self._build_optimizer()
            loss = self._take_step()
        return loss

    def enter_round(self, epoch: int) -> None:
        """Make ready for the round that an epoch belongs to."""
        self._build_optimizer()
        # A line search needs the same loss for the same weights: no random masks, no batch statistics. Not for
        # all modules, since recurrent layers on a GPU have gradients in train mode alone.
        for module in self.network.modules():
            if isinstance(module, nn.Dropout | nn.BatchNorm1d):
                module.eval()
        every = self.training.refine_restart_every
        turn = (epoch - 1) // every
        in_first_half = 2 * (turn * every + 1) <= self.training.refine_epochs
        lengths = sorted(map(len, self.series))
        reach = max(lengths[len(lengths) // 2], min(self.network.lead + 1, lengths[-1]))
        context = max(min(self.training.window, reach) // 2, self.network.lead)
        horizon = min(context if in_first_half else 3 * context, reach - context)
        seed = int(stream(self.seed, f"windows of round {turn}").integers(2**63))
        generator = torch.Generator().manual_seed(seed)
        series = [one for one in self.series if len(one) >= context + horizon]
        windows = draw_windows(series, context + horizon, self.training.refine_windows, generator)
        self.loss = closed_loop_loss(self.network, windows, context, self.network.loss)

    def _build_optimizer(self) -> None:
        refiner = self.training.refiner
        smaller = refiner.model_copy(update={"lr": refiner.lr / 4**self.retries})
        self.optimizer = smaller.build(self.network.parameters())

    def _take_step(self) -> float:
        return take_full_batch_step(self.network, self.optimizer, self.loss, self.loss, self.spent)
