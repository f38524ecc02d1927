"""A run within a program that isn't ours, such as a notebook: between its events, the process is that program's."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, TypeVar

import torch

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.signals import Interrupted
from wavesweep.experiment.events import Finished
from wavesweep.runs.execute import to_the_end

if TYPE_CHECKING:
    from wavesweep.experiment.events import Event

T = TypeVar("T")
_running = threading.Lock()


@contextmanager
def alone() -> Iterator[None]:
    """Make sure that this process runs nothing else meanwhile: torch's generator and threads belong to all of it.

    Raises:
        Refused: If it does.
    """
    if not _running.acquire(blocking=False):
        raise Refused(
            "this process runs another run now, and torch's random generator and threads belong to all of it; "
            "end that (the iterator of `iterate` by its close()), or run this in another process"
        )
    try:
        yield
    finally:
        _running.release()


def at_once(events: Generator["Event", None, T]) -> T:
    """Let a run go on to its end, and return its outcome; raises as `step_by_step` does."""
    with _Torch().lent(), signals.handing_on():
        return to_the_end(events)


def step_by_step(events: Generator["Event", None, T]) -> Generator["Event", None, T]:
    """Let a run go on an event at a time; whoever leaves off ends it as Ctrl-C does, so that it can be resumed.

    Raises:
        KeyboardInterrupt: After Ctrl-C, by Python's own handler.
        Interrupted: After another signal, whose handler does not raise.
    """
    borrowed = _Torch()
    event = None
    try:
        while True:
            with borrowed.lent(), signals.handing_on():
                try:
                    event = next(events)
                except StopIteration as ended:
                    return ended.value
                if signals.pending():  # the run ends before the program's own handler gets the signal
                    to_the_end(events)
            yield event
    finally:
        is_over = isinstance(event, Finished)  # but for its last delivery
        asking = nullcontext() if is_over else signals.asking_to_end()
        with borrowed.lent(), signals.handing_on(), asking, suppress(Interrupted):
            to_the_end(events)


class _Torch:
    """torch's random generator and threads, which the run and the program around it take turns to use."""

    def __init__(self) -> None:
        self._of_the_run = torch.get_rng_state(), torch.get_num_threads()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let the run have them as it has left them; put back what was there."""
        before = _take(self._of_the_run)
        try:
            yield
        finally:
            self._of_the_run = _take(before)


def _take(state: tuple[torch.Tensor, int]) -> tuple[torch.Tensor, int]:
    """Take up a state; return the one before."""
    before = torch.get_rng_state(), torch.get_num_threads()
    random, num_threads = state
    torch.set_rng_state(random)
    torch.set_num_threads(num_threads)
    return before
