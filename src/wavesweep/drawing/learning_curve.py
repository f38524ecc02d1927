"""The picture of a run's training."""

from pathlib import Path
from typing import Any

import numpy as np

from hydra_queue_sweeper.charts.style import COLOURS, head, save, scale
from wavesweep.drawing import panels
from wavesweep.drawing.panels import DOTTED, LEFT
from wavesweep.evaluation.metric_names import TRAIN_LOSS
from wavesweep.evaluation.shown import ShownCurve

MEANINGS = (  # of the curves, in their order, and their colours
    ("{}, in the network's units: what training minimises", "black"),
    ("{} (1: a forecast of the mean)", COLOURS[0]),
    ("{}, in squared units of the data", COLOURS[1]),
)


def draw_learning_curve(shown: ShownCurve, path: Path) -> None:
    """Draw loss and validation errors, a panel each, over what they cost: loss evaluations and seconds of training.

    Marks where the refinement begins, the epoch kept, and the one at which the loss ceased to be finite.
    """
    figure, stacked = panels.stack(1.4, "loss evaluations, seconds of training", len(MEANINGS), gap=0.35, bottom=0.7)
    epochs, evaluations, seconds = (np.append(0, one) for one in (shown.epoch, shown.evaluations, shown.seconds))
    last = epochs[-1]
    marks: list[tuple[int, str, dict[str, Any]]] = []
    if shown.main_epochs < last:
        marks.append((shown.main_epochs, "refinement begins", {"color": COLOURS[2], "lw": 1.2, "ls": "--"}))
    if shown.kept is not None and shown.kept in epochs:
        what = f"epoch {shown.kept}" if shown.kept else f"the start, {shown.start}"
        marks.append((shown.kept, f"kept: {what}", DOTTED))
    if last and np.isnan(shown.curves[TRAIN_LOSS][-1]):
        marks.append((last, f"not finite: epoch {last}", {"color": COLOURS[0], "lw": 1.2}))
    for axes, (key, curve), (meaning, colour) in zip(stacked, shown.curves.items(), MEANINGS, strict=True):
        values = curve[:, None]
        axes.plot(evaluations[1:], values, color=colour, lw=1.3, marker="o", ms=3 if len(values) < 80 else 0)
        scale(axes)
        for epoch, label, style in marks:
            axes.axvline(np.interp(epoch, epochs, evaluations), label=label, **style)
        axes.text(0, 1.05, meaning.format(key), color=colour, fontsize=9, transform=axes.transAxes)
    head(figure, "", LEFT)
    if last:
        stacked[-1].xaxis.set_major_formatter(lambda x, _: f"{x:.0f}\n{np.interp(x, evaluations, seconds):.1f} s")
    save(figure, path)
