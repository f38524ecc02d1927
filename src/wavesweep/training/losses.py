"""The losses that training minimises, and the windows that they are measured on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from wavesweep.models.forecaster import Forecaster

Loss = Callable[[], Tensor]


@dataclass(frozen=True)
class Windows:
    """Windows of series.

    Attributes:
        values: (window, time, channel); after the end of a series that is shorter, its last value again.
        start: Time index of each window's first value, (window,).
        steps: How many values of each window are of the series, (window,); None: all.
    """

    values: Tensor
    start: Tensor
    steps: Tensor | None = None


def one_step_loss(network: Forecaster, windows: Windows, washout: int, inputs: Tensor | None = None) -> Loss:
    """Return a function: the mean squared error of one-step predictions by the network as it is when called.

    Args:
        network: One-step forecaster.
        windows: What it is to predict.
        washout: The first values whose predictions are left out: after a zero state they say nothing, since
            the phase is unknown.
        inputs: What it sees, (window, time, channel): the values, by default without noise.
    """
    first = max(washout, network.lead)
    seen, targets = windows.values if inputs is None else inputs, windows.values[:, first:]

    def predictions() -> Tensor:
        predicted = network.one_step(seen, windows.start)
        return predicted[:, first - network.lead :] if first > network.lead else predicted

    if windows.steps is None:
        return lambda: nn.functional.mse_loss(predictions(), targets)
    there = torch.arange(first, windows.values.shape[1], device=targets.device) < windows.steps[:, None]
    count = (there.sum() * targets.shape[2]).clamp(min=1)
    return lambda: ((predictions() - targets).square() * there[..., None]).sum() / count


def closed_loop_loss(network: Forecaster, windows: Windows, context: int) -> Loss:
    """Return a function: the mean squared error in closed loop of the network as it is when called.

    Args:
        network: One-step forecaster.
        windows: Context and how it goes on.
        context: Observed steps at the beginning of each window; the rest is forecast.
    """
    before, after = windows.values[:, :context], windows.values[:, context:]
    return lambda: nn.functional.mse_loss(network.closed_loop(before, windows.start, after.shape[1]), after)


def cut_windows(series: Sequence[Tensor], window: int) -> Windows:
    """Cut series, (time, channel) each, into windows that cover them once; the last may overlap the one before."""
    places = [
        (number, min(first, max(len(one) - window, 0)))
        for first in range(0, max(map(len, series)), window)
        for number, one in enumerate(series)
        if first < len(one)
    ]
    numbers, start = torch.tensor(places).T
    return _windows(series, window, numbers, start)


def draw_windows(
    series: Sequence[Tensor], window: int, count: int, generator: torch.Generator | None = None
) -> Windows:
    """Draw `count` windows at random, with replacement; from longer series as much more often.

    Args:
        series: What to draw from, (time, channel) each, anywhere within it; of a shorter series, all of it.
        window: Steps of each window.
        count: Windows to draw.
        generator: Source of random numbers; None: torch's global one.
    """
    lengths = torch.tensor([len(one) for one in series])
    if (lengths == lengths[0]).all():
        numbers = torch.randint(len(series), (count,), generator=generator)
        start = torch.randint(max(len(series[0]) - window, 0) + 1, (count,), generator=generator)
    else:
        numbers = torch.multinomial(lengths.double(), count, replacement=True, generator=generator)
        places = (lengths[numbers] - window).clamp(min=0) + 1
        start = (torch.rand(count, generator=generator, dtype=torch.float64) * places).long()
    return _windows(series, window, numbers, start)


def _windows(series: Sequence[Tensor], window: int, numbers: Tensor, start: Tensor) -> Windows:
    """Return the windows of series with these numbers, (window,), that start at these steps, (window,)."""
    device = series[0].device
    lengths = torch.tensor([len(one) for one in series])[numbers]
    steps = torch.minimum(start[:, None] + torch.arange(window), lengths[:, None] - 1)
    values = torch.stack([series[number][at] for number, at in zip(numbers.tolist(), steps.to(device), strict=True)])
    whole = Windows(values, start.to(device))
    there = lengths - start
    return whole if (there >= window).all() else replace(whole, steps=there.clamp(max=window).to(device))
