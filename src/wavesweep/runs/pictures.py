"""The pictures of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavesweep.data.dataset import Observed
from wavesweep.data.parts import Part
from wavesweep.drawing import panels
from wavesweep.drawing.panels import DOTTED, EDGE, LEFT, TOP, TRUE, Named, View
from wavesweep.drawing.style import COLOURS, head, save, scale
from wavesweep.evaluation.metric_names import ONE_STEP, SCALED, TRAIN_LOSS, metric
from wavesweep.files.stamps import following
from wavesweep.models.baseline_names import BASELINES
from wavesweep.workspace.directory import RunDirectory

if TYPE_CHECKING:  # it imports torch, which the pictures of a sweep do without
    from wavesweep.evaluation.forecasting import Forecasts

MOST_CHANNELS = 6  # of which a picture has panels
MOST_SERIES = 3  # likewise, of forecasts beyond what was observed
CURVES = {  # of learning_curve, by metric: what it means, and its colour
    TRAIN_LOSS: ("{}, in the network's units: what training minimises", "black"),
    metric("val", SCALED): ("{} (1: a forecast of the mean)", COLOURS[0]),
    metric("val", ONE_STEP): ("{}, in squared units of the data", COLOURS[1]),
}


def forecast(
    path: Path,
    part: Part,
    forecasts: "Forecasts",
    title: str,
    channels: Sequence[str],
    labels: Sequence[str],
    baseline: Named | None = None,
    bands: Named | None = None,
) -> None:
    """Draw what was observed, what was predicted of it, and how the closed loop goes on beside the truth.

    A panel and a colour for each window; where several channels are scored, for each of these, six at most, of the last
    window. Of a context longer than the horizon, its end. Windows share their scale, unless one of them would be lost
    on it. Beside a baseline also, below and on a scale of its own, what a single channel's closed loop differs from the
    truth by.

    Args:
        path: Where the picture goes.
        part: What was true.
        forecasts: What the network predicted, one step ahead within the contexts.
        title: Of the picture.
        channels: Their names.
        labels: What each window is.
        baseline: A forecast to compare it with, (window, horizon, channel), by its name. Left out where it can't be
            told from the truth, and of the differences where it would leave the closed loop's flat.
        bands: Half-widths around the closed loop, (window, horizon, channel) or for all windows, by name.
    """
    single = len(part.targets) == 1
    last = len(part.truth) - 1
    if single:
        drawn = [(window, int(part.targets[0])) for window in range(last + 1)]
    else:
        drawn = [(last, int(channel)) for channel in part.targets[:MOST_CHANNELS]]
    origins = part.start + part.context.shape[1]
    together = len(np.unique(part.start)) == 1
    if not together:
        origins = np.zeros_like(origins)
    others = {BASELINES.get(name, name): values for name, values in (baseline or {}).items()}
    widths = {name: np.broadcast_to(half, part.truth.shape) for name, half in (bands or {}).items()}
    views = [
        View(
            label=labels[window] if single else channels[channel],
            origin=origins[window],
            context=part.context[window, :, channel],
            truth=part.truth[window, :, channel],
            one_step=forecasts.one_step[window, :, channel],
            closed_loop=forecasts.closed_loop[window, :, channel],
            others={name: values[window, :, channel] for name, values in others.items()},
            bands={name: half[window, :, channel] for name, half in widths.items()},
        )
        for window, channel in drawn
    ]
    alike = single and panels.are_alike(np.append(part.context, part.truth, axis=1)[..., part.targets[0]])
    differs = bool(baseline and alike and part.truth.shape[1] > 1)  # a point is no line
    below = "time step" if together else "steps from the origin of the forecast"
    figure, stacked = panels.stack(1.35, below, len(views) + differs)
    pairs = list(zip(stacked, views, strict=False))
    for (axes, view), colour in zip(pairs, COLOURS, strict=False):
        panels.draw_view(axes, view, colour)
    if alike:
        height = panels.draw_others(pairs)
        if differs:
            panels.draw_differences(stacked[-1], views, height)
    else:
        for pair in pairs:
            panels.draw_others([pair])
    head(figure, f"{title}{_what_all_show(part.targets, channels, labels)}", LEFT)
    save(figure, path)


def _what_all_show(targets: np.ndarray, channels: Sequence[str], labels: Sequence[str]) -> str:
    """Return what panels have in common: of one channel among several its name, of several channels the window."""
    if len(targets) > 1:
        return f" · {labels[-1]}{_some(MOST_CHANNELS, len(targets), 'channels')}"
    return f" · {channels[targets[0]]}" if len(channels) > 1 else ""


def _some(shown: int, there: int, what: str) -> str:
    """Return how many things are shown, where there are more."""
    return f" · {shown} of {there} {what}" if shown < there else ""


def continuations(
    path: Path,
    channels: Sequence[str],
    series: Sequence[Observed],
    forecasts: Sequence[np.ndarray],
    title: str,
    bands: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> None:
    """Draw how series go on beyond what was observed: a panel and a colour for each, three at most.

    Of several channels, a panel for each of six at most, of the first series.

    Args:
        path: Where the picture goes.
        channels: Their names.
        series: What was observed of each.
        forecasts: How it goes on, (horizon, channel).
        title: Of the picture.
        bands: Half-widths around each forecast, (horizon, channel), nan where it has none, by name.
    """
    single = len(channels) == 1
    if single:
        drawn = [(number, 0) for number in range(min(len(series), MOST_SERIES))]
        more = _some(MOST_SERIES, len(series), "series")
    else:
        drawn = [(0, channel) for channel in range(min(len(channels), MOST_CHANNELS))]
        more = _some(MOST_CHANNELS, len(channels), "channels") + _some(1, len(series), "series")
    dated = all(series[number].times is not None for number, _ in drawn)
    figure, stacked = panels.stack(1.7, "" if dated else "time step", len(drawn))
    for axes, (number, channel), colour in zip(stacked, drawn, COLOURS, strict=False):
        one = series[number]
        values = forecasts[number][:, channel]
        end = one.values[-max(len(values), 20) :, channel]
        ahead = np.append(end[-1:], values)  # begins at the last observed value, so that lines meet
        steps = _around_end(one, len(end), len(values), dated)
        steps_ahead = steps[len(steps) - len(ahead) :]
        panels.draw_line(axes, steps[: len(end)], end, "observed", **TRUE)
        panels.draw_line(axes, steps_ahead, ahead, "forecast", color=colour, lw=1.6)
        for name, halves in (bands or {}).items():
            panels.draw_band(axes, steps_ahead, ahead, halves[number][:, channel], name, colour)
        axes.axvline(steps[max(len(end) - 1, 0)], **EDGE)
        name = one.name if single and len(series) > 1 else channels[channel]
        axes.set_ylabel(panels.two_lines(str(name)), color=colour, parse_math=False)
        if len(end):  # the pointwise network forecasts series of no steps too
            panels.limit([axes], end, room=3)  # where a forecast goes is what is asked here
    if dated:
        panels.name_dates(stacked[-1])
    begins = {_first_ahead(series[number]) for number, _ in drawn}
    if len(begins) == 1:
        title = f"{title} · {begins.pop()}"
    head(figure, title + more, LEFT)
    save(figure, path)


def _first_ahead(series: Observed) -> str:
    """Return where the forecast of a series begins."""
    if series.times is None:
        return f"from step {series.start + len(series.values)}"
    return f"from {following(series.times, 1)[0]}".removesuffix(" 00:00:00")


def _around_end(series: Observed, past: int, ahead: int, dated: bool) -> np.ndarray:
    """Return the last observed steps of a series and those that come next: as dates, or by number."""
    if not dated or series.times is None:
        origin = series.start + len(series.values)
        return np.arange(origin - past, origin + ahead)
    both = [series.times[len(series.times) - past :], following(series.times, ahead)]
    return np.concatenate([one.tz_localize(None).to_numpy() for one in both])


def drift(path: Path, errors: Named, title: str) -> None:
    """Draw how the error grows with the steps ahead.

    Args:
        path: Where the picture goes.
        errors: Scaled errors at each step, (horizon,), by name: the run's own, the baselines'; if equal, once.
        title: Of the picture.
    """
    figure, [axes] = panels.stack(3.2, "step ahead", top=1.1 if len(errors) > 4 else TOP)
    greys = [(shade, line) for shade in ("0.3", "0.65") for line in (":", "--", "-.")]
    styles = [(COLOURS[0], "-"), *greys, (COLOURS[1], ":")]
    seen = set()  # of equal ones, the first is drawn
    for (name, values), (colour, line) in zip(errors.items(), styles[: len(errors)], strict=True):
        if values.tobytes() in seen:
            continue
        seen.add(values.tobytes())
        steps, shown = np.arange(1, len(values) + 1), np.where(values > 0, values, np.nan)
        panels.draw_line(axes, steps, shown, BASELINES.get(name, name), color=colour, ls=line, lw=1.6)
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
    figure, stacked = panels.stack(1.4, "loss evaluations, seconds of training", len(CURVES), gap=0.35, bottom=0.7)
    recorded = [row for row in directory.read_metrics() if "epoch" in row]
    epochs, evaluations, seconds = ([row[key] for row in recorded] for key in ("epoch", "evaluations", "seconds"))
    marks: list[tuple[int, str, dict[str, Any]]] = []
    if epochs and main_epochs < epochs[-1]:
        marks.append((main_epochs, "refinement begins", {"color": COLOURS[2], "lw": 1.2, "ls": "--"}))
    if kept in epochs:
        marks.append((kept, f"kept: epoch {kept}", DOTTED))
    if recorded and recorded[-1][TRAIN_LOSS] is None:
        marks.append((epochs[-1], f"not finite: epoch {epochs[-1]}", {"color": COLOURS[0], "lw": 1.2}))
    for axes, (key, (meaning, colour)) in zip(stacked, CURVES.items(), strict=True):
        values = np.array([[row[key] or np.nan] for row in recorded])  # null is what was not finite
        axes.plot(evaluations, values, color=colour, lw=1.3, marker="o", ms=3 if len(values) < 80 else 0)
        scale(axes)
        for epoch, label, style in marks:
            axes.axvline(np.interp(epoch, epochs, evaluations), label=label, **style)
        axes.text(0, 1.05, meaning.format(key), color=colour, fontsize=9, transform=axes.transAxes)
    head(figure, "", LEFT)
    if recorded:
        stacked[-1].xaxis.set_major_formatter(lambda x, _: f"{x:.0f}\n{np.interp(x, evaluations, seconds):.1f} s")
    save(figure, directory.figure("learning_curve"))
