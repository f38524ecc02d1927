"""The pictures of a sweep's configurations: heat map and slices.

Each draws into an empty figure, and says whether there is anything to see.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wavesweep.base.counting import counted
from wavesweep.charts.importance import ordered
from wavesweep.drawing.style import COLOURS, decades, in_short, name_values, scale, spans_decades, tidy
from wavesweep.runs.directory import RunDirectory
from wavesweep.search.space import Dimension, Value
from wavesweep.search.trials import SEED, Trial
from wavesweep.sweeps.store import SweepDirectory

if TYPE_CHECKING:
    from wavesweep.leaderboard.ranking import Leaderboard, Row

STATES = {  # those that jobs end in, the worst first: colour, and mark
    "failed": (COLOURS[0], "+"),
    "diverged": (COLOURS[3], "x"),
    "pruned": (COLOURS[4], "|"),
    "finished": (COLOURS[2], "o"),
}
RING: Any = {"marker": "o", "ms": 11, "mew": 1.6, "mfc": "none", "color": "black", "ls": "", "label": "best"}


class Findings(NamedTuple):
    """What a sweep has found.

    Attributes:
        sweep: Its directory.
        board: Its configurations.
        dimensions: What is swept, `seed` aside.
    """

    sweep: SweepDirectory
    board: "Leaderboard"
    dimensions: list[Dimension]

    @property
    def metric(self) -> str:
        """The name of the objective."""
        return self.board.metric

    @property
    def logarithmic(self) -> bool:
        """Whether objectives are compared as logarithms."""
        return self.board.logarithmic

    @property
    def trials(self) -> list[Trial]:
        """All trials that there are, by number."""
        return sorted((trial for row in self.board.rows for trial in row.trials), key=lambda trial: trial.number)

    @property
    def ranked(self) -> "list[Row]":
        """The configurations that are complete and have an objective, the best first."""
        return [row for row in self.board.rows if row.rank is not None and row.objective is not None]

    def values(self, one: Dimension) -> list[Value]:
        """Return the values that there are of a dimension, in order."""
        return ordered(one, [row.varied[one.name] for row in self.board.rows])

    def run(self, trial: Trial) -> RunDirectory:
        """Return the directory of a trial's run."""
        return RunDirectory(self.sweep.path / trial.directory)


def find(sweep: SweepDirectory, board: "Leaderboard") -> Findings:
    """Return what is to be shown of a sweep."""
    return Findings(sweep, board, [one for one in sweep.read_plan().dimensions if one.swept and one.name != SEED])


def visible(objective: float | None) -> float:
    """Return an objective as far as axes can show it; nan for none."""
    if not objective:
        return math.nan if objective is None else objective
    return math.copysign(min(max(abs(objective), 1e-100), 1e100), objective)


def heat_map(figure: Figure, found: Findings) -> bool:
    """Draw the objective of each combination of two lists; hatched what has not finished, framed the best."""
    rows = found.board.rows
    if [bool(one.values) for one in found.dimensions] != [True, True] or all(row.objective is None for row in rows):
        return False
    values = {one.name: found.values(one) for one in found.dimensions}
    down, across = values
    if len(values[across]) > max(8, len(values[down])):  # there is more room for height
        down, across = across, down
    ys, xs = values[down], values[across]
    figure.set_figheight(min(2.4 + 0.3 * len(ys), 9))
    axes, cells = figure.subplots(), np.full((len(ys), len(xs)), np.nan)
    size = 0 if len(xs) > 11 or len(ys) > 50 else 6 if len(xs) > 8 else 8
    for row in rows:
        y, x = ys.index(row.varied[down]), xs.index(row.varied[across])
        cells[y, x] = visible(row.objective)
        _draw_cell(axes, row, x, y, size, best=row is found.board.winner)
    _draw_colours(figure, axes, cells, found)
    name_values(axes.yaxis, ys, figure.get_figheight() - 1.4)
    name_values(axes.xaxis, xs, 4)
    axes.set_xlabel(across + " (hatched: not finished)" * any(row.rank is None for row in rows))
    axes.set_ylabel(down)
    return True


def _draw_cell(axes: Axes, row: "Row", x: int, y: int, size: int, *, best: bool) -> None:
    """Hatch a cell, or frame it; write what it holds, where there is room for letters of some size."""
    if row.rank is None:
        axes.bar(x, 1, 1, y - 0.5, hatch="///", fill=False, edgecolor="0.6", lw=0)
    if best:
        axes.bar(x, 1, 1, y - 0.5, fill=False, edgecolor="black", lw=2 if size else 0.8, zorder=3)
    if size:
        text = outcome(row) if row.objective is None else f"{row.objective:.2e}"
        axes.text(x, y, text, ha="center", va="center", fontsize=size, weight="bold" if best else None)


def _draw_colours(figure: Figure, axes: Axes, cells: np.ndarray, found: Findings) -> None:
    known = cells[np.isfinite(cells)].tolist()
    log = found.logarithmic and spans_decades(known)
    ticks: Any = {"ticks": decades(min(known), max(known)), "format": "{x:.0e}"} if log else {"format": "{x:.3g}"}
    image = axes.imshow(cells, norm="log" if log else "linear", aspect="auto", alpha=0.6, interpolation="nearest")
    figure.colorbar(image, ax=axes, label=found.metric + averaged(found, found.board.rows), **ticks).minorticks_off()


def averaged(found: Findings, rows: "list[Row]") -> str:
    """Return over how many seeds objectives are averaged, and how, on a line of its own; empty without any."""
    if not found.board.has_seeds:
        return ""
    counts = {row.num_finished for row in rows if row.objective is not None}
    few = "up to " * (len(counts) > 1)
    return f"\n{'geometric ' * found.logarithmic}mean of {few}{counted(max(counts), 'seed')}"


def outcome(row: "Row") -> str:
    """Return the worst state of a row's trials; one in which none ends, if there is one."""
    states = {trial.state for trial in row.trials}
    return min(states, key=[*STATES].index) if states <= STATES.keys() else min(states - STATES.keys())


def slices(figure: Figure, found: Findings) -> bool:
    """Draw a point a configuration: its value in each dimension, a panel each, and its objective."""
    if len(found.ranked) < 2 or not found.dimensions:
        return False
    columns = min(len(found.dimensions), 3)
    lines = math.ceil(len(found.dimensions) / columns)
    figure.set_figheight(1.2 + 2.8 * lines)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for axes in panels.flat:
        tidy(axes)  # all before one is logarithmic, since they share an axis
        axes.tick_params(axis="x", labelsize=8)
    for axes, one in zip(panels.flat, found.dimensions, strict=False):
        _draw_slice(axes, one, found, 6 / columns)
    for axes in panels.flat[len(found.dimensions) :]:
        axes.set_visible(False)
    figure.supylabel(found.metric + averaged(found, found.ranked), fontsize=10, parse_math=False)
    return True


def _draw_slice(axes: Axes, one: Dimension, found: Findings, inches: float) -> None:
    values = found.values(one)
    places: Any = dict(zip(values, range(len(values)) if one.kind == "values" else values, strict=True))
    style: Any = {"marker": "o", "ls": "", "mew": 0, "ms": 4.5 if len(found.ranked) < 200 else 3, "alpha": 0.8}
    axes.margins(y=0.12)
    for label, colour, rows in _coloured(found):
        xs, ys = [places[row.varied[one.name]] for row in rows], [visible(row.objective) for row in rows]
        axes.plot(xs, ys, color=colour, label=label, **style)
    if found.logarithmic:
        scale(axes)
    if best := found.board.winner:
        axes.plot(places[best.varied[one.name]], visible(best.objective), **RING)
    others = [(places[row.varied[one.name]], outcome(row)) for row in found.board.rows if row.rank is None]
    mark_others(axes, others)
    if one.kind == "values":
        name_values(axes.xaxis, values, inches - 0.6)
        axes.set_xlim(-0.5, len(values) - 0.5)
    elif one.kind == "log":
        scale(axes, "x")
    else:
        axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(one.name)


def _coloured(found: Findings) -> "list[tuple[str, str, list[Row]]]":
    """Return ranked rows by their value in a list, of texts if there is one: a label, a colour and rows each."""
    lists = [one for one in found.dimensions if one.interval is None and len(found.values(one)) <= len(COLOURS)]
    if len(found.dimensions) < 2 or not lists:
        return [("_", COLOURS[1], found.ranked)]
    one = min(lists, key=lambda one: not isinstance(found.values(one)[0], str))
    key, groups = one.name.rpartition(".")[2], {value: (n, []) for n, value in enumerate(found.values(one))}
    for row in found.ranked:
        groups[row.varied[one.name]][1].append(row)
    return [(f"{key}={in_short(value, 16)}", COLOURS[n], rows) for value, (n, rows) in groups.items() if rows]


def mark_others(axes: Axes, others: list[tuple[float, str]]) -> None:
    """Mark along the upper edge what ended without a result, by the state it ended in."""
    for state, (colour, mark) in STATES.items():
        if xs := [x for x, ended in others if ended == state]:
            style: Any = {"ls": "", "marker": mark, "ms": 6, "color": colour, "label": state}
            axes.plot(xs, [0.97] * len(xs), transform=axes.get_xaxis_transform(), **style)
