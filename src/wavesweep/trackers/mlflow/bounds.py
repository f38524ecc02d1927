"""How long a server may take to answer.

MLflow's own settings bound each silence of a request and how often it is tried. They don't bound an answer that comes
a byte now and then, or a chain of redirections: so each call is given up as a whole too, here and nowhere else.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar, cast

from hydra_queue_sweeper.base.errors import Refused

Asked = TypeVar("Asked")

PATIENT = {  # by default MLflow tries for four minutes to reach a server that isn't there
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
"""What MLflow is told, where the user has not chosen otherwise."""
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""What calls are bounded by instead while somebody waits for a first answer; MLflow isn't told."""
SECONDS_MORE = 0.5  # of a call, than its requests may be silent
LONGEST_PAUSE = 120.0  # between two tries, by urllib3
SLOWEST = 10_000  # bytes a second of a file on its way
MOST_WAITING = 8  # calls without an answer, given up ones included, before nothing more is asked
QUESTION = "wavesweep question"  # the name of the threads that ask


class NoAnswer(TimeoutError):
    """A server has not answered in time."""

    def __init__(self, silence: float) -> None:
        super().__init__(f"no answer within {silence:g} s; MLFLOW_HTTP_REQUEST_TIMEOUT=60 waits longer")


def seconds(*, impatient: bool = False) -> tuple[float, float]:
    """Return how long a request may be silent, and how long a whole call may take; tell MLflow of its requests.

    A call may take as long as its request and all repetitions may be silent: given up earlier, it could still be
    carried out by one of them, after what has been asked since.

    Args:
        impatient: Whether somebody waits for a first answer: less time then, unless the user has chosen how much.
            What is asked so must do no harm if it is carried out late.

    Raises:
        Refused: If one of MLflow's settings is no number.
    """
    for name, text in PATIENT.items():
        os.environ.setdefault(name, text)
    silence = _setting("TIMEOUT", impatient=impatient)
    retries = _setting("MAX_RETRIES", impatient=impatient)
    pause = _setting("BACKOFF_FACTOR") * 2 ** min(retries, 10) + _setting("BACKOFF_JITTER")
    return silence, (retries + 1) * (silence + min(pause, LONGEST_PAUSE)) + SECONDS_MORE


def _setting(name: str, *, impatient: bool = False) -> float:
    name = f"MLFLOW_HTTP_REQUEST_{name}"
    text = os.environ[name]
    if impatient and text == PATIENT[name]:  # the user has not chosen it
        text = IMPATIENT[name]
    try:
        return float(text)
    except ValueError:
        raise Refused(f"{name} must be a number, got {text}; correct it") from None


def bounded(asked: Asked, *, impatient: bool = False, num_bytes: int = 0) -> Asked:
    """Return what stands for an object that asks a server: each call of its methods is given up after a time.

    What is given up may be carried out late, as a request may whose answer is lost. Python does not wait for it in
    the end.

    Args:
        asked: Whose methods send one large request each, at most.
        impatient: Whether somebody waits for a first answer.
        num_bytes: Of the file that it sends or fetches, which gets more time.
    """
    silence, whole = seconds(impatient=impatient)
    return cast("Asked", _Bounded(asked, silence, whole + num_bytes / SLOWEST))


class _Bounded:
    def __init__(self, asked: object, silence: float, whole: float) -> None:
        self._asked = asked
        self._silence = silence
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._asked, name)
        return partial(self._call, value) if callable(value) else value

    def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call a function in a thread of its own.

        Raises:
            NoAnswer: If it takes too long, or too many others wait still.
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

        threading.Thread(target=ask, name=QUESTION, daemon=True).start()
        wait([answer], self._whole)
        if not answer.done():
            raise NoAnswer(self._silence)
        return answer.result()
