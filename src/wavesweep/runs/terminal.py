"""The progress of a run before its user's eyes."""

import math
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from hydra_queue_sweeper.base.terminal import Bar, interactive
from wavesweep.base.streams import log
from wavesweep.evaluation.metric_names import TRAIN_LOSS, watched

if TYPE_CHECKING:
    from wavesweep.experiment.events import Event, Phase, Recorded

SECONDS_BETWEEN_LINES = 5.0


class Terminal(AbstractContextManager["Terminal"]):
    """Observes an experiment, and shows how it goes: by a bar where the cursor moves, else a line every few seconds.

    Args:
        objective: The metric to show.
        best: Its best value so far, of a run that is resumed.
    """

    def __init__(self, objective: str, best: float = math.inf) -> None:
        self.objective, self.best = objective, best
        self.bar = Bar(timed=True) if interactive() else None
        self.due = time.monotonic() + SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        """Begin to show."""
        if self.bar:
            self.bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what moves."""
        if self.bar:
            self.bar.__exit__()

    def on(self, event: "Event") -> None:
        """Show how training goes, and what comes after it."""
        from wavesweep.experiment.events import Phase, Recorded

        if isinstance(event, Recorded):
            self._show_epoch(event)
        elif isinstance(event, Phase) and event.name != "training":
            self._show_phase(event)

    def _show_epoch(self, event: "Recorded") -> None:
        watched_name = watched(self.objective, event.metrics)
        value = event.metrics[watched_name]
        self.best = min(self.best, value)
        name = "val" if self.bar else watched_name  # the bar leaves little room
        scores = f"loss {event.metrics[TRAIN_LOSS]:.2e}  {name} {value:.2e}  best {self.best:.2e}"
        what = f"epoch {event.epoch}/{event.epochs}"
        if self.bar:
            self.bar.show(what, event.epoch, event.epochs, scores)
        elif time.monotonic() >= self.due or event.epoch == event.epochs:
            self._log(f"{what}  {scores}")

    def _show_phase(self, event: "Phase") -> None:
        if self.bar:
            self.bar.show(event.name, event.done, event.total, "")
        elif time.monotonic() >= self.due:
            self._log(f"{event.name} {event.done}/{event.total}")

    def _log(self, line: str) -> None:
        self.due = time.monotonic() + SECONDS_BETWEEN_LINES
        log.info(line)
