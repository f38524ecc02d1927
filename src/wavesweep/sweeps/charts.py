"""The pictures of a sweep: heat map, history, parallel coordinates, importances.

Drawn here, since Optuna's own go through pyplot, and order what is not a number by when it was first tried.
"""

import io
import logging
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from wavesweep.rundir import write_atomically
from wavesweep.sweeps.leaderboard import Leaderboard, Row
from wavesweep.sweeps.space import Dimension, Interval
from wavesweep.sweeps.store import SweepDirectory, Trial

BEST, JOB, GREY = "#c0392b", "#2471a3", "#9a9a9a"
COLOURS = colormaps["viridis"]
BEHIND = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.6}
MARKS = {"pruned": ("|", GREY), "diverged": ("^", "#d68910"), "failed": ("x", "black")}
MOST_CELLS = 200  # with their numbers; of more, none can be read
MOST_LABELS = 20
DEPTH = 7  # of a tree: whole ones take half a minute where there are 1,000 jobs, and say nearly the same


@dataclass(frozen=True)
class Scale:
    """Places the values of a dimension between 0 and 1.

    Attributes:
        name: Of the dimension.
        values: All that it can be, as written in overrides; none where it is an interval.
        interval: Instead of values.
    """

    name: str
    values: tuple[str, ...]
    interval: Interval | None

    def place(self, value: str | float) -> float:
        """Return where a value stands."""
        one = self.interval
        if one is None:
            return (self.values.index(str(value)) + 0.5) / len(self.values)
        low, high, at = (math.log(x) if one.log else x for x in (one.low, one.high, float(value)))
        return (at - low) / (high - low) if low < high else 0.5

    def ticks(self) -> dict[float, str]:
        """Return labels by their places."""
        one = self.interval
        if one is None:
            shown = self.values[:: math.ceil(len(self.values) / MOST_LABELS)]
            return {self.place(value): _label(value) for value in shown}
        powers = range(math.ceil(math.log10(one.low)), math.floor(math.log10(one.high)) + 1) if one.log else range(0)
        shown = [10.0**power for power in powers[:: math.ceil(len(powers) / 6) or 1]]
        if len(shown) < 2:
            shown = [float(tick) for tick in MaxNLocator(5, integer=one.integer).tick_values(one.low, one.high)]
        inside = [value for value in shown if one.low <= value <= one.high] or [one.low]
        return {self.place(value): f"{value:.3g}" for value in inside}

    def labels(self) -> list[str]:
        """Return the labels alone."""
        return list(self.ticks().values())

    def title(self) -> str:
        """Return the name as it stands in a picture."""
        return _label(self.name) + (" (log)" if self.interval and self.interval.log else "")


def draw(sweep: SweepDirectory, board: Leaderboard) -> None:
    """Draw all that a sweep gives enough for, anew where there is a picture already."""
    swept = [one for one in sweep.read_plan().dimensions if one.swept]
    jobs = sorted((job for row in board.rows for job in row.jobs), key=lambda job: job.number)
    finished = {job.number: job.objective for job in jobs if job.state == "finished" and job.objective is not None}
    sweep.plots.mkdir(exist_ok=True)
    shown = [_scale(one) for one in swept if one.name != "seed"]
    if finished and len(shown) == 2 and not any(scale.interval for scale in shown):
        heat_map(sweep.plots / "heat_map.png", board.rows, *shown)
    if len(finished) < 2:
        return
    last = _objective_scale(list(finished.values()))
    heights = [last.place(objective) for objective in finished.values()]
    history(sweep.plots / "history.png", jobs, last, dict(zip(finished, heights, strict=True)))
    texts = [_texts(job) for job in jobs if job.number in finished]
    varying = [_scale(one) for one in swept if len({text[one.name] for text in texts}) > 1]
    places = np.array([*([scale.place(text[scale.name]) for text in texts] for scale in varying), heights]).T
    scales = [*varying, last]
    if varying:
        parallel_coordinates(sweep.plots / "parallel_coordinates.png", scales, places)
    if len(varying) > 1:
        importance(sweep.plots / "importance.png", scales, places)


def heat_map(path: Path, rows: list[Row], down: Scale, across: Scale) -> None:
    """Draw the objective of each combination of two dimensions, mean over seeds; hatched what has not finished."""
    figure, axes = _figure(1.4 + 0.5 * min(len(down.values), MOST_LABELS), down.labels())
    scale = _objective_scale([row.objective for row in rows if row.objective is not None])
    cells = np.full((len(down.values), len(across.values)), np.nan)
    for row in rows:
        y, x = (one.values.index(_texts(row.jobs[0])[one.name]) for one in (down, across))
        cells[y, x] = math.nan if row.objective is None else scale.place(row.objective)
        _draw_cell(axes, x, y, row, dark=cells[y, x] < 0.6, small=cells.size <= MOST_CELLS)
    image = axes.imshow(cells, cmap=COLOURS, norm=Normalize(0, 1), aspect="auto")
    bar = figure.colorbar(image, ax=axes, pad=0.02, label=scale.title())
    bar.set_ticks(list(scale.ticks()), labels=scale.labels())
    for axis, one in ((axes.yaxis, down), (axes.xaxis, across)):
        axis.set_ticks([place * len(one.values) - 0.5 for place in one.ticks()], one.labels(), fontsize=8.5)
    axes.tick_params(length=0)
    axes.set_xlabel(_label(across.name))
    mean = ", mean over seeds" if any(len(row.counted) > 1 for row in rows) else ""
    title = f"objective by {_label(down.name)} and {_label(across.name)}{mean}; hatched: not finished"
    axes.set_title(title, loc="left", fontsize=10)
    _save(figure, path)


def _draw_cell(axes: Axes, x: int, y: int, row: Row, dark: bool, small: bool) -> None:
    """Write a cell's objective, or else its state, and hatch it unless all of its jobs have finished."""
    if not row.complete:
        colour = "white" if row.objective is None else "none"
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, hatch="///", facecolor=colour, edgecolor=GREY, lw=0))
    if small:
        text = row.state if row.objective is None else f"{row.objective:.2e}"
        weight, colour = "bold" if row.rank == 1 else "normal", "white" if dark else "black"
        axes.text(x, y, text, ha="center", va="center", fontsize=8, weight=weight, color=colour)


def history(path: Path, jobs: list[Trial], scale: Scale, heights: dict[int, float]) -> None:
    """Draw objectives by trial number, the best so far, and along the upper edge what ended otherwise.

    Args:
        path: Where the picture goes.
        jobs: All of them.
        scale: The objective's.
        heights: Places on it, by the numbers of jobs that have finished.
    """
    figure, axes = _figure(3.4)
    best = np.minimum.accumulate(list(heights.values()))
    axes.plot(list(heights), list(heights.values()), "o", ms=4, color=JOB, alpha=0.7, label="finished")
    axes.step(list(heights), best, where="post", color=BEST, lw=1.6, label="best so far")
    for state, (mark, colour) in MARKS.items():
        if others := [job.number for job in jobs if job.state == state]:
            axes.plot(others, [1.1] * len(others), mark, ms=6, color=colour, label=state)
    axes.set_yticks(list(scale.ticks()), scale.labels())
    axes.set_ylim(-0.06, 1.15)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("trial")
    axes.set_ylabel(scale.title())
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=5, frameon=False, fontsize=8.5)
    axes.set_title("history", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def parallel_coordinates(path: Path, scales: list[Scale], places: np.ndarray) -> None:
    """Draw a line a job through its values to its objective, the darker the better, the best one in red.

    Args:
        path: Where the picture goes.
        scales: The dimensions, and last the objective.
        places: On each scale, (job, scale).
    """
    figure, axes = _figure(4.4, width=max(10, 1.4 * len(scales)))
    axes.set_axis_off()
    places = places[::-1][np.argsort(-places[::-1, -1], kind="stable")]  # the best last, the first of equals
    spread = [0 if scale.interval else 0.15 / len(scale.values) for scale in scales]  # else lines hide each other
    lines = places + np.outer(places[:, -1] - 0.5, spread)
    points = np.stack([np.broadcast_to(np.arange(len(scales)), lines.shape), lines], axis=-1)  # (job, scale, 2)
    alpha = max(0.25, min(0.9, 40 / len(points)))
    axes.add_collection(LineCollection(list(points), colors=COLOURS(places[:, -1] * 0.9), lw=1.1, alpha=alpha))
    axes.plot(*points[-1].T, color=BEST, lw=2)
    for x, scale in enumerate(scales):
        axes.plot([x, x], [-0.04, 1.04], color="black", lw=0.9)
        raised = 0.05 * (x % 2) if len(scales) > 6 else 0
        axes.text(x, 1.07 + raised, scale.title(), ha="right", fontsize=9)
        for place, label in scale.ticks().items():
            axes.text(x - 0.02, place, label, ha="right", va="center", fontsize=8, bbox=BEHIND)
    _save(figure, path)


def importance(path: Path, scales: list[Scale], places: np.ndarray) -> None:
    """Draw how much of the objective's variance each dimension explains, the others averaged over.

    The arguments are those of `parallel_coordinates`. Draws nothing where the objective does not vary.

    Source:
        Functional analysis of variance of a random forest: Hutter, Hoos & Leyton-Brown (2014).
    """
    shares = _importances(scales[:-1], places)
    if not shares:
        return
    names = [_label(name) for name in shares]
    figure, axes = _figure(1 + 0.35 * len(shares), names)
    bars = axes.barh(names, list(shares.values()), color=JOB, height=0.6)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=4, fontsize=9)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    title = f"relative importance for {scales[-1].title()}, by fANOVA, {len(places)} jobs"
    axes.set_title(title, loc="left", fontsize=10)
    _save(figure, path)


def _importances(scales: list[Scale], places: np.ndarray) -> dict[str, float]:
    """Return each dimension's share, the greatest first; none where there is no variance to explain.

    All are given to Optuna as places on their scales: of n categories, it would try 2 ** n combinations.
    """
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution

    logging.getLogger("optuna").setLevel(logging.WARNING)
    spaces: dict[str, BaseDistribution] = {scale.name: FloatDistribution(0, 1) for scale in scales}
    study = optuna.create_study()
    for *place, value in places.tolist():
        params = dict(zip(spaces, place, strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=value))
    evaluator = optuna.importance.FanovaImportanceEvaluator(max_depth=DEPTH, seed=0)
    try:
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
    except RuntimeError:  # no variance in any tree
        return {}


def _scale(dimension: Dimension) -> Scale:
    """Return a dimension's scale; values that are numbers in ascending order, others as they were given."""
    try:
        return Scale(dimension.name, tuple(sorted(dimension.values, key=float)), dimension.interval)
    except ValueError:
        return Scale(dimension.name, dimension.values, dimension.interval)


def _objective_scale(objectives: list[float]) -> Scale:
    low, high = min(objectives), max(objectives)
    return Scale("objective", (), Interval(low, high, integer=False, log=low > 0))


def _texts(job: Trial) -> dict[str, str]:
    pairs = (override.partition("=") for override in job.overrides)
    return {key.lstrip("+~"): text for key, _, text in pairs}


def _label(text: str) -> str:
    """Shorten a text, and keep matplotlib from taking it for a formula."""
    return (text if len(text) <= 24 else f"…{text[-23:]}").replace("$", r"\$")


def _figure(height: float, labels: list[str] | None = None, width: float = 10) -> tuple[Figure, Axes]:
    """Return a figure of one panel, of a height and width in inches; fixed margins, with room for labels on the left.

    Finding margins automatically takes longer than drawing the picture.
    """
    total = height + 1
    figure = Figure(figsize=(width, total), dpi=100)
    axes = figure.subplots()
    left = 0.02 + 0.009 * max(map(len, labels or ["1e+00 tick"]))
    figure.subplots_adjust(left=left, right=0.975, bottom=0.6 / total, top=1 - 0.4 / total)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script that the font lacks
        figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())
