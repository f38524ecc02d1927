"""The pictures of a sweep's configurations: heat map and slices.

Each draws into an empty figure, and says whether there is anything to see.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.charts.importance import ordered
from hydra_queue_sweeper.charts.style import COLOURS, as_label, decades, name_values, scale, spans_decades, tidy
from hydra_queue_sweeper.search.space import Dimension, Value

if TYPE_CHECKING:
    from hydra_queue_sweeper.leaderboard.ranking import Leaderboard, Row

STATES = {  # those that jobs end in, the worst first: colour, and mark
    "failed": (COLOURS[0], "+"),
    "diverged": (COLOURS[3], "x"),
    "pruned": (COLOURS[4], "|"),
    "finished": (COLOURS[2], "o"),
}
RING: Any = {"marker": "o", "ms": 11, "mew": 1.6, "mfc": "none", "color": "black", "ls": "", "label": "best"}


def values_of(one: Dimension, board: "Leaderboard") -> list[Value]:
    """Return the values that there are of a dimension, in order."""
    return ordered(one, [row.varied[one.name] for row in board.rows])


def visible(board: "Leaderboard", objective: float | None) -> float:
    """Return an objective as jobs return it, as far as axes can show it; nan for none."""
    if objective is None:
        return math.nan
    if objective == 0:
        return 0.0
    return math.copysign(min(max(abs(objective), 1e-100), 1e100), board.plan.as_returned(objective))


def may_be_logarithmic(board: "Leaderboard") -> bool:
    """Say whether an axis of objectives may be logarithmic: they are compared by ratios, and positive as returned."""
    return board.logarithmic and board.plan.direction == "minimize"


def colour_map(board: "Leaderboard") -> str:
    """Return the colours of objectives: the better, the darker."""
    return "viridis" if board.plan.direction == "minimize" else "viridis_r"


def heat_map(figure: Figure, board: "Leaderboard") -> bool:
    """Draw the objective of each combination of two lists; hatched what has not finished, framed the best."""
    rows = board.rows
    if [bool(one.values) for one in board.dimensions] != [True, True] or all(row.objective is None for row in rows):
        return False
    down, across = board.dimensions
    ys, xs = values_of(down, board), values_of(across, board)
    if len(xs) > max(8, len(ys)):  # there is more room for height
        down, across = across, down
        ys, xs = xs, ys
    figure.set_figheight(min(2.4 + 0.3 * len(ys), 9))
    axes = figure.subplots()
    cells = np.full((len(ys), len(xs)), np.nan)
    size = _font_size(len(xs), len(ys))
    for row in rows:
        y, x = ys.index(row.varied[down.name]), xs.index(row.varied[across.name])
        cells[y, x] = visible(board, row.objective)
        _draw_cell(axes, row, x, y, best=row is board.winner, readable=size > 0)
        if size:
            weight = "bold" if row is board.winner else None
            axes.text(x, y, _written(board, row), ha="center", va="center", fontsize=size, weight=weight)
    _draw_colours(figure, axes, cells, board)
    name_values(axes.yaxis, ys, figure.get_figheight() - 1.4)
    name_values(axes.xaxis, xs, 4)
    hatched = any(row.rank is None for row in rows)
    axes.set_xlabel(f"{across.name} (hatched: not finished)" if hatched else across.name)
    axes.set_ylabel(down.name)
    return True


def _font_size(columns: int, rows: int) -> int:
    """Return the size of the numbers in a heat map's cells, in points; 0: too many cells for numbers to be read."""
    if columns > 11 or rows > 50:
        return 0
    return 6 if columns > 8 else 8


def _draw_cell(axes: Axes, row: "Row", x: int, y: int, *, best: bool, readable: bool) -> None:
    """Hatch a cell, or frame it: broadly where it is large enough to be read."""
    if row.rank is None:
        axes.bar(x, 1, 1, y - 0.5, hatch="///", fill=False, edgecolor="0.6", lw=0)
    if best:
        axes.bar(x, 1, 1, y - 0.5, fill=False, edgecolor="black", lw=2 if readable else 0.8, zorder=3)


def _written(board: "Leaderboard", row: "Row") -> str:
    """Return what stands in a cell of the heat map."""
    if row.objective is None:
        return outcome(row)
    objective = board.plan.as_returned(row.objective)
    return f"{objective:.2e}" if may_be_logarithmic(board) else f"{objective:.3g}"


def _draw_colours(figure: Figure, axes: Axes, cells: np.ndarray, board: "Leaderboard") -> None:
    """Colour cells by what they hold, with a bar that tells the colours."""
    known = cells[np.isfinite(cells)].tolist()
    log = may_be_logarithmic(board) and spans_decades(known)
    ticks: Any = {"ticks": decades(min(known), max(known)), "format": "{x:.0e}"} if log else {"format": "{x:.3g}"}
    style: Any = {"cmap": colour_map(board), "norm": "log" if log else "linear", "alpha": 0.6}
    image = axes.imshow(cells, aspect="auto", interpolation="nearest", **style)
    figure.colorbar(image, ax=axes, label=board.program.metric + averaged(board, board.rows), **ticks).minorticks_off()


def averaged(board: "Leaderboard", rows: "list[Row]") -> str:
    """Return over how many seeds objectives are averaged, and how, on a line of its own; empty without any."""
    if not board.has_seeds:
        return ""
    counts = {len(row.finished) for row in rows if row.finished}
    few = "up to " if len(counts) > 1 else ""
    return f"\n{board.kind_of_mean} of {few}{counted(max(counts), 'seed')}"


def outcome(row: "Row") -> str:
    """Return the worst state of a row's trials; one in which none ends, if there is one."""
    states = {trial.state for trial in row.trials}
    return min(states, key=[*STATES].index) if states <= STATES.keys() else min(states - STATES.keys())


def slices(figure: Figure, board: "Leaderboard") -> bool:
    """Draw a point a configuration: its value in each dimension, a panel each, and its objective."""
    ranked = board.ranked
    if len(ranked) < 2 or not board.dimensions:
        return False
    columns = min(len(board.dimensions), 3)
    lines = math.ceil(len(board.dimensions) / columns)
    figure.set_figheight(1.2 + 2.8 * lines)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for axes in panels.flat:
        tidy(axes)  # all before one is logarithmic, since they share an axis
        axes.tick_params(axis="x", labelsize=8)
    for axes, one in zip(panels.flat, board.dimensions, strict=False):
        _draw_slice(axes, one, board, 6 / columns)
    for axes in panels.flat[len(board.dimensions) :]:
        axes.set_visible(False)
    figure.supylabel(board.program.metric + averaged(board, ranked), fontsize=10, parse_math=False)
    return True


def _draw_slice(axes: Axes, one: Dimension, board: "Leaderboard", inches: float) -> None:
    """Draw objectives over the values of a dimension, in a panel so many inches wide."""
    values = values_of(one, board)
    places: Any = dict(zip(values, range(len(values)) if one.kind == "values" else values, strict=True))
    style: Any = {"marker": "o", "ls": "", "mew": 0, "ms": 4.5 if len(board.ranked) < 200 else 3, "alpha": 0.8}
    axes.margins(y=0.12)
    for label, colour, rows in _coloured(board):
        xs, ys = [places[row.varied[one.name]] for row in rows], [visible(board, row.objective) for row in rows]
        axes.plot(xs, ys, color=colour, label=label, **style)
    if may_be_logarithmic(board):
        scale(axes)
    if best := board.winner:
        axes.plot(places[best.varied[one.name]], visible(board, best.objective), **RING)
    mark_others(axes, board, [(places[row.varied[one.name]], outcome(row)) for row in board.rows if row.rank is None])
    if one.kind == "values":
        name_values(axes.xaxis, values, inches - 0.6)
        axes.set_xlim(-0.5, len(values) - 0.5)
    elif one.kind == "log":
        scale(axes, "x")
    else:
        axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(one.name)


def _coloured(board: "Leaderboard") -> "list[tuple[str, str, list[Row]]]":
    """Return ranked rows by their value in a list, of texts if there is one: a label, a colour and rows each."""
    ranked = board.ranked
    lists = [one for one in board.dimensions if one.interval is None and len(values_of(one, board)) <= len(COLOURS)]
    if len(board.dimensions) < 2 or not lists:
        return [("_", COLOURS[1], ranked)]
    one = min(lists, key=lambda one: not isinstance(values_of(one, board)[0], str))
    key = one.name.rpartition(".")[2]
    groups = []
    for value, colour in zip(values_of(one, board), COLOURS, strict=False):
        if rows := [row for row in ranked if row.varied[one.name] == value]:
            groups.append((f"{key}={as_label(value, 16)}", colour, rows))
    return groups


def mark_others(axes: Axes, board: "Leaderboard", others: list[tuple[float, str]]) -> None:
    """Mark along the edge that is worse what ended without a result, by the state it ended in."""
    edge = 0.97 if board.plan.direction == "minimize" else 0.03
    for state, (colour, mark) in STATES.items():
        if xs := [x for x, ended in others if ended == state]:
            style: Any = {"ls": "", "marker": mark, "ms": 6, "color": colour, "label": state}
            axes.plot(xs, [edge] * len(xs), transform=axes.get_xaxis_transform(), **style)
