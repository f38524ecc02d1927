"""A sweep's directory as the parent of its runs."""

from pathlib import Path

from wavesweep.runs.directory import RunDirectory

PARENT = "parent.json"  # in a sweep's directory: what is known of it as the parent of its runs


class SweepRecord(RunDirectory):
    """A sweep's directory as MLflow sees it: the parent of its runs, with the configuration of one of its jobs."""

    is_sweep = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.info = path / PARENT
        self._artifacts = (path / "multirun.yaml", path / "leaderboard.csv", self.plots)

    def _remove_parts(self) -> None:
        """Leave those of its runs alone, which may have outlived it."""
