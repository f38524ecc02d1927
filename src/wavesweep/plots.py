"""The pictures of a run. Uses matplotlib's figures directly: no window, and none of pyplot's start-up."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wavesweep.forecasting import Forecasts
from wavesweep.splits import Part

COLOURS = ("#c0392b", "#2471a3", "#229954")  # one a series
GREY = "#9a9a9a"
DASHED = (0, (2, 1))


def forecast(path: Path, part: Part, forecasts: Forecasts, title: str) -> None:
    """Draw what was observed, what was predicted of it, and how the closed loop goes on beside the truth.

    Up to three windows, one panel each; of a context longer than the horizon, its end. One line a channel.
    """
    figure, panels = _figure(1.7, count=min(len(part.truth), len(COLOURS)))
    for index, axes in enumerate(panels):
        _draw_window(axes, part, forecasts, index)
    _limit(panels[0], np.concatenate([part.context, part.truth], axis=1)[: len(panels)])
    _finish(panels, title, "time step")
    figure.savefig(path)


def learning_curve(path: Path, rows: list[dict[str, Any]], kept: int) -> None:
    """Draw loss and validation errors over the epochs, on a logarithmic scale.

    Marks the epoch kept, and the one at which the loss ceased to be finite.

    Args:
        path: Where the picture goes.
        rows: The run's records; those without a loss are left out.
        kept: The epoch whose weights were kept, 0 for none.
    """
    figure, [axes] = _figure(3.4)
    recorded = [row for row in rows if "epoch" in row]
    epochs = [row["epoch"] for row in recorded]
    curves = {"train/loss": GREY, "val/one_step_mse": COLOURS[1], "val/closed_loop_scaled_mse": COLOURS[0]}
    for key, colour in curves.items():
        values = [row[key] or np.nan for row in recorded]  # 0 has no logarithm
        axes.plot(epochs, values, color=colour, lw=1.6, marker="o", ms=3 if len(epochs) < 60 else 0, label=key)
    axes.set_yscale("log")
    if kept:
        axes.axvline(kept, color="black", lw=0.8, ls=":", label=f"kept: epoch {kept}")
    if recorded and recorded[-1]["train/loss"] is None:
        axes.axvline(epochs[-1], color=COLOURS[0], lw=1.2, label=f"not finite: epoch {epochs[-1]}")
        axes.set_xlim(0, epochs[-1] + 1)
    _finish([axes], "learning curve", "epoch")
    figure.savefig(path)


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
    panels[0].set_title(title, loc="left", fontsize=11)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=4, frameon=False, fontsize=9)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
        axes.minorticks_off()


def _draw_window(axes: Axes, part: Part, forecasts: Forecasts, index: int) -> None:
    _, context, num_channels = part.context.shape
    horizon = part.truth.shape[1]
    origin = int(part.start[index]) + context
    past = np.arange(origin - min(context, max(horizon, 20)), origin)
    ahead = np.arange(origin - 1, origin + horizon)  # begins at the last observed value, so that lines meet
    colour = COLOURS[index]
    for channel in range(num_channels):
        named = channel == 0
        observed = part.context[index, -len(past) :, channel]
        truth = np.append(observed[-1], part.truth[index, :, channel])
        predicted = np.append(observed[-1], forecasts.closed_loop[index, :, channel])
        axes.plot(past, observed, color=GREY, lw=2.4, label="observed" if named else None)
        axes.plot(
            *_one_step(forecasts, index, channel, past), color=colour, lw=0.9, label="one step" if named else None
        )
        axes.plot(ahead, truth, color="black", lw=0.9, alpha=0.55, label="truth" if named else None)
        axes.plot(ahead, predicted, color=colour, lw=1.6, ls=DASHED, label="closed loop" if named else None)
    axes.axvline(origin - 1, color="black", lw=0.8, alpha=0.5)


def _one_step(forecasts: Forecasts, index: int, channel: int, past: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of the visible past that have a one-step prediction, and the predictions."""
    predictions = forecasts.one_step[min(index, len(forecasts.one_step) - 1), :, channel]
    steps = past[past >= forecasts.lead]
    return steps, predictions[steps - forecasts.lead]


def _limit(axes: Axes, values: np.ndarray) -> None:
    """Keep the true `values` of all panels readable where a forecast runs away."""
    margin = 0.6 * (values.max() - values.min()) or 1.0
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, values.min() - margin), min(top, values.max() + margin))
