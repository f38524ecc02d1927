"""Terminals and pipes: progress on stderr, results on stdout; rich on a terminal, else plain lines."""

import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

log = logging.getLogger("hydra_queue_sweeper")
T = TypeVar("T")


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
