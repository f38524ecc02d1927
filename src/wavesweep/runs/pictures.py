"""The pictures of a run. Uses matplotlib's figures directly: no window, and none of pyplot's start-up."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wavesweep.base.files import write_atomically
from wavesweep.base.names import ONE_STEP, SCALED, TRAIN_LOSS, metric
from wavesweep.base.schema import known
from wavesweep.data.dataset import Dataset, Observed
from wavesweep.data.splits import Part
from wavesweep.models.forecasting import Forecasts
from wavesweep.runs.directory import RunDirectory

COLOURS = ("#c0392b", "#2471a3", "#229954")  # one a series
GREY = "#9a9a9a"
DASHED = (0, (2, 1))
POWERS = "{x:.0e}"  # matplotlib's own labels of a logarithmic scale take longer than the rest of a picture


def forecast(
    path: Path, part: Part, forecasts: Forecasts, title: str, baseline: dict[str, np.ndarray] | None = None
) -> None:
    """Draw what was observed, what was predicted of it, and how the closed loop goes on beside the truth.

    Up to three windows, one panel each; of a context longer than the horizon, its end. One line a channel.

    Args:
        path: Where the picture goes.
        part: What was true.
        forecasts: What the network predicted.
        title: Of the picture.
        baseline: A forecast to compare it with, (window, horizon, channel), by its name.
    """
    figure, panels = _figure(1.7, count=min(len(part.truth), len(COLOURS)))
    for index, axes in enumerate(panels):
        _draw_window(axes, part, forecasts, index, baseline or {})
    _limit(panels[0], np.concatenate([part.context, part.truth], axis=1)[: len(panels)])
    _finish(panels, title, "time step")
    _save(figure, path)


def continuations(path: Path, series: Sequence[Observed], forecasts: Sequence[np.ndarray], title: str) -> None:
    """Draw how series go on beyond what was observed: up to three, one panel each, one line a channel.

    Args:
        path: Where the picture goes.
        series: What was observed of each.
        forecasts: How it goes on, (horizon, channel).
        title: Of the picture.
    """
    figure, panels = _figure(1.7, count=min(len(series), len(COLOURS)))
    ends = [one.values[-max(len(values), 20) :] for one, values in zip(series, forecasts, strict=True)]
    for axes, one, end, values, colour in zip(panels, series, ends, forecasts, COLOURS, strict=False):
        origin = one.start + len(one.values)
        ahead = np.append(end[-1:], values, axis=0)  # begins at the last observed value, so that lines meet
        _draw_lines(axes, np.arange(origin - len(end), origin), end, "observed", color=GREY, lw=2.4)
        _draw_lines(axes, origin + len(values) - np.arange(len(ahead), 0, -1), ahead, "forecast", color=colour, lw=1.6)
        axes.axvline(origin - 1, color="black", lw=0.8, alpha=0.5)
        axes.set_ylabel(str(one.name)[:20], fontsize=8.5, parse_math=False)
    if len(np.concatenate(ends)):
        _limit(panels[0], np.concatenate(ends[: len(panels)]))
    more = f" · {len(panels)} of {len(series)} series" if len(series) > len(panels) else ""
    _finish(panels, f"{title}{more}", "time step")
    _save(figure, path)


def validation(directory: RunDirectory, dataset: Dataset, part: Part, forecasts: Forecasts, epoch: int) -> None:
    """Draw the validation part's forecasts after an epoch."""
    path = directory.figure(f"forecast_epoch_{epoch:03d}")
    forecast(path, part, forecasts, title(dataset, "validation", epoch))


def title(dataset: Dataset, part: str, epoch: int) -> str:
    """Return the title of a picture of a part's forecasts."""
    return f"{dataset.kind} · {part} series · epoch {epoch}"


def illustrated(recorded: list[int], *, all_of_them: bool) -> set[int]:
    """Return the recorded epochs that get a picture: all, or the first, the last, and three between."""
    if all_of_them:
        return set(recorded)
    return {recorded[round(quarter * (len(recorded) - 1) / 4)] for quarter in range(5)}


def drift(path: Path, errors: dict[str, np.ndarray], title: str) -> None:
    """Draw how the error grows with the steps ahead, on a logarithmic scale.

    Args:
        path: Where the picture goes.
        errors: Scaled errors at each step, (horizon,), by name: the run's own first, then up to three baselines'.
        title: Of the picture.
    """
    figure, [axes] = _figure(3.4)
    figure.subplots_adjust(left=0.095)  # powers are wide
    styles = [(COLOURS[0], "-"), (GREY, ":"), (GREY, "--"), (COLOURS[1], ":")]
    for (name, values), (colour, line) in zip(errors.items(), styles[: len(errors)], strict=True):
        steps = np.arange(1, len(values) + 1)
        shown = np.where((values > 0) & (values < 1e100), values, np.nan)  # beyond it, there are no ticks
        axes.plot(steps, shown, color=colour, ls=line, lw=1.6, label=_spoken(name))
    axes.axhline(1, color="black", lw=0.8, alpha=0.5)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(POWERS)
    axes.set_ylabel("scaled MSE (1: a forecast of the mean)")
    _finish([axes], title, "step ahead")
    _save(figure, path)


def learning_curve(directory: RunDirectory, kept: int) -> None:
    """Draw loss and validation errors over what they cost: loss evaluations and seconds, on a logarithmic scale.

    Marks the epoch kept, and the one at which the loss ceased to be finite.

    Args:
        directory: Of the run, with its records.
        kept: The epoch whose weights were kept, 0 for none.
    """
    figure = Figure(figsize=(10, 4.2), dpi=100)
    panels = list(figure.subplots(1, 2, sharey=True, subplot_kw={"yscale": "log"}))
    figure.subplots_adjust(left=0.07, right=0.975, bottom=0.13, top=0.88, wspace=0.06)
    recorded = [row for row in directory.read_metrics() if "epoch" in row]
    panels[0].yaxis.set_major_formatter(POWERS)
    for axes, cost in zip(panels, ("evaluations", "seconds"), strict=True):
        _draw_curves(axes, recorded, kept, cost)
        _finish([axes], "", {"evaluations": "loss evaluations", "seconds": "seconds of training"}[cost])
    known(panels[0].get_legend()).remove()
    panels[0].set_title("learning curve", loc="left", fontsize=10)
    _save(figure, directory.figure("learning_curve"))


def _save(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # names may have letters that the font lacks
        figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 2})  # of 9: in a third of the time
    write_atomically(path, buffer.getvalue())


def _draw_curves(axes: Axes, recorded: list[dict[str, Any]], kept: int, cost: str) -> None:
    spent = {row["epoch"]: row[cost] for row in recorded}
    curves = {TRAIN_LOSS: GREY, metric("val", ONE_STEP): COLOURS[1], metric("val", SCALED): COLOURS[0]}
    for key, colour in curves.items():
        values = [row[key] or np.nan for row in recorded]  # 0 has no logarithm
        dots = 3 if len(values) < 80 else 0
        axes.plot(list(spent.values()), values, color=colour, lw=1.3, marker="o", ms=dots, label=key.rpartition("/")[2])
    if kept in spent:
        axes.axvline(spent[kept], color="black", lw=0.8, ls=":", label=f"kept: epoch {kept}")
    if recorded and recorded[-1][TRAIN_LOSS] is None:
        last = recorded[-1]["epoch"]
        axes.axvline(spent[last], color=COLOURS[0], lw=1.2, label=f"not finite: epoch {last}")


def _figure(height: float, count: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels, each of a height in inches.

    Its margins are fixed: finding them automatically takes longer than drawing the picture.
    """
    total = height * count + 1
    figure = Figure(figsize=(10, total), dpi=100)
    panels = figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    panels[0].locator_params(axis="y", nbins=4)
    panels[0].locator_params(axis="x", integer=True)
    figure.subplots_adjust(left=0.07, right=0.975, bottom=0.5 / total, top=1 - 0.35 / total, hspace=0.12)
    return figure, list(panels)


def _finish(panels: list[Axes], title: str, steps: str) -> None:
    panels[-1].set_xlabel(steps)
    panels[0].set_title(title, loc="left", fontsize=10, parse_math=False)
    style = {"frameon": False, "fontsize": 8.5, "columnspacing": 1.2, "handlelength": 1.6}
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=5, **style)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
        axes.minorticks_off()


def _draw_window(axes: Axes, part: Part, forecasts: Forecasts, index: int, baseline: dict[str, np.ndarray]) -> None:
    context, horizon = part.context.shape[1], part.truth.shape[1]
    origin = int(part.start[index]) + context
    past = np.arange(origin - min(context, max(horizon, 20)), origin)
    predicted = past[past >= forecasts.lead]
    ahead = np.arange(origin - 1, origin + horizon)  # begins at the last observed value, so that lines meet
    observed, colour = part.context[index, -len(past) :], COLOURS[index]
    one_step = forecasts.one_step[min(index, len(forecasts.one_step) - 1), predicted - forecasts.lead]
    truth = np.append(observed[-1:], part.truth[index], axis=0)
    closed_loop = np.append(observed[-1:], forecasts.closed_loop[index], axis=0)
    _draw_lines(axes, past, observed, "observed", color=GREY, lw=2.4)
    _draw_lines(axes, predicted, one_step, "one step", color=colour, lw=0.9)
    _draw_lines(axes, ahead, truth, "truth", color="black", lw=0.9, alpha=0.55)
    _draw_lines(axes, ahead, closed_loop, "closed loop", color=colour, lw=1.6, ls=DASHED)
    for name, values in baseline.items():
        _draw_lines(axes, ahead[1:], values[index], _spoken(name), color="black", lw=1, ls=":", alpha=0.6, zorder=1.5)
    axes.axvline(origin - 1, color="black", lw=0.8, alpha=0.5)


def _draw_lines(axes: Axes, steps: np.ndarray, values: np.ndarray, name: str, **style: Any) -> None:
    """Draw a line for each channel of `values`, (step, channel); the legend names the first."""
    axes.plot(steps, values, label=[name, *[None] * (values.shape[1] - 1)], **style)


def _spoken(name: str) -> str:
    return "linear autoregression" if name == "linear" else name.replace("_", " ")


def _limit(axes: Axes, values: np.ndarray) -> None:
    """Keep the true `values` of all panels readable where a forecast runs away."""
    margin = 0.6 * (values.max() - values.min()) or 1.0
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, values.min() - margin), min(top, values.max() + margin))
