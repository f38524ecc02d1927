"""The picture of a run's training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hydra_queue_sweeper.charts.style import COLOURS, head, save, scale
from wavesweep.drawing import panels
from wavesweep.drawing.panels import DOTTED, LEFT
from wavesweep.evaluation.metric_names import ONE_STEP, SCALED, TRAIN_LOSS, metric, watched

CURVES = {  # by metric: what it means, and its colour
    TRAIN_LOSS: ("{}, in the network's units: what training minimises", "black"),
    metric("val", SCALED): ("{} (1: a forecast of the mean)", COLOURS[0]),
    metric("val", ONE_STEP): ("{}, in squared units of the data", COLOURS[1]),
}


def draw_learning_curve(
    records: Sequence[dict[str, Any]], kept: int | None, start: str, main_epochs: int, path: Path
) -> None:
    """Draw loss and validation errors, a panel each, over what they cost: loss evaluations and seconds of training.

    Marks where the refinement begins, the epoch kept, and the one at which the loss ceased to be finite.

    Args:
        records: Of the run.
        kept: The epoch whose weights were kept, 0 being those before training; None: none were.
        start: What people call that which forecasts with the weights before training.
        main_epochs: Epochs of the main stage; what follows is the refinement.
        path: Where the picture goes.
    """
    figure, stacked = panels.stack(1.4, "loss evaluations, seconds of training", len(CURVES), gap=0.35, bottom=0.7)
    recorded = [row for row in records if "epoch" in row]
    keys = ("epoch", "evaluations", "seconds")
    epochs, evaluations, seconds = ([0, *(row[key] for row in recorded)] for key in keys)  # from the start on
    marks: list[tuple[int, str, dict[str, Any]]] = []
    if main_epochs < epochs[-1]:
        marks.append((main_epochs, "refinement begins", {"color": COLOURS[2], "lw": 1.2, "ls": "--"}))
    if kept is not None and kept in epochs:
        what = f"epoch {kept}" if kept else f"the start, {start}"
        marks.append((kept, f"kept: {what}", DOTTED))
    if recorded and recorded[-1][TRAIN_LOSS] is None:
        marks.append((epochs[-1], f"not finite: epoch {epochs[-1]}", {"color": COLOURS[0], "lw": 1.2}))
    for axes, (name, (meaning, colour)) in zip(stacked, CURVES.items(), strict=True):
        key = watched(name, recorded[0]) if recorded else name
        values = np.array([[row[key] or np.nan] for row in recorded])  # null is what was not finite
        axes.plot(evaluations[1:], values, color=colour, lw=1.3, marker="o", ms=3 if len(values) < 80 else 0)
        scale(axes)
        for epoch, label, style in marks:
            axes.axvline(np.interp(epoch, epochs, evaluations), label=label, **style)
        axes.text(0, 1.05, meaning.format(key), color=colour, fontsize=9, transform=axes.transAxes)
    head(figure, "", LEFT)
    if recorded:
        stacked[-1].xaxis.set_major_formatter(lambda x, _: f"{x:.0f}\n{np.interp(x, evaluations, seconds):.1f} s")
    save(figure, path)
