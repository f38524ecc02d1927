"""SIGTERM and Ctrl-C: at the start they end the program; while a run works, they set a mark that it looks at.

An exception out of a signal handler could strike within the writing of a file, or within a library that swallows
it; the work looks at the mark where it can stop in order.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupted(BaseException):
    """A signal that asks the program to end; like KeyboardInterrupt, no error that a job's failure would catch."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class _Mark:
    """The first signal that came, and when."""

    signum: int | None = None
    since = 0.0
    deferred = False


def watch() -> None:
    """Let SIGTERM and SIGINT raise `Interrupted`, unless whoever started the program lets them be ignored."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _receive)


@contextmanager
def watched() -> Iterator[None]:
    """Watch meanwhile, in a process that isn't ours."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    watch()
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def defer() -> None:
    """From now on, only mark what comes."""
    _Mark.deferred = True


@contextmanager
def deferred() -> Iterator[None]:
    """Only mark what comes meanwhile."""
    before = _Mark.deferred
    defer()
    try:
        yield
    finally:
        _Mark.deferred = before


def pending() -> bool:
    """Say whether a signal has come."""
    return _Mark.signum is not None


def waited() -> float:
    """Return the seconds since a signal came, 0 where none has."""
    return time.monotonic() - _Mark.since if pending() else 0.0


def check(patience: float = 0.0) -> None:
    """Stop here if a signal has come.

    Args:
        patience: Seconds that it may wait, for a better place to stop.

    Raises:
        Interrupted: If one came that long ago.
    """
    if _Mark.signum is not None and waited() >= patience:
        raise Interrupted(_Mark.signum)


def _receive(signum: int, _: Any) -> None:
    if not pending():
        _Mark.signum, _Mark.since = signum, time.monotonic()
    if not _Mark.deferred:
        check()
