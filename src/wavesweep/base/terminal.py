"""Terminals and pipes: progress on stderr, results on stdout; rich on a terminal, else plain lines."""

import logging
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeVar

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
