"""What a server sends without an end is read up to a limit, and no further once nobody waits for it."""

import sys
import threading
import time
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hydra_queue_sweeper.base.errors import Refused
from tests.support import following
from tests.support.guarded import resident
from tests.support.proxy import FLOODS, Proxy
from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow.bounds import QUESTION, NoAnswer, bounded
from wavesweep.trackers.mlflow.limits import MOST_BYTES, TooMuch
from wavesweep.tracking import follower_handle
from wavesweep.tracking.follower_handle import Follower

MEGABYTES_MORE = 200
SAID = f"it sends more than {MOST_BYTES:,} bytes for an answer"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy(9)
    proxy.behave("500")
    yield proxy
    proxy.behave("dead")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("behaviour", FLOODS)
def test_the_process_that_delivers_takes_no_more_memory(
    behaviour: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_handle, "open_process", following.open_process)
    tracking = {"followers": ["mlflow"], "uri": proxy.uri, "experiment": "x", "required": True, "tags": {}}
    with Follower(Tracking.model_validate(tracking)) as follower:
        with pytest.raises(Refused, match="it answers 500"):
            follower.require()
        assert follower._process
        pid = follower._process.pid
        before = resident("VmRSS", pid)
        proxy.behave(behaviour)
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                follower.require()
            assert SAID in str(refused.value) or "no answer within 3 s" in str(refused.value)  # on a busy machine
        assert resident("VmHWM", pid) - before < MEGABYTES_MORE << 20


@pytest.mark.parametrize("behaviour", FLOODS)
def test_it_is_no_answer_that_is_asked_for_again(behaviour: str, proxy: Proxy) -> None:
    proxy.behave(behaviour)
    with pytest.raises(MlflowException) as raised:
        bounded(MlflowClient(proxy.uri)).get_experiment("1")
    assert isinstance(raised.value.__context__, TooMuch)
    assert len(proxy.seen) == 1


def test_nobody_reads_what_was_given_up(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.behave("drip")
    monkeypatch.setattr("wavesweep.trackers.mlflow.bounds.seconds", lambda **_: (0.0, 0.5))
    with pytest.raises(NoAnswer):
        bounded(MlflowClient(proxy.uri)).get_experiment("1")
    until = time.monotonic() + 10
    while any(thread.name == QUESTION for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_who_asks_otherwise_reads_as_before(proxy: Proxy) -> None:
    with pytest.raises(MlflowException, match="500"):
        MlflowClient(proxy.uri).get_experiment("1")
