"""Terminals and pipes: progress on stderr, results on stdout; rich on a terminal, else plain lines."""

import io
import logging
import math
import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Self, TypeVar

from wavesweep.base.names import TRAIN_LOSS

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Group

log = logging.getLogger("wavesweep")
T = TypeVar("T")


class Output(io.FileIO):
    """A standard stream whose writing never fails: what can't be written is gone, and all that follows it.

    Args:
        descriptor: The stream's.
        nowhere: The descriptor of the null device, which takes its place.

    Attributes:
        failure: Why it could not be written, if so, and not because nobody reads it any more.
    """

    def __init__(self, descriptor: int, nowhere: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: OSError | None = None
        self._nowhere, self._is_terminal = nowhere, self.isatty()

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write bytes; where that fails, let this process and those that it starts write nowhere from now on."""
        try:
            while (count := super().write(data)) is None:  # a pipe that another program made non-blocking is full
                select.select([], [self], [])
        except OSError as error:
            if not (isinstance(error, ConnectionError) or self._is_terminal):  # as of `| head`, or closed by its user
                self.failure = error
            os.dup2(self._nowhere, self.fileno())
            return memoryview(data).nbytes
        return count


def guard_streams() -> list[Output]:
    """Let nothing fail in this process because a standard stream is closed, full, or read by nobody.

    Returns:
        Standard output and standard error.
    """
    # Each takes the lowest number that is free; else a database, opened next, would be written into as a stream.
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(nowhere, True)
    outputs = [Output(1, nowhere), Output(2, nowhere)]
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            io.BufferedWriter(output), stream.encoding if stream else "utf-8", errors="replace", line_buffering=True
        )
        for output, stream in zip(outputs, (sys.stdout, sys.stderr), strict=True)
    )
    return outputs


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
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def say(text: str) -> None:
    """Print a result."""
    if sys.stdout is not None and sys.stdout.isatty():
        _say_in_colour(text)
    else:
        print(text, flush=True)


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

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress(objective: str, best: float = math.inf) -> Iterator[Listener]:
    """Show the progress of a run: a bar on a terminal that can move its cursor, else a line every few seconds.

    Args:
        objective: The metric to show.
        best: Its best value so far, of a run that is resumed.
    """
    name, shown = ("val", Bar(timed=True)) if interactive() else (objective, nullcontext(_Lines()))
    with shown as view:

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


class Bar:
    """A bar on a terminal with lines below it, gone in the end; what goes to stderr meanwhile stands above it.

    Args:
        timed: Whether to show the time left as far as the latest steps tell it.
    """

    def __init__(self, *, timed: bool) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        what, scores, left = (
            TextColumn(f"{{task.{one}}}") for one in ("description", "fields[scores]", "fields[left]")
        )
        time_left = [TimeRemainingColumn(compact=True), left] if timed else []
        self._console = Console(stderr=True, soft_wrap=True)
        self._bar = Progress(what, BarColumn(bar_width=None), scores, *time_left, console=self._console, expand=True)
        self._task = self._bar.add_task("starting", total=None, scores="", left="")
        self._status, self._rows = "", []
        self._live = Live(get_renderable=self._render, console=self._console, transient=True)

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self._live.stop()

    @property
    def width(self) -> int:
        """The columns of the terminal."""
        return self._console.width

    def show(
        self, what: str, done: int, total: int, scores: str, status: str = "", rows: Sequence[Sequence[str]] = ()
    ) -> None:
        """Show what is at work, how much is done, of how much in all, and its scores.

        Args:
            what: Stands before the bar.
            done: Of `total`.
            total: In all.
            scores: Stands behind the bar.
            status: A line below it.
            rows: Of a table below that, whose second column gives way where the terminal is narrow.
        """
        self._status, self._rows = status, rows
        self._bar.update(self._task, completed=done, total=total, description=what, scores=scores, left="left")

    def _render(self) -> "Group":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2, 0, 0))
        for index in range(max(map(len, self._rows), default=0)):
            table.add_column(justify="right" if index > 1 else "left", no_wrap=index != 1)
        for row in self._rows:
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
        status = [Text(self._status, no_wrap=True, overflow="ellipsis")] if self._status else []
        return Group(self._bar, *status, *([table] if self._rows else []))
