"""What is asked of a server is given up after a time, and nothing more while too much has been given up."""

import time
from threading import Event

import pytest

from wavesweep.tracking.answers import MOST_GIVEN_UP, bounded


def test_an_answer_without_an_end_is_given_up_and_costs_so_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TIMEOUT", "0"), ("MAX_RETRIES", "0"), ("BACKOFF_FACTOR", "0"), ("BACKOFF_JITTER", "0")):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    monkeypatch.setattr("wavesweep.tracking.answers.SECONDS_MORE", 0.01)
    released, asked = Event(), []

    def ask() -> str:
        asked.append(1)
        released.wait()
        return "answer"

    for _ in range(MOST_GIVEN_UP + 3):
        with pytest.raises(TimeoutError):
            bounded(ask)
    assert len(asked) == MOST_GIVEN_UP
    released.set()
    until = time.monotonic() + 10
    while True:
        try:
            assert bounded(lambda: "answer") == "answer"
            return
        except TimeoutError:
            assert time.monotonic() < until


def test_what_fails_fails_as_it_would() -> None:
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 / 0)
