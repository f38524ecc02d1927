"""The losses that training minimises, and the windows that they are measured on."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from wavesweep.models.forecaster import Forecaster

Loss = Callable[[], Tensor]


def one_step_loss(network: Forecaster, inputs: Tensor, values: Tensor, start: Tensor, washout: int) -> Loss:
    """Return a function: the mean squared error of one-step predictions by the network as it is when called.

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
    """Return a function: the mean squared error in closed loop of the network as it is when called.

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
