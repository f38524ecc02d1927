"""The pictures of a sweep: which there are, and what stands above them."""

import math
import re
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wavesweep.charts.configurations import Findings, find, heat_map, outcome, slices, visible
from wavesweep.charts.curves import curves, history, timeline
from wavesweep.charts.importance import importances
from wavesweep.drawing.style import COLOURS, both_ends, decades, head, in_short, name_values, save, spans_decades, tidy
from wavesweep.sweeps.store import SweepDirectory

if TYPE_CHECKING:
    from wavesweep.leaderboard.ranking import Leaderboard, Row

WIDTH, LEFT = 6.8, 0.1  # inches across, of 100 pixels: as many as MLflow's description has on a small screen


def draw(sweep: SweepDirectory, board: "Leaderboard") -> None:
    """Draw all that a sweep gives enough for, anew where there is a picture already."""
    found = find(sweep, board)
    sweep.plots.mkdir(exist_ok=True)
    for name, picture in PICTURES.items():
        figure = Figure(figsize=(WIDTH, 3.8), dpi=100, layout="constrained")
        if picture(figure, found):
            title = f"{found.metric} · sweep {both_ends(sweep.id, 44)}"
            top = 1 - head(figure, title, LEFT) / figure.get_figheight()
            figure.set_layout_engine("constrained", rect=(0, 0, 1, top), w_pad=0.08, h_pad=0.06)
            save(figure, sweep.plots / f"{name}.png")


def parallel_coordinates(figure: Figure, found: Findings) -> bool:
    """Draw a line a configuration through its values and its objective, the best ones last."""
    rows = found.ranked[::-1]
    if len(rows) < 2 or not found.dimensions:
        return False
    tracks = [
        _track(one.kind, [row.varied[one.name] for row in rows], found.values(one) if one.values else [])
        for one in found.dimensions
    ]
    tracks.append(_track("log" if found.logarithmic else "interval", [visible(row.objective) for row in rows], []))
    figure.set_figheight(min(max(4.4, 1.2 + 0.17 * max(len(ticks) for _, ticks in tracks)), 9))
    axes = figure.subplots()
    axes.set_axis_off()
    lines = [list(enumerate(heights)) for heights in zip(*(heights for heights, _ in tracks), strict=True)]
    style: Any = {"cmap": "viridis", "array": np.array(tracks[-1][0]), "lw": 1.2 if len(rows) <= 100 else 0.6}
    axes.add_collection(LineCollection(lines, **style))
    for x, (_, ticks) in enumerate(tracks):
        name = found.metric if x == len(found.dimensions) else found.dimensions[x].name
        axes.axvline(x, 0.02, 0.98, color="0.4", lw=0.8)
        words = textwrap.wrap(re.sub("([._/])", r"\1 ", name), int(75 / len(tracks)))  # as wide as an axis has room
        label = "\n".join(words).replace(" ", "")
        axes.text(x, 1.05, label, ha="center", va="bottom", parse_math=False)
        for height, label in ticks:
            box = {"fc": "white", "lw": 0, "pad": 0.5, "alpha": 0.8}
            axes.text(x + 0.02, height, label, va="center", fontsize=8, bbox=box)
    axes.set(xlim=(-0.1, len(tracks) - 0.8), ylim=(-0.03, 1.03))
    return True


def _track(kind: str, values: list[Any], known: list[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where values stand along an axis from 0 to 1, and its ticks: where, and what they say.

    A list's ticks are its values.
    """
    step = math.ceil(len(known) / 40) or 1
    if kind == "values":
        heights = {value: (place + 0.5) / len(known) for place, value in enumerate(known)}
        return [heights[value] for value in values], [(heights[one], in_short(one)) for one in known[::step]]
    low, high, log = min(known or values), max(known or values), kind == "log" and spans_decades(known or values)
    scaled: Any = np.log if log else np.asarray
    marks = np.array(known[::step] or (decades(low, high) if log else MaxNLocator(6)).tick_values(low, high)).tolist()
    shown = [mark for mark in marks if low <= mark <= high]
    heights = (scaled([*values, *shown]) - scaled(low)) / ((scaled(high) - scaled(low)) or 1)
    labels = [f"{mark:.0e}" if log and not known else f"{mark:.8g}" for mark in shown]
    return heights[: len(values)].tolist(), list(zip(heights[len(values) :].tolist(), labels, strict=True))


def importance(figure: Figure, found: Findings) -> bool:
    """Draw a bar a dimension: the share of the objective's variance that it explains by itself."""
    pairs = judged(found)
    values = [[row.varied[one.name] for one in found.dimensions] for row, _ in pairs]
    scores = np.array([score for _, score in pairs])
    shares = importances(found.dimensions, values, np.log10(scores) if found.logarithmic else scores)
    if len(shares) < 2 or not any(shares.values()):
        return False
    bars = {"interactions and chance": max(0.0, 1 - sum(shares.values()))}
    bars |= dict(sorted(shares.items(), key=lambda one: one[1]))
    figure.set_figheight(1.2 + 0.3 * len(bars))
    axes = figure.subplots()
    tidy(axes)
    drawn = axes.barh(range(len(bars)), list(bars.values()), color=["0.7", *[COLOURS[1]] * len(shares)])
    axes.bar_label(drawn, [f"{share:.0%}" for share in bars.values()], padding=3, fontsize=9)
    name_values(axes.yaxis, list(bars), 0.3 * len(bars))
    axes.set(xlim=(0, 1.08), xlabel=f"share of the variance of {'log10 ' * found.logarithmic}{found.metric}")
    axes.xaxis.set_major_formatter("{x:.0%}")
    return True


def judged(found: Findings) -> "list[tuple[Row, float]]":
    """Return configurations and their objectives: those of which all has finished, and those that diverged.

    What diverged counts as bad as the worst that finished: it is no better, and by how much it is worse, nobody can
    say. Left out, a value with which all jobs diverge would seem to matter the least. Of what was pruned or failed, it
    isn't known how good it would be.
    """
    scores = [(row, row.objective) for row in found.ranked if row.objective is not None]
    diverged = [row for row in found.board.rows if row.rank is None and outcome(row) == "diverged"]
    return scores + [(row, max(score for _, score in scores)) for row in diverged if scores]


PICTURES: dict[str, Callable[[Figure, Findings], bool]] = {
    picture.__name__: picture
    for picture in (heat_map, slices, parallel_coordinates, importance, curves, history, timeline)
}
