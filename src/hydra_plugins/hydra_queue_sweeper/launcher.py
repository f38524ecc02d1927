"""hydra/launcher=processes: every Hydra program in the environment executes this file, so what works is elsewhere."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.hydra_releases import store_option
from hydra_queue_sweeper.launcher.options import LauncherOptions


class ProcessLauncher(Launcher):
    """Runs jobs on this machine, each in a process of its own.

    Args:
        n_jobs: Most processes at once; none: one for each core that this process may use.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives each launcher.

        Raises:
            Refused: If `n_jobs` is less than 1.
        """
        if self.n_jobs is not None and self.n_jobs < 1:
            raise Refused(f"hydra.launcher.n_jobs must be at least 1, got {self.n_jobs}; null takes every core")
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs; return how each ended, in their order."""
        from hydra_queue_sweeper.launcher.launch import launch

        jobs = [(number, list(overrides)) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        return launch(jobs, self.hydra_context, self.task_function, self.config, self.n_jobs)


store_option("hydra/launcher", "processes", LauncherOptions)
