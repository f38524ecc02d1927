"""Repeating an action in a thread beside the work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeating(action: Callable[[], bool], seconds: float) -> Iterator[None]:
    """Call an action in a thread meanwhile, that many seconds after its last return, until it returns False."""
    ended = Event()

    def repeat() -> None:
        while not ended.wait(seconds) and action():
            pass

    thread = Thread(target=repeat, name="repeating", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
