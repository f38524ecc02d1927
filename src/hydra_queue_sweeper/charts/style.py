"""The style of all pictures. Uses matplotlib's figures directly: no window, and none of pyplot's start-up."""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from hydra_queue_sweeper.base.files import write_atomically

COLOURS = ("#c0392b", "#2471a3", "#229954", "#d68910", "#7d3c98", "#148f77", "#6e4b2a", "#5d6d7e")


def tidy(axes: Axes) -> None:
    """Give a panel no more lines and ticks than it needs."""
    axes.locator_params(axis="y", nbins=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter("{x:.8g}")
    axes.minorticks_off()


def head(figure: Figure, title: str, left: float) -> float:
    """Write above the panels, `left` inches from the edge, what is drawn, and name each kind of line once.

    Returns:
        The inches that it takes.
    """
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - 0.22 / height, title, fontsize=11, parse_math=False)
    pairs = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    named = {label: handle for handle, label in reversed(pairs)}
    top = 0.33 if title else 0.11
    if not named:
        return top
    columns = len(named)
    widths = [0.5 + 0.075 * len(label) for label in named]  # inches, of an entry of the legend
    if sum(widths) > width - left:
        columns = max(1, int((width - left) / max(widths)))
    style = {"frameon": False, "fontsize": 9, "columnspacing": 1.2, "borderaxespad": 0, "borderpad": 0}
    style |= {"loc": "upper left", "bbox_to_anchor": (left / width, 1 - top / height)}
    figure.legend([*named.values()][::-1], [*named][::-1], ncols=columns, **style)
    return top + 0.2 * math.ceil(len(named) / columns)


def save(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all, in the format that its name says."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {}
    if path.suffix == ".png":
        options["pil_kwargs"] = {"compress_type": 3}  # run lengths: in a third of the time
    with warnings.catch_warnings(), rc_context({"text.hinting": "none"}):  # a tenth faster
        warnings.filterwarnings("ignore", "Glyph")  # names may have letters that the font lacks
        figure.savefig(buffer, format=path.suffix[1:], **options)
    write_atomically(path, buffer.getvalue())


def scale(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Make numbers that span more than a decade logarithmic, with labels of ours: matplotlib's take it long."""
    drawn = [value for line in axes.lines for value in np.ravel(getattr(line, f"get_{which}data")()) if value > 0]
    if spans_decades(drawn):
        axes.set(**{f"{which}scale": "log"})
        axis = getattr(axes, f"{which}axis")
        axis.set_major_locator(decades(min(drawn), max(drawn), 4 if which == "x" else 9))
        axis.set_major_formatter("{x:.0e}")
        axes.minorticks_off()


def spans_decades(values: Sequence[float]) -> bool:
    """Say whether positive values are better drawn as logarithms."""
    return len(values) > 0 and max(values) > 10 * min(values)


def decades(low: float, high: float, most: int = 9) -> LogLocator:
    """Return what finds ticks of a logarithmic axis: of little more than one decade, at 1 and 3."""
    return LogLocator(subs=(1, 3) if high <= 30 * low else (1,), numticks=most)


def name_values(axis: XAxis | YAxis, values: Sequence[str | float], inches: float) -> None:
    """Write values at 0, 1, … along an axis: of many, some; below a panel, upright where they are long."""
    step = math.ceil(len(values) * 0.17 / inches)
    below = isinstance(axis, XAxis)
    labels = [as_label(value, 16 if below else 24) for value in values[::step]]
    upright = below and len(labels) * (0.1 + 0.08 * max(map(len, labels))) > inches
    axis.set_ticks(range(0, len(values), step), labels, rotation=90 if upright else 0)


def as_label(value: str | float, most: int = 24) -> str:
    """Return a value as a label of at most so many letters, its $ not that of a formula."""
    text = value if isinstance(value, str) else f"{value:.4g}"
    return both_ends(text, most).replace("$", r"\$")


def both_ends(text: str, most: int) -> str:
    """Return a text, of a long one its beginning and its end."""
    return text if len(text) <= most else f"{text[: (most - 1) // 2]}…{text[-(most // 2) :]}"
