"""Terminals and pipes: progress on stderr, results on stdout; rich on a terminal, else plain lines."""

import io
import logging
import os
import select
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TextIO, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Group, RenderableType

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
        self._nowhere = nowhere
        self._is_terminal = self.isatty()

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write bytes; where that fails, let this process and those that it starts write nowhere from now on."""
        try:
            while (count := super().write(data)) is None:  # a pipe that another program made non-blocking is full
                select.select([], [self], [])
        except OSError as error:
            unread = isinstance(error, ConnectionError)  # as of `| head`
            if not unread and not self._is_terminal:  # which its user has closed
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
    sys.stdout = _as_text(outputs[0], sys.stdout)
    sys.stderr = _as_text(outputs[1], sys.stderr)
    return outputs


def _as_text(output: Output, before: TextIO | None) -> TextIO:
    """Return a stream of text that writes to an output, encoded as the stream before it, which may be closed."""
    encoding = before.encoding if before else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(output), encoding, errors="replace", line_buffering=True)


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


def say(text: str, styles: Mapping[str, str] | None = None) -> None:
    """Print a result.

    Args:
        text: Its lines. On a terminal, the first is bold.
        styles: What else stands out there: patterns, each with its style as rich names it.
    """
    if sys.stdout is None or not sys.stdout.isatty():
        print(text, flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    coloured = Text(text)
    coloured.highlight_regex(r"\A.*", "bold")
    for pattern, style in (styles or {}).items():
        coloured.highlight_regex(pattern, style)
    Console(highlight=False).print(coloured, soft_wrap=True)


class Bar:
    """A bar on a terminal with lines below it, gone in the end; what goes to stderr meanwhile stands above it.

    Args:
        timed: Whether to show the time left as far as the latest steps tell it.
    """

    def __init__(self, *, timed: bool) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[scores]}")]
        if timed:
            columns += [TimeRemainingColumn(compact=True), TextColumn("{task.fields[left]}")]
        self._console = Console(stderr=True, soft_wrap=True)
        self._bar = Progress(*columns, console=self._console, expand=True)
        self._task = self._bar.add_task("starting", total=None, scores="", left="")
        self._status = ""
        self._rows: Sequence[Sequence[str]] = []
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
        self._status = status
        self._rows = rows
        self._bar.update(self._task, completed=done, total=total, description=what, scores=scores, left="left")

    def _render(self) -> "Group":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        def cut(line: str) -> Text:
            return Text(line, no_wrap=True, overflow="ellipsis")

        shown: list[RenderableType] = [self._bar]
        if self._status:
            shown.append(cut(self._status))
        if self._rows:
            table = Table.grid(padding=(0, 2, 0, 0))
            for index in range(max(map(len, self._rows))):
                table.add_column(justify="right" if index > 1 else "left", no_wrap=index != 1)
            for row in self._rows:
                table.add_row(*map(cut, row))
            shown.append(table)
        return Group(*shown)
