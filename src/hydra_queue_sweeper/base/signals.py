"""SIGTERM and Ctrl-C: they end the program at once, or, while a run works, are recorded until it can stop in order.

An exception out of a signal handler could strike within the writing of a file, or within a library that swallows
it; so the work asks for recorded signals where it can stop.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Timer, current_thread, main_thread
from typing import Any

SECONDS_TO_LEAVE = 0.1  # the place that drops exceptions


class Interrupted(BaseException):
    """A signal that asks the program to end; like KeyboardInterrupt, no error that a job's failure would catch."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class _Mark:
    """The first signal that was received, and when."""

    signum: int | None = None
    since = 0.0
    deferred = False


def watch() -> None:
    """Let SIGTERM and SIGINT raise `Interrupted`, unless the program was started with them ignored."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _receive)
    sys.unraisablehook = partial(_send_again, otherwise=sys.unraisablehook)


@contextmanager
def watched() -> Iterator[None]:
    """Handle signals as `watch` does within the context, in a process that another program owns."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    hook = sys.unraisablehook
    watch()
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        sys.unraisablehook = hook


@contextmanager
def handing_on() -> Iterator[None]:
    """Watch signals within the context, for a program that isn't ours; then give a signal that came to its own handler.

    Outside the main thread, where Python delivers no signals, nothing is watched.

    Raises:
        KeyboardInterrupt: After Ctrl-C, by Python's own handler.
        Interrupted: If the work was stopped, and the program's handler does not raise.
    """
    if current_thread() is not main_thread():
        yield
        return
    interrupted = None
    try:
        with watched():
            yield
    except Interrupted as error:
        interrupted = error
    finally:
        came = _Mark.signum
        _Mark.signum = None
    if came is not None:
        signal.raise_signal(came)
    if interrupted:
        raise interrupted


@contextmanager
def asking_to_end() -> Iterator[None]:
    """Let work within the context end as after Ctrl-C, though none was pressed."""
    _Mark.signum, _Mark.since = signal.SIGINT, time.monotonic()
    try:
        yield
    finally:
        _Mark.signum = None


def defer() -> None:
    """Record signals from now on instead of raising."""
    _Mark.deferred = True


@contextmanager
def deferred() -> Iterator[None]:
    """Record signals within the context instead of raising."""
    before = _Mark.deferred
    defer()
    try:
        yield
    finally:
        _Mark.deferred = before


def pending() -> bool:
    """Say whether a signal was recorded."""
    return _Mark.signum is not None


def waited() -> float:
    """Return the seconds since a signal was recorded, 0 where none was."""
    return time.monotonic() - _Mark.since if pending() else 0.0


def check(patience: float = 0.0) -> None:
    """Raise if a signal was recorded.

    Args:
        patience: Seconds that it may wait, for a better place to stop.

    Raises:
        Interrupted: If one came that long ago.
    """
    if _Mark.signum is not None and waited() >= patience:
        raise Interrupted(_Mark.signum)


def _receive(signum: int, _: Any) -> None:
    if not pending():
        _Mark.signum = signum
        _Mark.since = time.monotonic()
    if not _Mark.deferred:
        check()


def _send_again(dropped: Any, otherwise: Callable[[Any], object]) -> None:
    """Send a signal anew whose exception Python dropped, as in a destructor or the callback of a weak reference.

    Each import runs such a callback.
    """
    if not isinstance(dropped.exc_value, Interrupted):
        otherwise(dropped)
        return
    try:
        Timer(SECONDS_TO_LEAVE, _send_pending).start()
    except RuntimeError:
        return  # no thread begins any more: the interpreter ends
    except Interrupted:
        _send_again(dropped, otherwise)  # it came before this was left


def _send_pending() -> None:
    """Send the signal that was recorded to the main thread, unless it was answered and forgotten meanwhile."""
    ident = main_thread().ident
    if _Mark.signum is not None and ident is not None:
        signal.pthread_kill(ident, _Mark.signum)
