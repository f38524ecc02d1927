"""How long a server may take to answer, and how much it may send.

MLflow's own settings bound each silence of a request and how often it is tried. They don't bound an answer that comes
a byte now and then, or a chain of redirections: so each call is given up as a whole too, here and nowhere else.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar, cast

from wavesweep.trackers.mlflow.limits import Asker, count_answers
from wavesweep.tracking.patience import seconds

Asked = TypeVar("Asked")

SLOWEST = 10_000  # bytes a second of a file on its way
MOST_WAITING = 8  # calls without an answer, given up ones included, before nothing more is asked
QUESTION = "wavesweep question"  # the name of the threads that ask


class NoAnswer(TimeoutError):
    """A server has not answered in time."""

    def __init__(self, silence: float) -> None:
        super().__init__(f"no answer within {silence:g} s; MLFLOW_HTTP_REQUEST_TIMEOUT=60 waits longer")


def bounded(asked: Asked, *, impatient: bool = False, num_bytes: int = 0) -> Asked:
    """Return what stands for an object that asks a server: each call of its methods is given up after a time.

    What is given up may be carried out late, as a request may whose answer is lost. Python does not wait for it in
    the end.

    Args:
        asked: Whose methods send one large request each, at most.
        impatient: Whether somebody waits for a first answer.
        num_bytes: Of the file that it sends or fetches, which gets more time, and may be so much larger.
    """
    count_answers()
    silence, whole = seconds(impatient=impatient)
    return cast("Asked", _Bounded(asked, silence, whole + num_bytes / SLOWEST, num_bytes))


class _Bounded:
    def __init__(self, asked: object, silence: float, whole: float, num_bytes: int) -> None:
        self._asked = asked
        self._silence = silence
        self._whole = whole
        self._num_bytes = num_bytes

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._asked, name)
        return partial(self._call, value) if callable(value) else value

    def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call a function in a thread of its own.

        Raises:
            NoAnswer: If it takes too long, or too many others wait still.
            MlflowException: If a server sends too much; its cause is `TooMuch`.
            Exception: Whatever the function raises.
        """
        if sum(thread.name == QUESTION for thread in threading.enumerate()) >= MOST_WAITING:
            raise NoAnswer(self._silence)
        answer: Future[Any] = Future()

        def ask() -> None:
            try:
                answer.set_result(function(*args, **options))
            except BaseException as error:
                answer.set_exception(error)

        asker = Asker(ask, QUESTION, self._num_bytes)
        asker.start()
        wait([answer], self._whole)
        if not answer.done():
            asker.is_given_up = True
            raise NoAnswer(self._silence)
        return answer.result()
