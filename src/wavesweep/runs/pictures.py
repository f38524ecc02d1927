"""The pictures of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wavesweep.base.names import ONE_STEP, SCALED, TRAIN_LOSS, metric
from wavesweep.data.dataset import Observed
from wavesweep.data.splits import Part
from wavesweep.drawing.style import COLOURS, head, save, scale, tidy
from wavesweep.runs.description import BASELINES
from wavesweep.runs.directory import RunDirectory

if TYPE_CHECKING:  # it imports torch, which the pictures of a sweep do without
    from wavesweep.models.forecasting import Forecasts

Named = dict[str, np.ndarray]
TRUE: Any = {"color": "#b4b4b4", "lw": 3.2}  # broad, so that it shows beneath a line that lies on it
DOTTED: Any = {"color": "black", "lw": 1, "ls": ":"}
EDGE: Any = {"color": "black", "lw": 0.8, "alpha": 0.5}
WIDTH, LEFT, RIGHT, TOP = 8.0, 1.05, 0.15, 0.6  # inches: of a picture, and of its margins
CURVES = {  # of learning_curve, by metric: what it means, and its colour
    TRAIN_LOSS: ("{}, in the network's units: of one step; in the refinement, of the closed loop", "black"),
    metric("val", SCALED): ("{} (1: a forecast of the mean)", COLOURS[0]),
    metric("val", ONE_STEP): ("{}, in squared units of the data", COLOURS[1]),
}


def forecast(
    path: Path, part: Part, forecasts: "Forecasts", title: str, baseline: Named | None = None, windows: int = 3
) -> None:
    """Draw what was observed, what was predicted of it, and how the closed loop goes on beside the truth.

    The first windows, a panel and a colour each; of a context longer than the horizon, its end. One line a channel.
    Beside a baseline also, below and on a scale of its own, what the closed loop differs from the truth by.

    Args:
        path: Where the picture goes.
        part: What was true.
        forecasts: What the network predicted.
        title: Of the picture.
        baseline: A forecast to compare it with, (window, horizon, channel), by its name. Left out where it can't be
            told from the truth, and of the differences where it would leave the closed loop's flat.
        windows: How many there are room for, at most three.
    """
    count = min(len(part.truth), windows)
    figure, panels = _figure(1.35, "time step", count + bool(baseline))
    for index, axes in enumerate(panels[:count]):
        _draw_window(axes, part, forecasts, index)
        axes.set_ylabel(f"window {index + 1}", color=COLOURS[index])
    bottom, top = _limit(panels[:count], np.concatenate([part.context, part.truth], axis=1)[:count])
    for name, values in (baseline or {}).items():
        for index, axes in enumerate(panels[:count]):
            apart = _largest(values[index] - part.truth[index]) > 0.01 * (top - bottom)
            if apart and np.any((bottom <= values[index]) & (values[index] <= top)):
                _draw_lines(axes, _ahead(part, index), values[index], BASELINES.get(name, name), **DOTTED)
    if baseline:
        _draw_differences(panels[-1], part, forecasts.closed_loop[:count], baseline, top - bottom)
    head(figure, title, LEFT)
    save(figure, path)


def continuations(path: Path, series: Sequence[Observed], forecasts: Sequence[np.ndarray], title: str) -> None:
    """Draw how series go on beyond what was observed: up to three, a panel and a colour each, one line a channel.

    Args:
        path: Where the picture goes.
        series: What was observed of each.
        forecasts: How it goes on, (horizon, channel).
        title: Of the picture.
    """
    figure, panels = _figure(1.7, "time step", min(len(series), 3))
    ends = [one.values[-max(len(values), 20) :] for one, values in zip(series, forecasts, strict=True)]
    shown = np.concatenate(ends[: len(panels)])
    for axes, one, end, values, colour in zip(panels, series, ends, forecasts, COLOURS, strict=False):
        origin = one.start + len(one.values)
        ahead = np.append(end[-1:], values, axis=0)  # begins at the last observed value, so that lines meet
        _draw_lines(axes, np.arange(origin - len(end), origin), end, "observed", **TRUE)
        _draw_lines(axes, origin + len(values) - np.arange(len(ahead), 0, -1), ahead, "forecast", color=colour, lw=1.6)
        axes.axvline(origin - 1, **EDGE)
        axes.set_ylabel(str(one.name)[:20], color=colour, parse_math=False)
    if len(shown):
        _limit(panels, shown)
    more = f" · {len(panels)} of {len(series)} series" if len(series) > len(panels) else ""
    head(figure, f"{title}{more}", LEFT)
    save(figure, path)


def drift(path: Path, errors: Named, title: str) -> None:
    """Draw how the error grows with the steps ahead.

    Args:
        path: Where the picture goes.
        errors: Scaled errors at each step, (horizon,), by name: the run's own, up to three baselines'; if equal, once.
        title: Of the picture.
    """
    figure, [axes] = _figure(3.2, "step ahead")
    styles = [(COLOURS[0], "-"), ("0.4", ":"), ("0.4", "--"), (COLOURS[1], ":")]
    seen = {values.tobytes(): name for name, values in reversed(errors.items())}  # of equal ones, the first
    for (name, values), (colour, line) in zip(errors.items(), styles[: len(errors)], strict=True):
        if seen[values.tobytes()] == name:
            steps, shown = np.arange(1, len(values) + 1), np.where(values > 0, values, np.nan)[:, None]
            _draw_lines(axes, steps, shown, BASELINES.get(name, name), color=colour, ls=line, lw=1.6)
    axes.axhline(1, **EDGE)
    scale(axes)
    axes.set_ylabel("scaled MSE (1: a forecast of the mean)")
    head(figure, title, LEFT)
    save(figure, path)


def learning_curve(directory: RunDirectory, kept: int, main_epochs: int) -> None:
    """Draw loss and validation errors, a panel each, over what they cost: loss evaluations and seconds of training.

    Marks where the refinement begins, the epoch kept, and the one at which the loss ceased to be finite.

    Args:
        directory: Of the run, with its records.
        kept: The epoch whose weights were kept, 0 for none.
        main_epochs: Epochs of the main stage; what follows is the refinement.
    """
    figure, panels = _figure(1.4, "loss evaluations, seconds of training", len(CURVES), gap=0.35, bottom=0.7)
    recorded = [row for row in directory.read_metrics() if "epoch" in row]
    epochs, evaluations, seconds = ([row[key] for row in recorded] for key in ("epoch", "evaluations", "seconds"))
    marks: list[tuple[int, str, dict[str, Any]]] = []
    if epochs and main_epochs < epochs[-1]:
        marks.append((main_epochs, "refinement begins", {"color": COLOURS[2], "lw": 1.2, "ls": "--"}))
    if kept in epochs:
        marks.append((kept, f"kept: epoch {kept}", DOTTED))
    if recorded and recorded[-1][TRAIN_LOSS] is None:
        marks.append((epochs[-1], f"not finite: epoch {epochs[-1]}", {"color": COLOURS[0], "lw": 1.2}))
    for axes, (key, (meaning, colour)) in zip(panels, CURVES.items(), strict=True):
        values = np.array([[row[key] or np.nan] for row in recorded])  # null is what was not finite
        axes.plot(evaluations, values, color=colour, lw=1.3, marker="o", ms=3 if len(values) < 80 else 0)
        scale(axes)
        for epoch, label, style in marks:
            axes.axvline(np.interp(epoch, epochs, evaluations), label=label, **style)
        axes.text(0, 1.05, meaning.format(key), color=colour, fontsize=9, transform=axes.transAxes)
    head(figure, "", LEFT)
    if recorded:
        panels[-1].xaxis.set_major_formatter(lambda x, _: f"{x:.0f}\n{np.interp(x, evaluations, seconds):.1f} s")
    save(figure, directory.figure("learning_curve"))


def _figure(
    height: float, label: str, count: int = 1, gap: float = 0.15, bottom: float = 0.55
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels over one horizontal axis; their height, and what lies around, in inches."""
    total = TOP + count * height + (count - 1) * gap + bottom
    figure = Figure(figsize=(WIDTH, total), dpi=100)
    panels = list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    figure.subplots_adjust(LEFT / WIDTH, bottom / total, 1 - RIGHT / WIDTH, 1 - TOP / total, hspace=gap / height)
    panels[-1].locator_params(axis="x", integer=True, nbins=6, min_n_ticks=1)
    panels[-1].set_xlabel(label)
    for axes in panels:
        tidy(axes)
        axes.margins(x=0.01)
        axes.yaxis.set_label_coords((0.4 - LEFT) / (WIDTH - LEFT - RIGHT), 0.5)
        axes.xaxis.set_visible(axes is panels[-1])
    return figure, panels


def _draw_window(axes: Axes, part: Part, forecasts: "Forecasts", index: int) -> None:
    ahead = _ahead(part, index)
    past = np.arange(ahead[0] - min(part.context.shape[1], max(len(ahead), 20)), ahead[0])
    predicted = past[past >= forecasts.lead]
    observed = part.context[index, -len(past) :]
    one_step = forecasts.one_step[min(index, len(forecasts.one_step) - 1), predicted - forecasts.lead]
    closed_loop = np.append(observed[-1:], forecasts.closed_loop[index], axis=0)  # so that lines meet
    _draw_lines(axes, np.append(past, ahead), np.append(observed, part.truth[index], axis=0), "truth", **TRUE)
    _draw_lines(axes, predicted, one_step, "one step", color=COLOURS[index], lw=0.9)
    _draw_lines(axes, np.append(past[-1:], ahead), closed_loop, "closed loop", color=COLOURS[index], lw=1.6, ls="--")
    axes.axvline(past[-1], **EDGE)


def _draw_differences(axes: Axes, part: Part, closed_loop: np.ndarray, baseline: Named, most: float) -> None:
    """Draw what forecasts differ from the truth by, on a scale for the closed loop's, `most` at most."""
    differences = closed_loop - part.truth[: len(closed_loop)]
    scale = min(_largest(differences), most) or most
    for name, values in baseline.items():
        others = values[: len(closed_loop)] - part.truth[: len(closed_loop)]
        if _largest(others) <= 3 * scale:
            scale = max(scale, _largest(others))
            for index, one in enumerate(others):
                _draw_lines(axes, _ahead(part, index), one, BASELINES.get(name, name), zorder=3, **DOTTED)
    for index, one in enumerate(differences):
        _draw_lines(axes, _ahead(part, index), one, "_", color=COLOURS[index], lw=0.7)
    axes.set_ylabel("forecast\n− truth")
    axes.set_ylim(-1.1 * scale, 1.1 * scale)


def _draw_lines(axes: Axes, steps: np.ndarray, values: np.ndarray, name: str, **style: Any) -> None:
    """Draw a line for each channel of `values`, (step, channel), where there is one; the legend names the first."""
    shown = np.where(np.abs(values) < 1e100, values, np.nan)  # beyond it, there are no ticks
    if np.isfinite(shown).any(axis=1).sum() > 1:  # a point is no line
        axes.plot(steps, shown, label=[name, *[None] * (shown.shape[1] - 1)], **style)


def _ahead(part: Part, index: int) -> np.ndarray:
    """Return the time steps that a window's forecast is of, (horizon,)."""
    return int(part.start[index]) + part.context.shape[1] + np.arange(part.truth.shape[1])


def _largest(values: np.ndarray) -> float:
    """Return the greatest size of finite values, 0 where there are none."""
    return float(np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0))


def _limit(panels: list[Axes], true: np.ndarray) -> tuple[float, float]:
    """Give panels the same range, in which `true` values stay readable where a forecast runs away; return it."""
    room = 0.6 * (true.max() - true.min()) or 1.0
    bottoms, tops = zip(*(axes.get_ylim() for axes in panels), strict=True)
    bottom, top = max(min(bottoms), true.min() - room), min(max(tops), true.max() + room)
    for axes in panels:
        axes.set_ylim(bottom, top)
    return bottom, top
