"""The training loop: an epoch at a time, one record for each that is recorded."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from wavesweep import interrupts
from wavesweep.config import Training
from wavesweep.networks import Forecaster, LinearForecaster, evaluating
from wavesweep.optimizers import LBFGS, Optimizer
from wavesweep.schema import known
from wavesweep.seeds import stream
from wavesweep.weights import copy_weights

Loss = Callable[[], Tensor]

REFINER = LBFGS(
    kind="lbfgs",
    lr=1.0,
    max_iter=20,
    history_size=100,
    tolerance_grad=1e-14,
    tolerance_change=1e-14,
    line_search="strong_wolfe",
)
MOST_RETRIES = 3
SECONDS_TO_FINISH = 0.5  # an epoch, after a signal has come


@dataclass(frozen=True)
class Record:
    """The state of training after an epoch.

    Attributes:
        epoch: Counted from 1, the refinement's following those of the main stage.
        loss: In squared units of the network. Of random batches, the mean of what was minimised, before each
            step and with its noise; of a full batch, after its step and without noise; in the refinement, of
            the closed loop.
    """

    epoch: int
    loss: float


class LeastSquares:
    """Fits a linear network in one epoch; for the rest, see `GradientDescent`.

    Args:
        network: What to fit.
        series: Training part, (series, time, channel), in the network's units.
    """

    epochs = 1

    def __init__(self, network: LinearForecaster, series: Tensor) -> None:
        self.network, self.series = network, series
        self.epoch, self.evaluations, self.seconds = 0, 0, 0.0

    def records(self) -> Iterator[Record]:
        """See `GradientDescent.records`."""
        if self.epoch:
            return
        began = perf_counter()
        self.network.fit(self.series)
        self.epoch, self.evaluations, self.seconds = 1, 1, perf_counter() - began
        begin = torch.zeros(len(self.series), dtype=torch.int64, device=self.series.device)
        yield Record(1, one_step_loss(self.network, self.series, self.series, begin, washout=0)().item())

    def is_recorded(self, epoch: int) -> bool:
        """See `GradientDescent.is_recorded`."""
        return epoch == 1

    def state(self) -> dict[str, Any]:
        """See `GradientDescent.state`."""
        return {"epoch": self.epoch, "seconds": self.seconds, "network": self.network.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `GradientDescent.restore`."""
        self.epoch = self.evaluations = state["epoch"]
        self.seconds = state["seconds"]
        self.network.load_state_dict(state["network"])


class GradientDescent:
    """Trains a network by its optimizer, then refines its closed loop by L-BFGS.

    Windows, noise and dropout are drawn from torch's global generator; those of the refinement from streams of
    their own, so that refining more or less changes nothing before it.

    The refinement works in rounds of `refine_restart_every` steps, each with windows drawn anew and an L-BFGS
    that has forgotten the last round's: in single precision it gets stuck. The horizon is half a window in the
    first half of the epochs, then three times as much, as far as the series reach: a short one mends the shape
    of a wave for little, a long one its period. From a loss that is not finite it goes back to the weights
    before, with a quarter of the step, at most three times.

    Args:
        network: What to train.
        series: Training part, (series, time, channel), in the network's units; it begins at time 0.
        training: With derived values filled in.
        optimizer: Drives the main stage; L-BFGS takes all windows at once, the others random ones.
        seed: Of the refinement's windows.

    Attributes:
        network: What is trained, in place.
        epoch: Epochs done so far.
        epochs: Epochs in all.
        batches: Windows that each step of an epoch of the main stage takes; they cover the training part once.
        seconds: Spent on training so far; evaluation does not count.
        evaluations: Of the loss and its gradient so far.

    Source:
        A loss over several steps of the closed loop: Williams & Zipser (1989); horizons that lengthen, a
        curriculum: Bengio et al. (2009).
    """

    def __init__(
        self, network: Forecaster, series: Tensor, training: Training, optimizer: Optimizer, seed: int
    ) -> None:
        self.network, self.series, self.training, self.config, self.seed = network, series, training, optimizer, seed
        self.epoch, self.steps, self.evaluations, self.retries, self.seconds = 0, 0, 0, 0, 0.0
        self.main_epochs = known(training.epochs)
        self.epochs = self.main_epochs + training.refine_epochs
        self.window = known(training.window)
        covering = len(series) * math.ceil(series.shape[1] / self.window)  # windows, for each value once
        size = covering if optimizer.full_batch else training.batch_size
        self.batches = [min(size, covering - first) for first in range(0, covering, size)]
        self.main_steps = self.main_epochs * len(self.batches)
        self.optimizer = optimizer.build(network.parameters())
        self.schedule = optimizer.build_schedule(self.optimizer, self.main_steps)
        self.fixed_windows: tuple[Tensor, Tensor] | None = None
        self.fixed_loss: Loss | None = None
        only_one = len(series) == 1 and series.shape[1] == self.window
        if optimizer.full_batch or only_one:
            windows, start = self.fixed_windows = cut_windows(series, self.window)
            self.fixed_loss = one_step_loss(network, windows, windows, start, known(training.washout))
        network.train()

    def records(self) -> Iterator[Record]:
        """Train, yielding at the epochs that `is_recorded` names; after a loss that isn't finite, for the last time.

        Ends after the epoch in which a signal comes (see interrupts.py).

        Raises:
            Interrupted: Within an epoch that goes on for longer; it can't be gone on with then.
        """
        while self.epoch < self.epochs and not interrupts.pending():
            began = perf_counter()
            self.epoch += 1
            loss = self._train_epoch()
            self.seconds += perf_counter() - began
            finite = math.isfinite(loss)
            if not finite or self.is_recorded(self.epoch):
                yield Record(self.epoch, loss)
            if not finite:
                return

    def is_recorded(self, epoch: int) -> bool:
        """Say whether an epoch is recorded: 1, the multiples of `record_every`, and the last are."""
        return epoch in (1, self.epochs) or epoch % self.training.record_every == 0

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly: tensors and plain values."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "evaluations": self.evaluations,
            "retries": self.retries,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else None,
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a `state` of a trainer that was made with the same arguments."""
        self.epoch, self.steps, self.retries = state["epoch"], state["steps"], state["retries"]
        self.evaluations, self.seconds = state["evaluations"], state["seconds"]
        self.network.load_state_dict(state["network"])
        if self.epoch > self.main_epochs:
            self._enter_round()
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])

    def _enter_round(self) -> None:
        """Make ready for the refinement's round that this epoch belongs to."""
        self._build_refiner()
        # A line search needs the same loss for the same weights: no random masks, no batch statistics. Not for
        # all modules, since LSTM layers on a GPU have gradients in train mode alone.
        for module in self.network.modules():
            if isinstance(module, nn.Dropout | nn.BatchNorm1d):
                module.eval()
        turn = (self.epoch - self.main_epochs - 1) // self.training.refine_restart_every
        in_first_half = 2 * (turn * self.training.refine_restart_every + 1) <= self.training.refine_epochs
        context = max(self.window // 2, self.network.lead)
        horizon = min(context if in_first_half else 3 * context, self.series.shape[1] - context)
        seed = int(stream(self.seed, f"windows of round {turn}").integers(2**63))
        generator = torch.Generator().manual_seed(seed)
        windows, start = draw_windows(self.series, context + horizon, self.training.refine_windows, generator)
        self.fixed_loss = closed_loop_loss(self.network, windows, start, context)

    def _build_refiner(self) -> None:
        refiner = REFINER.model_copy(update={"lr": REFINER.lr / 4**self.retries})
        self.optimizer, self.schedule = refiner.build(self.network.parameters()), None

    def _refine_step(self) -> float:
        """Take a step; from one whose loss is not finite, go back and take a smaller one."""
        before = copy_weights(self.network)
        loss = self._full_batch_step(known(self.fixed_loss))
        while not math.isfinite(loss) and self.retries < MOST_RETRIES:
            self.retries += 1
            self.network.load_state_dict(before)
            self._build_refiner()
            loss = self._full_batch_step(known(self.fixed_loss))
        return loss

    def _train_epoch(self) -> float:
        if self.epoch > self.main_epochs:
            if (self.epoch - self.main_epochs - 1) % self.training.refine_restart_every == 0:
                self._enter_round()
            return self._refine_step()
        if self.config.full_batch:
            return self._full_batch_step(self._next_loss(size=0))
        return sum([self._batch_step(size) for size in self.batches]) / len(self.batches)

    def _full_batch_step(self, minimised: Loss) -> float:
        random = torch.get_rng_state()

        def repeatable() -> Tensor:
            torch.set_rng_state(random)  # the same dropout masks throughout a line search
            return minimised()

        self.optimizer.step(self._closure(repeatable, clip_norm=0.0))  # type: ignore[arg-type]
        self.steps += 1
        with evaluating(self.network):
            return known(self.fixed_loss)().item()

    def _batch_step(self, size: int) -> float:
        closure = self._closure(self._next_loss(size), self.training.clip_norm)
        loss: Tensor = self.optimizer.step(closure)  # type: ignore[assignment, arg-type]
        if self.schedule:
            self.schedule.step()
        self.steps += 1
        return loss.item()

    def _closure(self, loss: Loss, clip_norm: float) -> Loss:
        def closure() -> Tensor:
            interrupts.check(SECONDS_TO_FINISH)
            self.optimizer.zero_grad()
            value = loss()
            value.backward()
            if clip_norm:
                nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)
            self.evaluations += 1
            return value

        return closure

    def _next_loss(self, size: int) -> Loss:
        """Return the loss of the next batch; its input noise is drawn once, so that a line search can rely on it."""
        noise = self._noise()
        if self.fixed_loss and not noise:
            return self.fixed_loss
        windows, start = self.fixed_windows or draw_windows(self.series, self.window, size)
        inputs = windows + noise * torch.randn(windows.shape).to(windows) if noise else windows
        return one_step_loss(self.network, inputs, windows, start, known(self.training.washout))

    def _noise(self) -> float:
        """Return the standard deviation of the input noise now: it fades geometrically."""
        first, last = self.training.noise_start, self.training.noise_end
        return first * (last / first) ** (self.steps / max(self.main_steps - 1, 1)) if first else 0.0


Trains = LeastSquares | GradientDescent
"""What trains a network; its `state` makes an interrupted training go on exactly."""


def one_step_loss(network: Forecaster, inputs: Tensor, values: Tensor, start: Tensor, washout: int) -> Loss:
    """Return what gives the mean squared error of one-step predictions, of the network as it is when called.

    Args:
        network: One-step forecaster.
        inputs: What it sees, (series, time, channel): `values`, with noise or without.
        values: What it is to predict, (series, time, channel).
        start: Time index of the first value, (series,).
        washout: The first values whose predictions are left out: after a zero state they say nothing, since
            the phase is unknown.
    """
    skipped = max(washout - network.lead, 0)
    targets = values[:, network.lead + skipped :]

    def loss() -> Tensor:
        predictions = network.one_step(inputs, start)
        return nn.functional.mse_loss(predictions[:, skipped:] if skipped else predictions, targets)

    return loss


def closed_loop_loss(network: Forecaster, windows: Tensor, start: Tensor, context: int) -> Loss:
    """Return what gives the mean squared error in closed loop, of the network as it is when called.

    Args:
        network: One-step forecaster.
        windows: Context and how it goes on, (series, time, channel).
        start: Time index of the first value, (series,).
        context: Observed steps at the beginning of each window; the rest is forecast.
    """
    before, after = windows[:, :context], windows[:, context:]
    return lambda: nn.functional.mse_loss(network.closed_loop(before, start, after.shape[1]), after)


def cut_windows(series: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Cut (series, time, channel) into windows that cover it once; the last may overlap the one before.

    Returns:
        Windows, (window, time, channel), and the time index of each one's first value.
    """
    num_series, length, _ = series.shape
    start = torch.arange(0, length, window, device=series.device).clamp(max=length - window)
    windows = torch.cat([series[:, first : first + window] for first in start.tolist()])
    return windows, start.repeat_interleave(num_series)


def draw_windows(
    series: Tensor, window: int, count: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw `count` windows of (series, time, channel) at random, with replacement.

    Args:
        series: What to draw from, anywhere within it.
        window: Steps of each window.
        count: Windows to draw.
        generator: Source of random numbers; None: torch's global one.

    Returns:
        Windows, (count, window, channel), and the time index of each one's first value.
    """
    num_series, length, _ = series.shape
    which = torch.randint(num_series, (count, 1), generator=generator).to(series.device)
    start = torch.randint(length - window + 1, (count, 1), generator=generator).to(series.device)
    steps = start + torch.arange(window, device=series.device)
    return series[which, steps], start[:, 0]
