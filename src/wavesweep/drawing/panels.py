"""Panels of forecasts, one above the other over a common axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from hydra_queue_sweeper.charts.style import COLOURS, both_ends, tidy

Named = dict[str, np.ndarray]
TRUE: Any = {"color": "#b4b4b4", "lw": 3.2}  # broad, so that it shows beneath a line that lies on it
DOTTED: Any = {"color": "black", "lw": 1, "ls": ":"}
EDGE: Any = {"color": "black", "lw": 0.8, "alpha": 0.5}
WIDTH, LEFT, RIGHT, TOP = 8.0, 1.05, 0.15, 0.6  # inches: of a picture, and of its margins


@dataclass(frozen=True)
class View:
    """What a panel shows: a channel of a window.

    Attributes:
        label: What it is.
        origin: The step at which the forecast begins.
        context: Values before it, (context,); nan where one was not observed.
        truth: How they truly go on, (horizon,).
        one_step: Predictions of the last values of the context, (time,).
        closed_loop: The forecast, (horizon,).
        others: Forecasts to compare it with, (horizon,), by name.
        bands: How far intervals reach below and above the forecast, (2, horizon), by name.
    """

    label: str
    origin: int
    context: np.ndarray
    truth: np.ndarray
    one_step: np.ndarray
    closed_loop: np.ndarray
    others: Named
    bands: Named

    @property
    def ahead(self) -> np.ndarray:
        """The steps that are forecast."""
        return self.origin + np.arange(len(self.truth))


def stack(
    height: float, label: str, count: int = 1, gap: float = 0.15, bottom: float = 0.55, top: float = TOP
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels over one horizontal axis; their height, and what lies around, in inches."""
    total = top + count * height + (count - 1) * gap + bottom
    figure = Figure(figsize=(WIDTH, total), dpi=100)
    panels = list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    figure.subplots_adjust(LEFT / WIDTH, bottom / total, 1 - RIGHT / WIDTH, 1 - top / total, hspace=gap / height)
    panels[-1].locator_params(axis="x", integer=True, nbins=6, min_n_ticks=1)
    panels[-1].set_xlabel(label)
    for axes in panels:
        tidy(axes)
        axes.margins(x=0.01)
        axes.yaxis.set_label_coords((0.4 - LEFT) / (WIDTH - LEFT - RIGHT), 0.5)
        axes.xaxis.set_visible(axes is panels[-1])
    return figure, panels


def draw_view(axes: Axes, view: View, colour: str) -> None:
    """Draw what a panel shows; of a context longer than the horizon, its end."""
    length = min(len(view.context), max(len(view.truth), 20))
    past = np.arange(view.origin - length, view.origin)
    observed = view.context[-length:]
    one_step = view.one_step[-length:]
    steps = np.append(past[-1:], view.ahead)  # from the last observed one, so that lines meet
    closed_loop = np.append(observed[-1:], view.closed_loop)
    draw_truth(axes, np.append(past, view.ahead), np.append(observed, view.truth), "truth")
    draw_line(axes, past[len(past) - len(one_step) :], one_step, "one step", color=colour, lw=0.9)
    draw_line(axes, steps, closed_loop, "closed loop", color=colour, lw=1.6, ls="--")
    for name, reach in view.bands.items():
        draw_band(axes, steps, closed_loop, reach, name, colour)
    axes.axvline(past[-1], **EDGE)
    axes.set_ylabel(two_lines(view.label), color=colour, parse_math=False)


def draw_others(panels: Sequence[tuple[Axes, View]]) -> float:
    """Give panels one range, and draw what to compare with, unless it lies on the truth or outside.

    Returns:
        How far the range goes from end to end.
    """
    true = np.concatenate([np.append(view.context, view.truth) for _, view in panels])
    bottom, top = limit([axes for axes, _ in panels], true)
    for axes, view in panels:
        for name, values in view.others.items():
            apart = largest(values - view.truth) > 0.01 * (top - bottom)
            if apart and np.any((bottom <= values) & (values <= top)):
                draw_line(axes, view.ahead, values, name, **DOTTED)
    return top - bottom


def draw_differences(axes: Axes, views: Sequence[View], most: float) -> None:
    """Draw what forecasts differ from the truth by, on a scale for the closed loop's, `most` at most."""
    differences = [view.closed_loop - view.truth for view in views]
    scale = min(max(map(largest, differences)), most) or most
    for name in views[0].others:
        others = [view.others[name] - view.truth for view in views]
        if (most_of_others := max(map(largest, others))) <= 3 * scale:
            scale = max(scale, most_of_others)
            for view, one in zip(views, others, strict=True):
                draw_line(axes, view.ahead, one, name, zorder=3, **DOTTED)
    for view, one, colour in zip(views, differences, COLOURS, strict=False):
        draw_line(axes, view.ahead, one, "_", color=colour, lw=0.7)
    axes.set_ylabel("forecast\n− truth")
    axes.set_ylim(-1.1 * scale, 1.1 * scale)


def draw_line(axes: Axes, steps: np.ndarray, values: np.ndarray, name: str, **style: Any) -> None:
    """Draw a line where there is one."""
    shown = np.where(np.abs(values) < 1e100, values, np.nan)  # beyond it, there are no ticks
    if np.isfinite(shown).sum() > 1:  # a point is no line
        axes.plot(steps, shown, label=name, **style)


def draw_truth(axes: Axes, steps: np.ndarray, values: np.ndarray, name: str) -> None:
    """Draw what was observed: a line, and a point where nothing beside it was."""
    known = np.pad(np.isfinite(values), 1)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    draw_line(axes, steps, values, name, **TRUE)
    axes.plot(steps[alone], values[alone], color=TRUE["color"], ls="", marker="o", ms=3.5, mew=0)


def draw_band(axes: Axes, steps: np.ndarray, middle: np.ndarray, reach: np.ndarray, name: str, colour: str) -> None:
    """Draw a band below and above a line, beneath all lines; it opens where the line has more values before."""
    below, above = np.pad(reach, ((0, 0), (len(middle) - reach.shape[1], 0)))
    shown = np.abs(middle) + np.maximum(below, above) < 1e100
    if shown.sum() > 1:
        axes.fill_between(steps, middle - below, middle + above, shown, color=colour, alpha=0.2, lw=0, label=name)


def largest(values: np.ndarray) -> float:
    """Return the greatest size of finite values, 0 where there are none."""
    return float(np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0))


def are_alike(windows: np.ndarray) -> bool:
    """Say whether windows, (window, time), can be read on one scale: none takes less than a third of it."""
    ranges = np.nanmax(windows, axis=1) - np.nanmin(windows, axis=1)
    return bool(3 * ranges.min() >= np.nanmax(windows) - np.nanmin(windows))


def name_dates(axes: Axes) -> None:
    """Name the dates along an axis by day and month, or by what tells their ticks apart; the title tells the year."""
    locator = AutoDateLocator(maxticks=7)
    usual = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"]  # of years, months, days, hours, minutes and seconds
    first = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]  # of the first of each within the next longer
    dates = ConciseDateFormatter(locator, formats=usual, zero_formats=first, show_offset=False)
    axes.xaxis.set(major_locator=locator, major_formatter=dates)


def two_lines(text: str) -> str:
    """Return a label that fits beside a panel: a long text in two lines, of a longer one its beginning and its end."""
    short = both_ends(text, 32)
    lines = wrap(short, 16)
    if len(lines) > 2:
        lines = [short[:16], short[16:]]
    return "\n".join(lines)


def limit(panels: list[Axes], true: np.ndarray, room: float = 0.6) -> tuple[float, float]:
    """Give panels the same range, and return it: of `true` values, and so much room on both sides as forecasts need.

    Args:
        panels: With all lines drawn.
        true: Values that stay readable where a forecast runs away; nan where none was observed.
        room: The most on each side, in ranges of the true values.
    """
    least, most = np.nanmin(true), np.nanmax(true)
    room *= most - least or 1.0
    bottoms, tops = zip(*(axes.get_ylim() for axes in panels), strict=True)
    bottom, top = max(min(bottoms), least - room), min(max(tops), most + room)
    for axes in panels:
        axes.set_ylim(bottom, top)
    return bottom, top


def shown_of(shown: int, there: int, what: str) -> str:
    """Return for a title how many things are shown, where there are more."""
    return f" · {shown} of {there} {what}" if shown < there else ""
