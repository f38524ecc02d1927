"""The pictures of a sweep: heat map, parallel coordinates, history, importances; all but the first are Optuna's.

Optuna draws with pyplot, whose settings and figures are global: here, they are left as they were, but for the
backend, which stays Agg.
"""

import textwrap
import warnings
from typing import Any

import numpy as np
import optuna
from matplotlib import pyplot
from matplotlib.axes import Axes
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.visualization import matplotlib as optunas

from wavesweep.leaderboard.ranking import Leaderboard
from wavesweep.search.space import Dimension, Interval, Value, varied
from wavesweep.sweeps.store import SweepDirectory

SIZE = 6.8  # inches across, of 100 pixels: as many as MLflow's description has on a small screen
SETTINGS: Any = {"figure.figsize": (SIZE, 4), "figure.autolayout": True, "axes.titlelocation": "left"}


def draw(sweep: SweepDirectory, board: Leaderboard) -> None:
    """Draw all that a sweep gives enough for, anew where there is a picture already."""
    swept = [one for one in sweep.read_plan().dimensions if one.swept]
    shown = [one for one in swept if one.name != "seed"]
    sweep.plots.mkdir(exist_ok=True)
    with pyplot.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's of what is experimental, a font's of a script that it lacks
        pyplot.switch_backend("Agg")
        if len(shown) == 2 and all(one.values for one in shown) and any(row.num_finished for row in board.rows):
            _save(heat_map(board, *(one.name for one in shown)), sweep, "heat_map")
        study, name = _study(board, swept)
        scores = [trial.value for trial in study.trials if trial.value is not None]
        if len(scores) > 1:
            _save(parallel_coordinates(study, name), sweep, "parallel_coordinates")
            axes = optunas.plot_optimization_history(study, target_name=name)  # which sets a style for what follows
            others = [trial.number for trial in study.trials if trial.value is None]
            axes.plot(others, [0.03] * len(others), "|k", transform=axes.get_xaxis_transform(), label="not finished")
            _save(axes, sweep, "history")
        if len(swept) > 1 and len(set(scores)) > 1:
            # Trees of full depth take noise for what a dimension explains; fANOVA takes minutes for long lists.
            evaluator = optuna.importance.MeanDecreaseImpurityImportanceEvaluator(max_depth=7, seed=0)
            _save(optunas.plot_param_importances(study, evaluator, target_name=name), sweep, "importance")


def heat_map(board: Leaderboard, down: str, across: str) -> Axes:
    """Draw the objective of each combination of two dimensions, mean over seeds; hatched what has not finished."""
    rows = sorted(board.rows, key=lambda row: row.numbers)
    ys, xs = (_ordered([row.varied[name] for row in rows]) for name in (down, across))
    _, axes = pyplot.subplots(figsize=(SIZE, 2 + 0.3 * len(ys)))
    cells = np.full((len(ys), len(xs)), np.nan)
    for row in rows:
        y, x = ys.index(row.varied[down]), xs.index(row.varied[across])
        cells[y, x] = np.nan if row.objective is None else row.objective
        if row.rank is None:
            axes.bar(x, 1, 1, y - 0.5, hatch="///", fill=False, edgecolor="0.6", lw=0)
        if len(rows) <= 200:  # of more numbers, none can be read
            text = row.state if row.objective is None else f"{row.objective:.2e}"
            axes.text(x, y, text, ha="center", va="center", fontsize=8, weight="bold" if row.rank == 1 else None)
    image = axes.imshow(cells, norm="log" if np.nanmin(cells) > 0 else "linear", aspect="auto", alpha=0.6)
    pyplot.colorbar(image, ax=axes, label=f"objective{', mean over seeds' * board.has_seeds}")
    axes.set_yticks(range(len(ys)), [str(_label(value)) for value in ys])
    axes.set_xticks(range(len(xs)), [str(_label(value)) for value in xs], rotation=90 if len(xs) > 12 else 0)
    axes.set(xlabel=f"{across} (hatched: not finished)", ylabel=down)
    return axes


def parallel_coordinates(study: optuna.Study, name: str) -> Axes:
    """Draw a line a trial through its values and its objective, the best ones last; high enough for all labels."""
    axes = optunas.plot_parallel_coordinate(study, target_name=name)
    lines: Any = axes.collections[0]
    order = np.argsort(-lines.get_array())
    lines.set(segments=np.array(lines.get_segments())[order], array=lines.get_array()[order], cmap="viridis")
    pyplot.gcf().set_figheight(max(4.4, 1 + 0.15 * max(len(one.get_yticks()) for one in pyplot.gcf().axes)))
    pyplot.setp([x for ax in pyplot.gcf().axes[2:] for x in ax.get_yticklabels()], bbox={"fc": "w", "lw": 0, "pad": 0})
    return axes


def _study(board: Leaderboard, swept: list[Dimension]) -> tuple[optuna.Study, str]:
    """Return the trials as Optuna's, and what their values are: logarithms, where all objectives are positive."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pairs = sorted(((trial, row) for row in board.rows for trial in row.trials), key=lambda pair: pair[0].number)
    values = [varied(swept, trial.overrides) | row.varied for trial, row in pairs]
    chosen = [{key: _label(value) for key, value in one.items()} for one in values]
    spaces = {one.name: _space(one.interval, _ordered([params[one.name] for params in chosen])) for one in swept}
    scores = [trial.objective if trial.state == "finished" else None for trial, _ in pairs]
    log = all(score is None or score > 0 for score in scores)
    study = optuna.create_study()
    for params, score in zip(chosen, scores, strict=True):
        state = optuna.trial.TrialState.FAIL if score is None else optuna.trial.TrialState.COMPLETE
        value = float(np.log10(score)) if log and score else score
        study.add_trial(optuna.trial.create_trial(state=state, value=value, params=params, distributions=spaces))
    return study, "log10 of the objective" if log else "objective"


def _space(one: Interval | None, values: list[Value]) -> BaseDistribution:
    return FloatDistribution(one.low, one.high, one.log) if one else CategoricalDistribution(values)


def _ordered(values: list[Value]) -> list[Value]:
    """Return each value once: numbers ascending, texts as they came."""
    return sorted(dict.fromkeys(values), key=lambda value: 0 if isinstance(value, str) else value)


def _label(value: Value) -> Value:
    """Return a value as it stands in pictures: a number as such, a text in short lines, its $ not that of a formula."""
    return textwrap.fill(value, 24).replace("$", r"\$") if isinstance(value, str) else value


def _save(axes: Axes, sweep: SweepDirectory, name: str) -> None:
    """Write pyplot's last figure, its name as the title, and close it."""
    axes.set_title(name.replace("_", " "))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
    pyplot.savefig(sweep.plots / f"{name}.png")
    pyplot.close()
