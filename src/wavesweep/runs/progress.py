"""The progress of a run before its user's eyes."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from wavesweep.base.terminal import Bar, interactive, log
from wavesweep.evaluation.metric_names import TRAIN_LOSS

Listener = Callable[[int, dict[str, float], int], None]
"""Called at each recorded epoch, with its metrics and the number of epochs in all; may raise Pruned to end the run."""

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress(objective: str, best: float = math.inf) -> Iterator[Listener]:
    """Show the progress of a run: a bar on a terminal that can move its cursor, else a line every few seconds.

    Args:
        objective: The metric to show.
        best: Its best value so far, of a run that is resumed.
    """
    moves = interactive()
    name = "val" if moves else objective  # the bar leaves little room
    with Bar(timed=True) if moves else nullcontext(_Lines()) as view:

        def listen(epoch: int, metrics: dict[str, float], epochs: int) -> None:
            nonlocal best
            best = min(best, metrics[objective])
            scores = f"loss {metrics[TRAIN_LOSS]:.2e}  {name} {metrics[objective]:.2e}  best {best:.2e}"
            view.show(f"epoch {epoch}/{epochs}", epoch, epochs, scores)

        yield listen


class _Lines:
    """Logs an epoch, unless it comes soon after another."""

    def __init__(self) -> None:
        self._due = time.monotonic() + SECONDS_BETWEEN_LINES

    def show(self, what: str, done: int, total: int, scores: str) -> None:
        if time.monotonic() >= self._due or done == total:
            self._due = time.monotonic() + SECONDS_BETWEEN_LINES
            log.info("%s  %s", what, scores)
