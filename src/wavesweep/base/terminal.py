"""Terminals and pipes: progress on stderr, results on stdout; rich on a terminal, else plain lines."""

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TypeVar

from wavesweep.base.names import TRAIN_LOSS

log = logging.getLogger("wavesweep")
T = TypeVar("T")


class Stderr(logging.StreamHandler):
    """Logs to the current stderr, so that lines stand above a progress bar instead of within it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> object:  # type: ignore[override]
        """The stream to write to."""
        return sys.stderr


class LogFile(logging.FileHandler):
    """A log that is silent where it can't be written: the run itself says so, and goes on to its end."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if that can be done."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Do without the record."""


def track(items: list[T], what: str) -> Iterable[T]:
    """Iterate over items, on a terminal with a progress bar that disappears in the end."""
    if not items or not interactive():
        return items
    from rich.console import Console
    from rich.progress import track as rich_track

    return rich_track(items, what, console=Console(stderr=True), transient=True)


def interactive() -> bool:
    """Say whether stderr is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def say(text: str) -> None:
    """Print a result; a closed pipe or a character that the encoding lacks is no failure."""
    try:
        if sys.stdout.isatty():
            _say_in_colour(text)
        else:
            encoding = sys.stdout.encoding or "utf-8"
            print(text.encode(encoding, "replace").decode(encoding), flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  or Python tries again at its end


def _say_in_colour(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    coloured = Text(text)
    coloured.highlight_regex(r"(?m)\A.*$|^  .*\((?:test|validation)\).*$", "bold")
    coloured.highlight_regex(r"The network beats every baseline", "bold green")
    coloured.highlight_regex(r"The network does not beat [\w ]+|The run diverged", "bold yellow")
    Console(highlight=False).print(coloured, soft_wrap=True)


Listener = Callable[[int, dict[str, float], int], None]
"""Called at each recorded epoch, with its metrics and the number of epochs in all; may raise Pruned to end the run."""

Show = Callable[[str, int, int, str], None]
"""Shows what is at work, how much is done, of how much in all, and its scores."""


SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress(objective: str, best: float = math.inf) -> Iterator[Listener]:
    """Show the progress of a run: a bar on a terminal that can move its cursor, else a line every few seconds.

    Args:
        objective: The metric to show.
        best: Its best value so far, of a run that is resumed.
    """
    name, shown = ("val", bar()) if interactive() else (objective, nullcontext(_lines()))
    with shown as show:

        def listen(epoch: int, metrics: dict[str, float], epochs: int) -> None:
            nonlocal best
            best = min(best, metrics[objective])
            scores = f"loss {metrics[TRAIN_LOSS]:.2e}  {name} {metrics[objective]:.2e}  best {best:.2e}"
            show(f"epoch {epoch}/{epochs}", epoch, epochs, scores)

        yield listen


def _lines() -> Show:
    """Return what logs an epoch, unless it comes soon after another."""
    due = time.monotonic() + SECONDS_BETWEEN_LINES

    def show(what: str, done: int, total: int, scores: str) -> None:
        nonlocal due
        if time.monotonic() >= due or done == total:
            due = time.monotonic() + SECONDS_BETWEEN_LINES
            log.info("%s  %s", what, scores)

    return show


@contextmanager
def bar() -> Iterator[Show]:
    """Show a bar with the time that is left, gone in the end; what goes to stderr meanwhile stands above it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    what, scores, left = (TextColumn(f"{{task.{name}}}") for name in ("description", "fields[scores]", "fields[left]"))
    columns = [what, BarColumn(bar_width=None), scores, TimeRemainingColumn(compact=True), left]
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, console=console, transient=True, refresh_per_second=4, expand=True) as shown:
        task = shown.add_task("starting", total=None, scores="", left="")

        def show(what: str, done: int, total: int, scores: str) -> None:
            shown.update(task, completed=done, total=total, description=what, scores=scores, left="left")

        yield show
