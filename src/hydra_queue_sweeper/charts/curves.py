"""The pictures of a sweep's jobs over time: curves, history, timeline.

Each draws into an empty figure, and says whether there is anything to see.
"""

import heapq
import math
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydra_queue_sweeper.charts.configurations import STATES, mark_others, may_be_logarithmic, visible
from hydra_queue_sweeper.charts.style import COLOURS, scale, tidy
from hydra_queue_sweeper.search.trials import Trial

if TYPE_CHECKING:
    from hydra_queue_sweeper.leaderboard.ranking import Leaderboard

MOST_CURVES = 200
TAME = ("finished", "pruned", "best")
OUT_OF_SIGHT = 100  # times the largest objective of what did not diverge
UNITS = ((2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))  # from how many seconds on

Points = list[tuple[float, float]]


class Span(NamedTuple):
    """When a job was last taken up and ended, in seconds since 1970, and the state it ended in."""

    began: float
    ended: float
    state: str


def history(figure: Figure, board: "Leaderboard") -> bool:
    """Draw the objective of each job, and the best so far, by their numbers."""
    pairs = [(trial.number, trial.objective) for trial in board.trials if trial.objective is not None]
    if len(pairs) < 2:
        return False
    numbers, objectives = zip(*pairs, strict=True)
    scores = [visible(board, objective) for objective in objectives]
    best = [visible(board, objective) for objective in accumulate(objectives, min)]
    axes = figure.subplots()
    tidy(axes)
    axes.margins(y=0.12)
    axes.plot(numbers, scores, "o", ms=4.5, mew=0, color=COLOURS[1], label="finished")
    axes.step(numbers, best, where="post", color="black", lw=1.2, label="best so far")
    if may_be_logarithmic(board):
        scale(axes)
    mark_others(axes, board, [(trial.number, trial.state) for trial in board.trials if trial.objective is None])
    axes.locator_params(axis="x", integer=True)
    axes.set(xlabel="job", ylabel=board.program.metric)
    return True


def curves(figure: Figure, board: "Leaderboard") -> bool:
    """Draw the objective by step of all jobs, of many: of some; and of the best configuration's."""
    best = board.winner.trials if board.winner else []
    others = [trial for trial in board.trials if trial.ended and trial not in best]
    chosen = np.random.default_rng(0).permutation(len(others))[:MOST_CURVES]  # each fifth of a grid may have one value
    some = [others[index] for index in chosen]
    drawn = {state: [_curve(board, one) for one in some if one.state == state] for state in reversed(STATES)}
    drawn["best"] = [_curve(board, trial) for trial in best]
    axes = figure.subplots()
    tidy(axes)
    for state, points in drawn.items():
        colour = STATES[state][0] if state in STATES else "black"
        style: Any = {"lw": 0.8, "alpha": 0.6} if state in STATES else {"lw": 1.6}
        with_gaps = [pair for one in points for pair in (*one, (math.nan, math.nan))]  # a single line is drawn quickly
        if any(points):
            axes.plot(*np.transpose(with_gaps), color=colour, label=state, **style)
        ends = [one[-1] for one in points if len(one) == 1 or (one and state not in ("finished", "best"))]
        axes.plot(*np.reshape(ends, (-1, 2)).T, ".", ms=5, color=colour)
    heights = {state: [y for one in points for _, y in one] for state, points in drawn.items()}
    tame, wild = [y for state in TAME for y in heights[state]], heights["diverged"] + heights["failed"]
    if may_be_logarithmic(board):
        scale(axes)
        _cut_top(axes, [y for y in tame if y > 0], wild)
    else:
        _cut_ends(axes, tame, wild)
    axes.locator_params(axis="x", integer=True)
    few = f" ({len(some) + len(best)} of {len(others) + len(best)} jobs)" if len(some) < len(others) else ""
    directories = [board.sweep.path / trial.directory for trial in [*best, *some] if trial.directory]
    names = dict.fromkeys(board.program.reported(directory) or board.program.metric for directory in directories)
    axes.set(xlabel=f"{board.program.step}{few}", ylabel=" or ".join(names))
    return any(points for one in drawn.values() for points in one)


def _cut_top(axes: Axes, tame: list[float], wild: list[float]) -> None:
    """Cut off the top of a logarithmic axis, where what diverged or failed leaves the others flat at the bottom."""
    if tame and wild and max(wild) > (top := OUT_OF_SIGHT * max(tame)):
        axes.set_ylim(min(tame) * (min(tame) / top) ** 0.05, top)


def _cut_ends(axes: Axes, tame: list[float], wild: list[float]) -> None:
    """Cut off the ends of a linear axis, where what diverged or failed leaves the others less than a third of it."""
    if not tame or not wild:
        return
    room = max(tame) - min(tame) or abs(tame[0]) or 1.0
    least, most = min(tame + wild), max(tame + wild)
    low, high = max(least, min(tame) - room), min(most, max(tame) + room)
    if (low, high) != (least, most):
        margin = axes.get_ymargin() * (high - low)
        axes.set_ylim(low - margin, high + margin)


def _curve(board: "Leaderboard", trial: Trial) -> Points:
    """Return steps and objectives, as far as these are finite; nothing of a job whose reports are damaged or gone."""
    with suppress(OSError, ValueError):
        reports = board.program.read_reports(board.sweep.path / trial.directory)
        return [(step, visible(board, score)) for step, score in reports.items() if math.isfinite(score)]
    return []


def timeline(figure: Figure, board: "Leaderboard") -> bool:
    """Draw a bar a job, from when it was last taken up to its end, on as many lanes as ran at once."""
    spans = sorted(
        Span(trial.began, trial.stopped, trial.state)
        for trial in board.trials
        if trial.ended and trial.stopped >= trial.began > 0
    )
    if not spans:
        return False
    first = spans[0].began
    length = max(span.ended for span in spans) - first
    unit, name = next((unit, name) for least, unit, name in UNITS if length >= least)
    lanes = _lanes(spans)
    figure.set_figheight(1.2 + 0.3 * min(max(lanes) + 2, 26))
    axes = figure.subplots()
    tidy(axes)
    for state in reversed(STATES):
        some = [(span, lane) for span, lane in zip(spans, lanes, strict=True) if span.state == state]
        begins = [(span.began - first) / unit for span, _ in some]
        widths = [(span.ended - span.began) / unit for span, _ in some]
        style: Any = {"color": STATES[state][0], "ec": "white", "lw": 0.5, "label": state}
        if some:
            axes.barh([lane for _, lane in some], widths, left=begins, **style)
    axes.set(xlim=(0, 1.01 * length / unit or 1), ylim=(max(lanes) + 0.6, -0.6))
    axes.set_yticks([])
    axes.set(xlabel=f"{name} since the first job began", ylabel="workers")
    return True


def _lanes(spans: list[Span]) -> list[int]:
    """Return a lane for each span that is free when it begins: the one that has been for longest."""
    free: list[tuple[float, int]] = []
    lanes: list[int] = []
    for span in spans:
        lane = heapq.heappop(free)[1] if free and free[0][0] <= span.began else len(free)
        heapq.heappush(free, (span.ended, lane))
        lanes.append(lane)
    return lanes
