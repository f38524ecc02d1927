"""The pictures of a run: what they show is left in its directory, and drawn from there alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hydra_queue_sweeper.base.files import write_atomically
from wavesweep.config.config import Resolved
from wavesweep.evaluation.metric_names import watched
from wavesweep.evaluation.shown import CURVES, Shown, ShownCurve, pack
from wavesweep.experiment.events import Drawable, Event, Kept
from wavesweep.runs.drawer_handle import Drawer
from wavesweep.workspace.directory import RunDirectory

CURVE = "learning_curve"


@dataclass
class Pictures:
    """Observes an experiment: leaves what its pictures show, and has them drawn.

    Attributes:
        directory: Of the run.
        config: What is run.
        drawer: Draws, after what it was told before.
        number: How many it was told to draw.
    """

    directory: RunDirectory
    config: Resolved
    drawer: Drawer
    number: int = field(default=0, init=False)

    def on(self, event: Event) -> None:
        """Have drawn what there is to be drawn, unless that was done."""
        if isinstance(event, Drawable) and not self.directory.figure(event.name).exists():
            self._leave(event.name, event.shown)
        elif isinstance(event, Kept):
            self._leave_curve(event.epoch)

    def take_up(self) -> None:
        """Have drawn what a run that goes on had left undrawn: its drawer may have been killed with it."""
        for path in self.directory.all_shown():
            picture = self.directory.figure(path.stem)
            if not picture.exists():
                self.drawer.draw(path, picture)
                self.number += 1

    def give_up(self) -> None:
        """Have the learning curve drawn of a run that is given up: of all else, what there was is drawn."""
        self._leave_curve(_best_epoch(self.directory, self.config))

    def _leave_curve(self, kept: int | None) -> None:
        start = self.config.model.forecasts_by(0)
        main_epochs = self.config.training.epochs if self.config.model.has_gradient else 1
        self._leave(CURVE, shown_curve(self.directory.read_metrics(), kept, start, main_epochs))

    def _leave(self, name: str, shown: Shown) -> None:
        path = self.directory.shown_by(name)
        write_atomically(path, pack(shown))
        self.drawer.draw(path, self.directory.figure(name))
        self.number += 1


def shown_curve(records: Sequence[dict[str, Any]], kept: int | None, start: str, main_epochs: int) -> ShownCurve:
    """Return what the learning curve of records shows; for the rest, see `ShownCurve`."""
    rows = [row for row in records if "epoch" in row]
    names = [watched(name, rows[0]) if rows else name for name in CURVES]
    return ShownCurve(
        start=start,
        kept=kept,
        main_epochs=main_epochs,
        epoch=np.array([row["epoch"] for row in rows], dtype=int),
        evaluations=np.array([row["evaluations"] for row in rows], dtype=float),
        seconds=np.array([row["seconds"] for row in rows], dtype=float),
        # Null is what was not finite.
        curves={name: np.array([math.nan if row[name] is None else row[name] for row in rows]) for name in names},
    )


def _best_epoch(directory: RunDirectory, config: Resolved) -> int | None:
    """Return the epoch whose weights were kept so far, None where none was: see `Selection.consider`."""
    objectives = {epoch: value for epoch, value in directory.read_objectives().items() if value < math.inf}
    if config.training.keep == "last":
        return max(objectives, default=None)
    return min(objectives, key=lambda epoch: objectives[epoch], default=None)
