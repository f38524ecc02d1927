"""What is asked of a server is given up after a time, and nothing more while too much has been given up."""

import time
from threading import Event

import pytest

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow.bounds import MOST_WAITING, bounded
from wavesweep.tracking.patience import PATIENT, check_settings, seconds


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
    monkeypatch.setattr("wavesweep.trackers.mlflow.bounds.seconds", lambda **_: (0.0, 0.01))
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
    monkeypatch.setattr("wavesweep.trackers.mlflow.bounds.seconds", lambda **_: (0.0, 0.5))
    asked, began = Asked(), time.monotonic()
    with pytest.raises(TimeoutError):
        bounded(asked).ask()
    assert 0.5 <= time.monotonic() - began < 2
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


REQUEST = "MLFLOW_HTTP_REQUEST_"
COUNT = "must be a whole number from"


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        (f"{REQUEST}MAX_RETRIES", "inf", f"{COUNT} 0 to 10"),
        (f"{REQUEST}MAX_RETRIES", "nan", f"{COUNT} 0 to 10"),
        (f"{REQUEST}MAX_RETRIES", "-1", f"{COUNT} 0 to 10"),
        (f"{REQUEST}MAX_RETRIES", "1.5", f"{COUNT} 0 to 10"),
        (f"{REQUEST}MAX_RETRIES", "100000", f"{COUNT} 0 to 10"),
        (f"{REQUEST}TIMEOUT", "0", f"{COUNT} 1 to 86400"),
        (f"{REQUEST}TIMEOUT", "", f"{COUNT} 1 to 86400"),
        (f"{REQUEST}TIMEOUT", "1e18", f"{COUNT} 1 to 86400"),
        (f"{REQUEST}TIMEOUT", "9" * 5000, f"{COUNT} 1 to 86400"),
        (f"{REQUEST}BACKOFF_FACTOR", "1e400", f"{COUNT} 0 to 120"),
        (f"{REQUEST}BACKOFF_JITTER", "a\nb", "must be a number from 0 to 86400"),
        ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "perhaps", "must be true or false"),
    ],
)
def test_what_mlflow_could_ask_no_server_by_is_refused(
    name: str, text: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    values = {"uri": "http://127.0.0.1:9", "experiment": "x", "required": False, "tags": {}}
    with pytest.raises(Refused) as refused:
        check_settings(Tracking.model_validate(values | {"followers": ["mlflow"]}))
    said = str(refused.value)
    assert said.startswith(f"{name} {rule}, got '")
    assert said.endswith("; correct it")
    assert len(said.splitlines()) == 1
    assert len(said) < 200
    check_settings(Tracking.model_validate(values | {"followers": []}))
    check_settings(Tracking.model_validate(values | {"followers": ["mlflow"], "uri": "sqlite:///mlflow.db"}))


@pytest.mark.parametrize(("name", "text"), [("BACKOFF_JITTER", "0.5"), ("MAX_RETRIES", "10"), ("TIMEOUT", "86400")])
def test_what_mlflow_can_ask_by_is_taken(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUEST + name, text)
    seconds()
