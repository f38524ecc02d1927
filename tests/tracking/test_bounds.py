"""What is asked of a server is given up after a time, and nothing more while too much has been given up."""

import time
from threading import Event

import pytest

from wavesweep.trackers.mlflow.bounds import MOST_WAITING, PATIENT, SECONDS_MORE, bounded, seconds


class Asked:
    """Stands for a client whose server is silent until it is released."""

    def __init__(self) -> None:
        self.released = Event()
        self.count = 0

    def ask(self) -> str:
        self.count += 1
        self.released.wait()
        return "answer"

    def fail(self) -> None:
        raise ZeroDivisionError


def test_an_answer_without_an_end_is_given_up_and_costs_so_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PATIENT:
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr("wavesweep.trackers.mlflow.bounds.SECONDS_MORE", 0.01)
    asked = Asked()
    for _ in range(MOST_WAITING + 3):
        with pytest.raises(TimeoutError):
            bounded(asked).ask()
    assert asked.count == MOST_WAITING
    asked.released.set()
    until = time.monotonic() + 10
    while True:
        try:
            assert bounded(asked).ask() == "answer"
            return
        except TimeoutError:
            assert time.monotonic() < until


def test_a_call_is_given_up_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PATIENT:
        monkeypatch.setenv(name, "0")
    asked, began = Asked(), time.monotonic()
    with pytest.raises(TimeoutError):
        bounded(asked).ask()
    assert SECONDS_MORE <= time.monotonic() - began < 4 * SECONDS_MORE
    asked.released.set()


def test_what_fails_fails_as_it_would() -> None:
    with pytest.raises(ZeroDivisionError):
        bounded(Asked()).fail()


def test_who_waits_before_anything_has_begun_waits_for_less_unless_the_user_has_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in PATIENT:
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):  # before MLflow is told, and after
        assert seconds() == (5, 15.5)
        assert seconds(impatient=True) == (3, 3.5)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    assert seconds(impatient=True) == (60, 60.5)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "2")
    assert seconds() == seconds(impatient=True) == (60, 2 * (60 + 4) + 0.5)
