"""The picture of a run's forecasts beside the truth."""

from pathlib import Path

import numpy as np

from hydra_queue_sweeper.charts.style import COLOURS, head, save
from wavesweep.drawing import panels
from wavesweep.drawing.panels import LEFT, View, shown_of
from wavesweep.evaluation.shown import ShownForecasts
from wavesweep.models.baseline_names import BASELINES

MOST_CHANNELS = 6  # of which a picture has panels


def draw_forecasts(shown: ShownForecasts, path: Path) -> None:
    """Draw what was observed, what was predicted of it, and how the closed loop goes on beside the truth.

    A panel and a colour for each window; where several channels are scored, for each of these, six at most, of the last
    window. Of a context longer than the horizon, its end. Windows share their scale, unless one of them would be lost
    on it. Beside another forecast also, below and on a scale of its own, what a single channel's closed loop differs
    from the truth by. The other is left out where it can't be told from the truth, and of the differences where it
    would leave the closed loop's flat.
    """
    single = len(shown.targets) == 1
    last = len(shown.truth) - 1
    if single:
        drawn = [(window, int(shown.targets[0])) for window in range(last + 1)]
    else:
        drawn = [(last, int(channel)) for channel in shown.targets[:MOST_CHANNELS]]
    origins = shown.start + shown.context.shape[1]
    together = len(np.unique(shown.start)) == 1
    if not together:
        origins = np.zeros_like(origins)
    others = {BASELINES.get(name, name): values for name, values in shown.beside.items()}
    views = [
        View(
            label=shown.labels[window] if single else shown.channels[channel],
            origin=origins[window],
            context=shown.context[window, :, channel],
            truth=shown.truth[window, :, channel],
            one_step=shown.one_step[window, :, channel],
            closed_loop=shown.closed_loop[window, :, channel],
            others={name: values[window, :, channel] for name, values in others.items()},
            bands={name: reach[:, window, :, channel] for name, reach in shown.bands.items()},
        )
        for window, channel in drawn
    ]
    alike = single and panels.are_alike(np.append(shown.context, shown.truth, axis=1)[..., shown.targets[0]])
    differs = bool(shown.beside and alike and shown.truth.shape[1] > 1)  # a point is no line
    below = "time step" if together else "steps from the origin of the forecast"
    figure, stacked = panels.stack(1.35, below, len(views) + differs)
    pairs = list(zip(stacked, views, strict=False))
    for (axes, view), colour in zip(pairs, COLOURS, strict=False):
        panels.draw_view(axes, view, colour)
    if alike:
        height = panels.draw_others(pairs)
        if differs:
            panels.draw_differences(stacked[-1], views, height)
    else:
        for pair in pairs:
            panels.draw_others([pair])
    head(figure, f"{shown.title}{_what_all_show(shown)}", LEFT)
    save(figure, path)


def _what_all_show(shown: ShownForecasts) -> str:
    """Return what panels have in common: of one channel among several its name, of several channels the window."""
    num_targets = len(shown.targets)
    if num_targets > 1:
        return f" · {shown.labels[-1]}{shown_of(MOST_CHANNELS, num_targets, 'channels')}"
    return f" · {shown.channels[shown.targets[0]]}" if len(shown.channels) > 1 else ""
