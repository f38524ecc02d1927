"""The training loop: an epoch at a time, one record for each that is recorded."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from wavesweep.config import Training
from wavesweep.networks import Forecaster, LinearForecaster
from wavesweep.optimizers import LBFGS, Optimizer
from wavesweep.schema import known

REFINER = LBFGS(
    kind="lbfgs",
    lr=1.0,
    max_iter=20,
    history_size=100,
    tolerance_grad=1e-14,
    tolerance_change=1e-14,
    line_search="strong_wolfe",
)


@dataclass(frozen=True)
class Record:
    """The state of training after an epoch.

    Attributes:
        epoch: Counted from 1, the refinement's following those of the main stage.
        loss: With L-BFGS that of all data after its step, else the mean over the epoch's batches; on scaled
            data where training standardizes.
        seconds: Spent on training so far; evaluation does not count.
        evaluations: Of the loss and its gradient so far.
    """

    epoch: int
    loss: float
    seconds: float
    evaluations: int


class Trainer:
    """Trains a network on series; `state` and `restore` make an interrupted training go on exactly.

    Random numbers (windows, noise, dropout) come from torch's global generator.

    Args:
        network: What to train, in place.
        series: Training part, (series, time, channel), in the network's units; it begins at time 0.
        training: With derived values filled in.
        optimizer: Drives the main stage; L-BFGS takes all windows at once, the others random ones.
    """

    def __init__(self, network: Forecaster, series: Tensor, training: Training, optimizer: Optimizer) -> None:
        self.network, self.series, self.training, self.optimizer_config = network, series, training, optimizer
        self.closed_form = isinstance(network, LinearForecaster)
        self.epochs = 1 if self.closed_form else training.epochs + training.refine_epochs
        self.epoch, self.steps, self.evaluations, self.seconds = 0, 0, 0, 0.0
        num_series, length, _ = series.shape
        self.window = known(training.window)
        covering = num_series * math.ceil(length / self.window)
        full = optimizer.full_batch
        self.steps_per_epoch = 1 if full else math.ceil(covering / training.batch_size)
        self.all_windows = cut_windows(series, self.window) if full or num_series * length == self.window else None
        self.refine_windows = self._draw_refine_windows() if training.refine_epochs else None
        if not self.closed_form:
            self._enter_main()

    def records(self) -> Iterator[Record]:
        """Train, yielding at the epochs 1, `record_every` and its multiples, and the last.

        A loss that is not finite ends the training; its record is the last.
        """
        while self.epoch < self.epochs:
            began = perf_counter()
            self.epoch += 1
            if self.epoch == self.training.epochs + 1:
                self._enter_refinement()
            loss = self._fit() if self.closed_form else self._train_epoch()
            self.seconds += perf_counter() - began
            finite = math.isfinite(loss)
            if self.records_epoch(self.epoch) or not finite:
                yield Record(self.epoch, loss, self.seconds, self.evaluations)
            if not finite:
                return

    def records_epoch(self, epoch: int) -> bool:
        """Say whether an epoch is recorded."""
        return epoch in (1, self.epochs) or epoch % self.training.record_every == 0

    def state(self) -> dict[str, Any]:
        """Return all that training needs to go on exactly: tensors and plain values."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "optimizer": None if self.closed_form else self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if not self.closed_form and self.schedule else None,
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a `state` of a trainer that was made with the same arguments and the same seed."""
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.evaluations, self.seconds = state["evaluations"], state["seconds"]
        self.network.load_state_dict(state["network"])
        if not self.closed_form:
            if self.epoch > self.training.epochs:
                self._enter_refinement()
            self.optimizer.load_state_dict(state["optimizer"])
            if self.schedule:
                self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])

    def _enter_main(self) -> None:
        total = self.training.epochs * self.steps_per_epoch
        self.optimizer = self.optimizer_config.build(self.network.parameters())
        self.schedule = self.optimizer_config.build_schedule(self.optimizer, total)
        self.network.train()

    def _enter_refinement(self) -> None:
        self.optimizer, self.schedule = REFINER.build(self.network.parameters()), None
        # A line search needs the same loss for the same weights: no random masks, no batch statistics.
        for module in self.network.modules():
            if isinstance(module, nn.Dropout | nn.BatchNorm1d):
                module.eval()

    def _fit(self) -> float:
        assert isinstance(self.network, LinearForecaster)
        self.network.fit(self.series)
        self.evaluations += 1
        begin = torch.zeros(len(self.series), dtype=torch.int64, device=self.series.device)
        return float(mse_loss(self.network, self.series, self.series, begin, washout=0))

    def _train_epoch(self) -> float:
        if self.epoch > self.training.epochs:
            return self._full_batch_step(self._closed_loop_loss(*known(self.refine_windows)))
        if self.optimizer_config.full_batch:
            return self._full_batch_step(self._one_step_loss(*known(self.all_windows)))
        losses = [self._batch_step() for _ in range(self.steps_per_epoch)]
        return sum(losses) / len(losses)

    def _full_batch_step(self, loss: Callable[[], Tensor]) -> float:
        self.optimizer.step(self._closure(loss))  # type: ignore[arg-type]
        self.steps += 1
        with torch.no_grad():
            return float(loss())

    def _batch_step(self) -> float:
        windows, start = self.all_windows or draw_windows(self.series, self.window, self.training.batch_size)
        loss: Tensor = self.optimizer.step(self._closure(self._one_step_loss(windows, start)))  # type: ignore
        if self.schedule:
            self.schedule.step()
        self.steps += 1
        return loss.item()

    def _closure(self, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
        clip = 0.0 if self.optimizer_config.full_batch else self.training.clip_norm

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            value = loss()
            value.backward()
            if clip:
                nn.utils.clip_grad_norm_(self.network.parameters(), clip)
            self.evaluations += 1
            return value

        return closure

    def _one_step_loss(self, windows: Tensor, start: Tensor) -> Callable[[], Tensor]:
        """Return the loss of one batch; its input noise is drawn once, so that a line search can rely on it."""
        noise, washout = self._noise(), known(self.training.washout)
        inputs = windows + noise * torch.randn(windows.shape).to(windows) if noise else windows
        return lambda: mse_loss(self.network, inputs, windows, start, washout)

    def _noise(self) -> float:
        """Return the standard deviation of the input noise now: it fades geometrically."""
        first, last = self.training.noise_start, self.training.noise_end
        total = self.training.epochs * self.steps_per_epoch
        return first * (last / first) ** (self.steps / max(total - 1, 1)) if first else 0.0

    def _draw_refine_windows(self) -> tuple[Tensor, Tensor]:
        context, horizon = self._refine_lengths()
        return draw_windows(self.series, context + horizon, self.training.batch_size)

    def _refine_lengths(self) -> tuple[int, int]:
        """Return context and horizon: a half window, and up to three times as much where the series allow."""
        context = max(self.window // 2, self.network.lead)
        return context, min(self.series.shape[1] - context, 3 * context)

    def _closed_loop_loss(self, windows: Tensor, start: Tensor) -> Callable[[], Tensor]:
        context, horizon = self._refine_lengths()
        before, after = windows[:, :context], windows[:, context:]
        return lambda: nn.functional.mse_loss(self.network.closed_loop(before, start, horizon), after)


def mse_loss(network: Forecaster, inputs: Tensor, values: Tensor, start: Tensor, washout: int) -> Tensor:
    """Return the mean squared error of one-step predictions, the first `washout` values left out.

    Args:
        network: One-step forecaster.
        inputs: What it sees, (series, time, channel): `values`, with noise or without.
        values: What it is to predict, (series, time, channel).
        start: Time index of the first value, (series,).
        washout: Predictions of the first values after a zero state say nothing: their phase is unknown.
    """
    first = max(washout, network.lead)
    predictions = network.one_step(inputs, start)[:, first - network.lead :]
    return nn.functional.mse_loss(predictions, values[:, first:])


def cut_windows(series: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Cut (series, time, channel) into windows that cover it once; the last may overlap the one before.

    Returns:
        Windows, (window, time, channel), and the time index of each one's first value.
    """
    num_series, length, _ = series.shape
    start = torch.arange(0, length, window, device=series.device).clamp(max=length - window)
    windows = torch.cat([series[:, first : first + window] for first in start.tolist()])
    return windows, start.repeat_interleave(num_series)


def draw_windows(series: Tensor, window: int, count: int) -> tuple[Tensor, Tensor]:
    """Draw `count` windows of (series, time, channel) at random, with replacement.

    Returns:
        Windows, (count, window, channel), and the time index of each one's first value.
    """
    num_series, length, _ = series.shape
    which = torch.randint(num_series, (count, 1)).to(series.device)
    start = torch.randint(length - window + 1, (count, 1)).to(series.device)
    steps = start + torch.arange(window, device=series.device)
    return series[which, steps], start[:, 0]
