"""The drawer: draws the pictures of a run from what it has left in its directory, and from that alone."""

import math
from dataclasses import dataclass
from pathlib import Path

from hydra_queue_sweeper.base.files import read_small, write_atomically
from wavesweep.config.config import Resolved
from wavesweep.drawing.drift import draw_drift
from wavesweep.drawing.forecasts import draw_forecasts
from wavesweep.drawing.learning_curve import draw_learning_curve
from wavesweep.evaluation.shown import ShownForecasts, pack, unpack
from wavesweep.experiment.events import Drawable, Event, Finished
from wavesweep.workspace.directory import RunDirectory

MOST_SHOWN = 1 << 30  # bytes


@dataclass
class Drawer:
    """Observes an experiment: leaves what its pictures show, and draws them.

    Attributes:
        directory: Of the run.
        config: What is run.
    """

    directory: RunDirectory
    config: Resolved

    def on(self, event: Event) -> None:
        """Draw what there is to be drawn, unless that was done."""
        if isinstance(event, Drawable) and not self.directory.figure(event.name).exists():
            path = self.directory.shown / f"{event.name}.safetensors"
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, pack(event.shown))
            _draw_shown(self.directory, path)
        elif isinstance(event, Finished):
            _draw_curve(self.directory, self.config, event.result.epoch)


def draw(directory: RunDirectory, config: Resolved) -> None:
    """Draw all pictures of a run that has ended, or was given up.

    Raises:
        Refused: If its files can't be read.
    """
    for path in sorted(directory.shown.glob("*.safetensors")):
        _draw_shown(directory, path)
    if directory.read_info().status in ("finished", "diverged"):
        _draw_curve(directory, config, directory.read_kept_epoch())
    else:
        draw_given_up(directory, config)


def draw_given_up(directory: RunDirectory, config: Resolved) -> None:
    """Draw the learning curve of a run that is given up: of all else, what there was is drawn."""
    _draw_curve(directory, config, _best_epoch(directory, config))


def _draw_shown(directory: RunDirectory, path: Path) -> None:
    shown = unpack(read_small(path, MOST_SHOWN))
    picture = directory.figure(path.stem)
    if isinstance(shown, ShownForecasts):
        draw_forecasts(shown, picture)
    else:
        draw_drift(shown, picture)


def _draw_curve(directory: RunDirectory, config: Resolved, kept: int | None) -> None:
    main_epochs = config.training.epochs if config.model.has_gradient else 1
    start = config.model.forecasts_by(0)
    draw_learning_curve(directory.read_metrics(), kept, start, main_epochs, directory.figure("learning_curve"))


def _best_epoch(directory: RunDirectory, config: Resolved) -> int | None:
    """Return the epoch whose weights were kept so far, None where none was: see `Selection.consider`."""
    objectives = {epoch: value for epoch, value in directory.read_objectives().items() if value < math.inf}
    if config.training.keep == "last":
        return max(objectives, default=None)
    return min(objectives, key=lambda epoch: objectives[epoch], default=None)
