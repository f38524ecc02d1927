"""The courier: delivers a run in the background while it trains."""

import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from threading import Event, Thread

from wavesweep.base import signals
from wavesweep.base.terminal import log
from wavesweep.config.config import Tracking
from wavesweep.tracking.answers import reason
from wavesweep.tracking.delivery import LeftAlone, deliver
from wavesweep.workspace.directory import Directory

SECONDS_AT_THE_END = 60.0
SECONDS_AFTER_SIGNAL = 1.0


@dataclass
class Patience:
    """How long the end of a run waits for MLflow; of runs that share it, only the first waits for a silent server.

    Attributes:
        seconds: At most.
    """

    seconds: float = SECONDS_AT_THE_END


class Courier(AbstractContextManager["Courier"]):
    """Delivers a run in the background while it trains, spaced such that this costs a small share of the time.

    What fails is tried again later: training goes on, and the run's directory holds all.

    Args:
        directory: Of the run; whoever makes the courier holds its lock until it has ended, and has imported mlflow.
        tracking: Where to.
        patience: With the end of the run, shared with other runs; None: its own.

    Attributes:
        ids: MLflow's ids of the experiment and of the run, once they are known.
        delivered: Whether all that there was went well the last time.
        left_alone: Whether MLflow's record is not ours to change.
    """

    share = 0.02  # of the time, that this may cost
    moment = 0.5  # seconds for the end, however long ago a signal came: a step, or workers, may have taken all its time

    def __init__(self, directory: Directory, tracking: Tracking, patience: Patience | None = None) -> None:
        self.directory = directory
        self.tracking = tracking
        self.patience = patience or Patience()
        self.ids: tuple[str, str] | None = None
        self.delivered = False
        self.left_alone = False
        self._what = f"the {directory.what}"
        self._complaint = ""
        self._sent: dict[str, int] = {}
        self._ended = Event()
        self._abandoned = False
        self._thread = Thread(target=self._work, name="courier", daemon=True)
        self._thread.start()

    @property
    def has_all(self) -> bool:
        """Whether MLflow's record is complete, or not ours to complete."""
        return not self._thread.is_alive() and (self.delivered or self.left_alone)

    def refresh(self) -> None:
        """Bring the directory up to date, before each delivery but the last; a run does so itself."""

    def __exit__(self, *_: object) -> None:
        """Deliver for the last time, since the run has ended; wait for it, after a signal only for a moment."""
        with suppress(OSError):  # `sync` looks at what MLflow has in any case
            self.directory.undelivered.touch()
        self._ended.set()
        began = time.monotonic()
        while self._thread.is_alive() and time.monotonic() - began < self.patience.seconds:
            if signals.waited() > SECONDS_AFTER_SIGNAL and time.monotonic() - began > self.moment:
                return
            self._thread.join(0.05)
        self.patience.seconds = SECONDS_AT_THE_END if self.has_all else SECONDS_AFTER_SIGNAL

    def abandon(self) -> None:
        """End without another delivery, since what there is to deliver can't be completed; don't wait."""
        self._abandoned = True
        self._ended.set()

    def _work(self) -> None:
        """Deliver again and again, for the last time after the run has ended."""
        pause = 0.0
        with suppress(Exception):  # where memory doesn't even suffice to say what failed, the run says so
            while not self.left_alone:
                is_last = self._ended.wait(pause)
                if self._abandoned:
                    return
                began = time.thread_time()
                self._deliver()
                pause = max(2.0, (time.thread_time() - began) / self.share)
                if is_last or (self._ended.is_set() and not self.delivered):
                    return

    def _deliver(self) -> None:
        """Deliver once; say what failed, unless that was said last."""
        self.delivered = False
        if not self._ended.is_set():
            self.refresh()
        complaint = ""
        try:
            self.directory.sync_metrics()
            self.ids = deliver(self.directory, self.tracking, self._sent)
            self.delivered = True
        except Exception as error:
            self.left_alone = isinstance(error, LeftAlone)
            complaint = reason(error, self.tracking)
        if complaint and complaint != self._complaint:
            what = "is left alone" if self.left_alone else f"has not taken {self._what} yet"
            log.warning("MLflow %s: %s", what, complaint)
        if self._complaint and not complaint:
            log.info("MLflow takes %s again", self._what)
        self._complaint = complaint
