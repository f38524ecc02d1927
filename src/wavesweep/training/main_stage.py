"""The main stage of training: the configured optimizer lowers the loss of predictions from true values."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wavesweep.models.forecaster import Forecaster
from wavesweep.training.closures import Closure, direct_loss, prediction_loss
from wavesweep.training.configured import ResolvedTraining
from wavesweep.training.optimizers import ResolvedOptimizer
from wavesweep.training.steps import Spent, take_full_batch_step, take_step
from wavesweep.training.windows import Windows, cut_windows, draw_windows

ORIGINS = 64  # that networks of the last values alone are trained from in a step
ORIGINS_OF_ALL = 1024  # the same, where a step takes all data


class MainStage:
    """Trains on windows: an optimizer that wants a full batch on all at once, others on random ones.

    Windows, noise and dropout are drawn from torch's global generator.

    Args:
        network: What to train.
        series: Training part of each series, (time, channel), in the network's units; it begins at time 0.
        training: Its settings.
        optimizer: What takes the steps.
        spent: Is brought up to date.
        known: What is known in advance of each series, (time, channel + feature); empty: nothing.

    Attributes:
        epochs: How many there are.
        batches: Windows that each step of an epoch takes; they cover the training part once.
    """

    def __init__(
        self,
        network: Forecaster,
        series: Sequence[Tensor],
        training: ResolvedTraining,
        optimizer: ResolvedOptimizer,
        spent: Spent,
        known: Sequence[Tensor] = (),
    ) -> None:
        self.network, self.series, self.training, self.config, self.spent = network, series, training, optimizer, spent
        self.loss = network.loss
        self.epochs, self.window = training.epochs, training.window
        covering = sum(math.ceil(len(one) / self.window) for one in series)  # windows, for each value once
        size = covering if optimizer.full_batch else training.batch_size
        self.batches = [min(size, covering - first) for first in range(0, covering, size)]
        self.num_steps = self.epochs * len(self.batches)
        direct = network.direct_parameters()
        numbers = {id(one) for one in direct}
        self.optimizer = optimizer.build((one for one in network.parameters() if id(one) not in numbers), direct)
        self.schedule = optimizer.build_schedule(self.optimizer, self.num_steps)
        self.fixed_windows: Windows | None = None
        self.fixed_loss: Closure | None = None
        self.beyond = self.window // 2 if network.is_fitted else 0
        self.span = network.before + self.window + network.horizon - 1
        only_one = len(series) == 1 and len(series[0]) <= self.span
        self.direct_span = network.reach + network.horizon
        self.num_channels = series[0].shape[1]
        beside = [torch.cat(both, dim=1) for both in zip(series, known, strict=True)] if known else series
        self.long_enough = [one for one in beside if len(one) >= self.direct_span]
        self.fixed_direct: Windows | None = None
        if optimizer.full_batch and network.reach:
            self.fixed_direct = draw_windows(self.long_enough, self.direct_span, ORIGINS_OF_ALL)
        if optimizer.full_batch or only_one:
            self.fixed_windows = cut_windows(series, self.span, self.span - self.window)
            self.fixed_loss = prediction_loss(network, self.fixed_windows, training.washout, self.loss)

    def train_epoch(self) -> float:
        """Train for an epoch; return its loss (see `Epoch.loss`)."""
        if self.config.full_batch:
            assert self.fixed_loss is not None
            minimised = self._with_direct(self._next_loss(size=0))
            measured = self._with_direct(self.fixed_loss)
            return take_full_batch_step(self.network, self.optimizer, minimised, measured, self.spent)
        return sum([self._take_batch_step(size) for size in self.batches]) / len(self.batches)

    def _take_batch_step(self, size: int) -> float:
        loss = self._with_direct(self._next_loss(size))
        before = take_step(self.network, self.optimizer, loss, self.spent, self.training.clip_norm)
        if self.schedule:
            self.schedule.step()
        return before

    def _next_loss(self, size: int) -> Closure:
        """Return the loss of the next batch; its input noise is drawn once, so that a line search can rely on it."""
        noise = self._noise()
        if self.fixed_loss and not noise:
            return self.fixed_loss
        windows = self.fixed_windows or draw_windows(self.series, self.span, size, beyond=self.beyond)
        inputs = self.network.inputs(windows.values)
        if noise:
            inputs = inputs + noise * torch.randn(inputs.shape).to(inputs)
        return prediction_loss(self.network, windows, self.training.washout, self.loss, inputs)

    def _with_direct(self, loss: Closure) -> Closure:
        """Return a loss with that of networks which are trained on windows of their own, drawn once."""
        if not self.network.reach:
            return loss
        windows = self.fixed_direct or draw_windows(self.long_enough, self.direct_span, ORIGINS)
        direct = direct_loss(self.network, windows, self.num_channels, self.loss)
        return lambda: loss() + direct()

    def _noise(self) -> float:
        """Return the standard deviation of the input noise now: it fades geometrically."""
        first, last = self.training.noise_start, self.training.noise_end
        if not first:
            return 0.0
        return first * (last / first) ** (self.spent.steps / max(self.num_steps - 1, 1))
