"""What a tracker is: it keeps a copy of runs and sweeps, as MLflow does."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.errors import Refused, in_short
from wavesweep.config.config import Tracking

if TYPE_CHECKING:
    from wavesweep.workspace.directory import Directory


class LeftAlone(Exception):
    """Raised where a tracker's copy is not ours to change."""


class Tracker(ABC):
    """Keeps a copy of runs and sweeps: whatever there is of them is in their directories.

    That of the name NAME is the class in `wavesweep.trackers.NAME` that derives from this one;
    `tracking.followers=[NAME]` switches it on. It works in a process of its own (see `Follower`).

    Args:
        tracking: Where to, for those that are told by that.
    """

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking

    @abstractmethod
    def deliver(self, directory: "Directory") -> list[str]:
        """Make the copy of a run or a sweep equal to its directory; harmless to repeat, cut short or not.

        Called again and again while the run goes on; nobody else delivers the directory meanwhile.

        Args:
            directory: Of the run or the sweep, with its configuration and its record.

        Returns:
            The names by which the copy is found there, if it has any.

        Raises:
            LeftAlone: If the copy is not ours to change.
            Refused: If the directory can't be read.
            Exception: Whatever is raised where the tracker can't be reached; it is tried again later.
        """

    @abstractmethod
    def is_delivered(self, directory: "Directory") -> bool:
        """Say whether the copy of a run that has ended, or of a sweep, is complete; raises as `deliver` does."""

    def require(self) -> None:  # noqa: B027  not all can tell
        """Make sure, within seconds, that copies will be taken, as far as can be told without making one.

        Raises:
            Refused: If they won't.
        """

    def reason(self, error: BaseException) -> str:
        """Return in a few words why the tracker could not be used."""
        return str(error) or type(error).__name__


def trackers(tracking: Tracking) -> dict[str, Tracker]:
    """Return those who get copies, by their names.

    Raises:
        Refused: If what one of them needs is not installed.
    """
    return {name: _load(name)(tracking) for name in tracking.followers}


def _load(name: str) -> type[Tracker]:
    try:
        module = import_module(f"wavesweep.trackers.{name}")
    except ImportError as error:
        problem = f"can't be used ({in_short(error)}); install what it needs, or leave it out"
        raise Refused(f"tracking.followers={name} {problem}") from None
    return next(kind for kind in Tracker.__subclasses__() if kind.__module__ == module.__name__)
