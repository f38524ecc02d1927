"""MLflow's copy of runs and sweeps: the store, the record of each, its model, and what its UI shows."""

from typing import TYPE_CHECKING

from wavesweep.config.config import Tracking
from wavesweep.tracking.tracker import Tracker

if TYPE_CHECKING:
    from wavesweep.workspace.directory import Directory

MOST_COLLISIONS = 10  # of a delivery with others'


class MLflow(Tracker):
    """A store of MLflow's: a file, a database, or a server."""

    def __init__(self, tracking: Tracking) -> None:
        import mlflow  # noqa: F401  at once: it takes as long as a run takes to begin

        super().__init__(tracking)
        self._sent: dict[str, int] = {}

    def deliver(self, directory: "Directory") -> list[str]:
        """See `Tracker.deliver`; return MLflow's ids of the experiment and of the run."""
        from wavesweep.trackers.mlflow.answers import is_collision
        from wavesweep.trackers.mlflow.record import deliver

        collisions = 0
        while True:
            try:
                return deliver(directory, self.tracking, self._sent)
            except Exception as error:
                collisions += 1
                if collisions > MOST_COLLISIONS or not is_collision(error):
                    raise

    def is_delivered(self, directory: "Directory") -> bool:
        """See `Tracker.is_delivered`."""
        from wavesweep.trackers.mlflow.record import is_delivered

        return is_delivered(directory, self.tracking)

    def require(self) -> None:
        """See `Tracker.require`."""
        from wavesweep.trackers.mlflow.store import require

        require(self.tracking)

    def reason(self, error: BaseException) -> str:
        """See `Tracker.reason`."""
        from wavesweep.trackers.mlflow.answers import reason

        return reason(error, self.tracking)
