"""The follower as the command that started it sees it: the process is `delivery/follower.py`."""

import json
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused, in_one_line
from wavesweep.base.processes import SECONDS_AFTER_SIGNAL, open_process
from wavesweep.base.streams import log
from wavesweep.config.config import Tracking
from wavesweep.tracking.patience import check_settings

if TYPE_CHECKING:
    import subprocess

SECONDS_AT_THE_END = 60.0  # for a delivery, or for each of several
SECONDS_AFTER_FAILURE = 1.0  # for further runs, once one was waited for in vain
MOMENT = 0.25  # seconds for the end, however long ago a signal came: a step, or workers, may have taken all its time
SECONDS_TO_ANSWER = 60.0  # what is asked before a run starts; trackers have limits of their own, far below
TICK = 0.05  # seconds between looks at signals


@dataclass(frozen=True)
class Delivered:
    """What is known of a delivery.

    Attributes:
        complete: Whether all copies are complete, or not ours to complete.
        ids: The names by which a copy is found, by its tracker.
    """

    complete: bool
    ids: dict[str, list[str]] = field(default_factory=dict)


class Follower(AbstractContextManager["Follower"]):
    """Starts a process that follows runs and sweeps: reads their directories again and again, and delivers.

    Whatever becomes of it, runs go on, and their directories hold all. It has a process group of its own, so that
    Ctrl-C passes it by, and ends soon after the process that started it. Where nobody gets a copy, there is none.

    Args:
        tracking: Who gets copies, and where.
    """

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking
        self.patience = SECONDS_AT_THE_END
        self._process: subprocess.Popen[bytes] | None = None
        self._code: int | None = None  # of the process, once it has ended
        self._answered = Condition()
        self._answers: dict[str, dict[str, Any]] = {}
        self._heard = 0.0

    def start(self) -> None:
        """Start the process, unless that was done; it imports what it needs meanwhile."""
        if self._process is not None or not self.tracking.followers:
            return
        try:
            self._process = open_process("wavesweep.delivery.follower")
        except OSError as error:
            log.warning("the process that delivers can't be started: %s", in_one_line(error))
            return
        self._code = None
        Thread(target=self._listen, args=(self._process,), name="follower", daemon=True).start()
        self._tell({"tracking": self.tracking.model_dump(mode="json")})

    def require(self) -> None:
        """Make sure that copies will be taken, if that is required; ask before anything is written.

        Raises:
            Refused: If they won't, or could not be asked for by what MLflow is told.
        """
        check_settings(self.tracking)
        self.start()
        if not self.tracking.required or self._process is None:
            return
        self._tell({"require": True})
        answer = self._wait("required", SECONDS_TO_ANSWER)
        if answer is None:
            how = f"has not answered within {SECONDS_TO_ANSWER:g} s" if self._code is None else "has ended"
            raise Refused(f"tracking.required=true, but the process that delivers {how}; try again")
        if answer["problem"]:
            raise Refused(answer["problem"])

    def follow(self, place: Path) -> None:
        """Deliver a run or a sweep from now on."""
        self.start()
        self._tell({"follow": str(place.absolute())})

    def deliver_rest(self, place: Path) -> Delivered:
        """Deliver a run or a sweep that has ended for the last time; wait for it, after a signal only for a moment.

        Of several, once one was waited for in vain, others aren't waited for as long.
        """
        if not self.tracking.followers:
            return Delivered(complete=True)
        if self._code is not None and self._code < 0:  # somebody killed it
            self._process = None
        self.start()
        self._tell({"last": str(place.absolute())})
        answer = self._wait(str(place.absolute()), self.patience)
        self.patience = SECONDS_AT_THE_END if answer and answer["complete"] else SECONDS_AFTER_FAILURE
        return Delivered(answer["complete"], answer["ids"]) if answer else Delivered(complete=False)

    def end(self) -> None:
        """End the process, which ends what it is at; don't wait for that."""
        self._tell({"end": True})
        if self._process is not None and self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.end()

    def _tell(self, order: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with suppress(OSError, ValueError):  # it has ended, or was told to
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        """Take the process's answers until it ends."""
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                self._take(json.loads(line))
        code = process.wait()
        with self._answered:
            self._code = code
            self._answered.notify_all()

    def _take(self, answer: dict[str, Any]) -> None:
        if "text" in answer:
            log.log(answer["level"], answer["text"])
        with self._answered:
            self._heard = time.monotonic()
            if "to" in answer:
                self._answers[answer["to"]] = answer
            self._answered.notify_all()

    def _wait(self, what: str, seconds: float) -> dict[str, Any] | None:
        """Wait for an answer, while there is any word so often and no signal comes; None if there is none."""
        began = self._heard = time.monotonic()
        with self._answered:
            while what not in self._answers and self._process is not None and self._code is None:
                self._answered.wait(TICK)
                now = time.monotonic()
                has_signal = signals.waited() > SECONDS_AFTER_SIGNAL and now - began > MOMENT
                if has_signal or now - self._heard > seconds:
                    break
            return self._answers.pop(what, None)
