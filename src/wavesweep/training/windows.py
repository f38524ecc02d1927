"""The windows of training series that a loss is measured on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


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


def cut_windows(series: Sequence[Tensor], window: int, overlap: int = 0) -> Windows:
    """Cut series, (time, channel) each, into windows that overlap by so many steps; the last may by more."""
    places = [
        (number, min(first, max(len(one) - window, 0)))
        for first in range(0, max(map(len, series)), window - overlap)
        for number, one in enumerate(series)
        if first == 0 or first + overlap < len(one)
    ]
    numbers, start = torch.tensor(places).T
    return _windows(series, window, numbers, start)


def draw_windows(
    series: Sequence[Tensor], window: int, count: int, generator: torch.Generator | None = None, beyond: int = 0
) -> Windows:
    """Draw `count` windows at random, with replacement; from longer series as much more often.

    Args:
        series: What to draw from, (time, channel) each, anywhere within it; of a shorter series, all of it.
        window: Steps of each window.
        count: Windows to draw.
        generator: Source of random numbers; None: torch's global one.
        beyond: Windows may be drawn from so many steps before or after a series, and are then moved to its end:
            its first and last steps, which few windows hold, stand in so many times more.
    """
    lengths = torch.tensor([len(one) for one in series])
    if beyond:
        numbers = torch.multinomial(lengths.double(), count, replacement=True, generator=generator)
        room = (lengths[numbers] - window).clamp(min=0)
        places = torch.rand(count, generator=generator, dtype=torch.float64) * (room + 1 + 2 * beyond)
        start = (places.long() - beyond).clamp(min=0).minimum(room)
    elif (lengths == lengths[0]).all():
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
