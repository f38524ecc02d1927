"""The pictures of a sweep: which there are, and what stands above them."""

import math
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hydra_queue_sweeper.charts.configurations import (
    colour_map,
    heat_map,
    may_be_logarithmic,
    outcome,
    slices,
    values_of,
    visible,
)
from hydra_queue_sweeper.charts.curves import curves, history, timeline
from hydra_queue_sweeper.charts.importance import importances
from hydra_queue_sweeper.charts.style import (
    COLOURS,
    as_label,
    both_ends,
    decades,
    head,
    name_values,
    save,
    spans_decades,
    tidy,
)

if TYPE_CHECKING:
    from hydra_queue_sweeper.leaderboard.ranking import Leaderboard, Row

WIDTH, LEFT = 6.8, 0.1  # inches, of 100 pixels: of a picture, and of the margin of its title
REST = "interactions and chance"


def draw(board: "Leaderboard") -> list[Path]:
    """Draw all that a sweep gives enough for, anew where there is a picture already; return what was written."""
    written = []
    for picture in PICTURES:
        figure = Figure(figsize=(WIDTH, 3.8), dpi=100, layout="constrained")
        if picture(figure, board):
            title = f"{board.program.metric} · sweep {both_ends(board.sweep.id, 44)}"
            top = 1 - head(figure, title, LEFT) / figure.get_figheight()
            figure.set_layout_engine("constrained", rect=(0, 0, 1, top), w_pad=0.08, h_pad=0.06)
            written.append(board.sweep.plots / f"{picture.__name__}.png")
            written[-1].parent.mkdir(exist_ok=True)
            save(figure, written[-1])
    return written


def parallel_coordinates(figure: Figure, board: "Leaderboard") -> bool:
    """Draw a line a configuration through its values and its objective, the best ones last."""
    rows = board.ranked[::-1]
    if len(rows) < 2 or not board.dimensions:
        return False
    tracks = []
    for one in board.dimensions:
        known = values_of(one, board) if one.values else []
        tracks.append(_track(one.name, one.kind, [row.varied[one.name] for row in rows], known))
    kind = "log" if may_be_logarithmic(board) else "interval"
    tracks.append(_track(board.program.metric, kind, [visible(board, row.objective) for row in rows], []))
    figure.set_figheight(min(max(4.4, 1.2 + 0.17 * max(len(track.ticks) for track in tracks)), 9))
    axes = figure.subplots()
    axes.set_axis_off()
    lines = [list(enumerate(heights)) for heights in zip(*(track.heights for track in tracks), strict=True)]
    style: Any = {
        "cmap": colour_map(board),
        "array": np.array(tracks[-1].heights),
        "lw": 1.2 if len(rows) <= 100 else 0.6,
    }
    axes.add_collection(LineCollection(lines, **style))
    box = {"fc": "white", "lw": 0, "pad": 0.5, "alpha": 0.8}
    for x, track in enumerate(tracks):
        axes.axvline(x, 0.02, 0.98, color="0.4", lw=0.8)
        words = textwrap.wrap(re.sub("([._/])", r"\1 ", track.name), int(75 / len(tracks)))  # as wide as there is room
        axes.text(x, 1.05, "\n".join(words).replace(" ", ""), ha="center", va="bottom", parse_math=False)
        for height, label in track.ticks:
            axes.text(x + 0.02, height, label, va="center", fontsize=8, bbox=box)
    axes.set(xlim=(-0.1, len(tracks) - 0.8), ylim=(-0.03, 1.03))
    return True


class Track(NamedTuple):
    """An axis from 0 to 1: its name, where configurations stand on it, and its ticks: where, and what they say."""

    name: str
    heights: list[float]
    ticks: list[tuple[float, str]]


def _track(name: str, kind: str, values: list[Any], known: list[Any]) -> Track:
    """Return the axis for values; where a list of values is known, these are its ticks."""
    step = math.ceil(len(known) / 40) or 1
    if kind == "values":
        heights = {value: (place + 0.5) / len(known) for place, value in enumerate(known)}
        ticks = [(heights[value], as_label(value)) for value in known[::step]]
        return Track(name, [heights[value] for value in values], ticks)
    low, high = min(known or values), max(known or values)
    log = kind == "log" and spans_decades(known or values)
    locator = decades(low, high) if log else MaxNLocator(6)
    marks = np.array(known[::step] or locator.tick_values(low, high)).tolist()
    shown = [mark for mark in marks if low <= mark <= high]
    labels = [f"{mark:.0e}" if log and not known else f"{mark:.8g}" for mark in shown]
    scaled: Any = np.log if log else np.asarray
    heights = (scaled([*values, *shown]) - scaled(low)) / ((scaled(high) - scaled(low)) or 1)
    ticks = list(zip(heights[len(values) :].tolist(), labels, strict=True))
    return Track(name, heights[: len(values)].tolist(), ticks)


def importance(figure: Figure, board: "Leaderboard") -> bool:
    """Draw a bar a dimension: the share of the objective's variance that it explains by itself."""
    known = shares(board)
    if not known:
        return False
    bars = dict(reversed(known.items()))
    figure.set_figheight(1.2 + 0.3 * len(bars))
    axes = figure.subplots()
    tidy(axes)
    drawn = axes.barh(range(len(bars)), list(bars.values()), color=["0.7", *[COLOURS[1]] * len(board.dimensions)])
    axes.bar_label(drawn, [f"{share:.0%}" for share in bars.values()], padding=3, fontsize=9)
    name_values(axes.yaxis, list(bars), 0.3 * len(bars))
    axes.set(xlim=(0, 1.08), xlabel=f"share of the variance of {compared(board)}")
    axes.xaxis.set_major_formatter("{x:.0%}")
    return True


def shares(board: "Leaderboard") -> dict[str, float]:
    """Return the share of the objective's variance that each dimension explains by itself, the largest first.

    What is left comes last. Empty for less than two dimensions, and where objectives don't differ or are too few.
    """
    pairs = judged(board)
    values = [[row.varied[one.name] for one in board.dimensions] for row, _ in pairs]
    scores = np.array([score for _, score in pairs])
    found = importances(board.dimensions, values, np.log10(scores) if board.logarithmic else scores)
    if len(found) < 2 or not any(found.values()):
        return {}
    ascending = sorted(found.items(), key=lambda one: one[1])
    return dict(ascending[::-1]) | {REST: max(0.0, 1 - sum(found.values()))}


def compared(board: "Leaderboard") -> str:
    """Return in words what configurations are compared by."""
    metric = board.program.metric
    if not board.logarithmic:
        return metric
    return f"log10 {metric}" if may_be_logarithmic(board) else f"log10 |{metric}|"


def judged(board: "Leaderboard") -> "list[tuple[Row, float]]":
    """Return configurations and their objectives: those of which all has finished, and those that diverged.

    What diverged counts as bad as the worst that finished: it is no better, and by how much it is worse, nobody can
    say. Left out, a value with which all jobs diverge would seem to matter the least. Of what was pruned or failed, it
    isn't known how good it would be.
    """
    scores = [(row, row.objective) for row in board.ranked if row.objective is not None]
    if not scores:
        return []
    worst = max(score for _, score in scores)
    return scores + [(row, worst) for row in board.rows if row.rank is None and outcome(row) == "diverged"]


PICTURES = (heat_map, slices, parallel_coordinates, importance, curves, history, timeline)
