"""The picture of how errors grow with the steps ahead."""

from pathlib import Path

import numpy as np

from hydra_queue_sweeper.charts.style import COLOURS, head, save, scale
from wavesweep.drawing import panels
from wavesweep.drawing.panels import EDGE, LEFT, TOP
from wavesweep.evaluation.shown import ShownErrors
from wavesweep.models.baseline_names import BASELINES


def draw_drift(shown: ShownErrors, path: Path) -> None:
    """Draw how the error grows with the steps ahead; errors that are equal are drawn once."""
    errors = shown.errors
    figure, [axes] = panels.stack(3.2, "step ahead", top=1.1 if len(errors) > 4 else TOP)
    greys = [(shade, line) for shade in ("0.3", "0.65") for line in (":", "--", "-.")]
    others = [(colour, line) for colour in COLOURS[1:3] for line in (":", "--", "-.")]
    styles = [(COLOURS[0], "-"), *greys, *others]
    seen = set()  # of equal ones, the first is drawn
    for (name, values), (colour, line) in zip(errors.items(), styles[: len(errors)], strict=True):
        if values.tobytes() in seen:
            continue
        seen.add(values.tobytes())
        steps, drawn = np.arange(1, len(values) + 1), np.where(values > 0, values, np.nan)
        panels.draw_line(axes, steps, drawn, BASELINES.get(name, name), color=colour, ls=line, lw=1.6)
    axes.axhline(1, **EDGE)
    scale(axes)
    axes.set_ylabel("scaled MSE (1: a forecast of the mean)")
    head(figure, shown.title, LEFT)
    save(figure, path)
