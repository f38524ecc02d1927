"""The style of all pictures. Uses matplotlib's figures directly: no window, and none of pyplot's start-up."""

import io
import warnings
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from wavesweep.base.files import write_atomically

COLOURS = ("#c0392b", "#2471a3", "#229954", "#d68910", "#7d3c98", "#148f77", "#6e4b2a", "#5d6d7e")


def tidy(axes: Axes) -> None:
    """Give a panel no more lines and ticks than it needs."""
    axes.locator_params(axis="y", nbins=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter("{x:.8g}")
    axes.minorticks_off()


def head(figure: Figure, title: str, left: float, columns: int = 6) -> None:
    """Write above the panels, `left` inches from the edge, what is drawn, and name each kind of line once."""
    x, height = left / figure.get_figwidth(), figure.get_figheight()
    figure.text(x, 1 - 0.22 / height, title, fontsize=11, parse_math=False)
    pairs = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    named = {label: handle for handle, label in reversed(pairs)}
    place, style = (x, 1 - (0.33 if title else 0.11) / height), {"columnspacing": 1.2, "borderaxespad": 0}
    style |= {"frameon": False, "fontsize": 9, "ncols": columns, "loc": "upper left", "borderpad": 0}
    figure.legend([*named.values()][::-1], [*named][::-1], bbox_to_anchor=place, **style)


def save(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), rc_context({"text.hinting": "none"}):  # a tenth faster
        warnings.filterwarnings("ignore", "Glyph")  # names may have letters that the font lacks
        figure.savefig(buffer, format="png", pil_kwargs={"compress_type": 3})  # run lengths: in a third of the time
    write_atomically(path, buffer.getvalue())


def scale(axes: Axes) -> None:
    """Make errors that span more than a decade logarithmic, with labels of ours: matplotlib's take it long."""
    drawn = [value for line in axes.lines for value in np.ravel(line.get_ydata()) if value > 0]
    if drawn and max(drawn) > 10 * min(drawn):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(decades(min(drawn), max(drawn)))
        axes.yaxis.set_major_formatter("{x:.0e}")
        axes.minorticks_off()


def decades(low: float, high: float) -> LogLocator:
    """Return what finds ticks of a logarithmic axis: of two decades or less, at 1, 2 and 5."""
    return LogLocator(subs=(1, 2, 5) if high <= 100 * low else (1,))
