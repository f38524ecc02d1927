"""Delivering one directory to all who get a copy."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Tracking
from wavesweep.tracking.tracker import LeftAlone, Tracker, trackers
from wavesweep.workspace.directory import Directory

SECONDS_TO_WAIT = 10.0  # for another process that delivers the same


@dataclass
class Outcome:
    """How a delivery went.

    Attributes:
        ids: The names by which copies are found, by their trackers.
        problems: Why copies could not be made, by what their trackers are called.
        left_alone: Why copies are left alone, likewise.
    """

    ids: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    left_alone: dict[str, str] = field(default_factory=dict)


class Delivery:
    """Delivers directories to those who get copies.

    Args:
        tracking: Who, and where.
    """

    def __init__(self, tracking: Tracking) -> None:
        self.trackers = trackers(tracking)
        self._failed: set[str] = set()

    def deliver(self, directory: Directory, patience: float = 0.0, *, unless_complete: bool = False) -> Outcome:
        """Deliver a run or a sweep as it is now.

        Args:
            directory: Of the run or the sweep.
            patience: Seconds to wait for another process that delivers it.
            unless_complete: Whether to ask first who has a complete copy, and needs no other.

        Raises:
            InUse: If another process goes on doing so.
            Refused: If the directory can't be read.
        """
        outcome = Outcome()
        with directory.being_delivered(patience):
            info = directory.read_info()
            directory.sync_metrics()
            for name, tracker in self.trackers.items():
                called = type(tracker).__name__
                try:
                    if not (unless_complete and tracker.is_delivered(directory)):
                        outcome.ids[name] = tracker.deliver(directory)
                    self._failed.discard(name)
                except LeftAlone as error:
                    outcome.left_alone[called] = str(error)
                except Refused:
                    raise
                except Exception as error:
                    outcome.problems[called] = tracker.reason(error)
                    self._failed.add(name)
            if info.ended is not None and not outcome.problems and directory.read_info() == info:
                directory.undelivered.unlink(missing_ok=True)
        return outcome

    def require(self) -> None:
        """Make sure that all will take copies.

        Raises:
            Refused: If one won't.
        """
        _require(self.trackers.values())

    def can_go_on(self) -> bool:
        """Say whether those can be reached that took no copy the last time."""
        try:
            _require([self.trackers[name] for name in self._failed])
        except Refused:
            return False
        return True


def _require(asked: Iterable[Tracker]) -> None:
    for tracker in asked:
        tracker.require()
