"""hydra/launcher=processes, slurm and dask: Hydra executes this file in each program, so what works is elsewhere."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.hydra_releases import store_option
from hydra_queue_sweeper.launcher.options import DaskOptions, LauncherOptions, SlurmOptions


class _Launcher(Launcher):
    """Keeps what Hydra gives; abstract, or Hydra would take it for a launcher."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives each launcher."""
        self.given = (hydra_context, task_function, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs; return how each ended."""
        return self.run([(number, list(overrides)) for number, overrides in enumerate(job_overrides, initial_job_idx)])

    @abstractmethod
    def run(self, jobs: list[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, each its number and overrides; return how each ended."""


class ProcessLauncher(_Launcher):
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
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def run(self, jobs: list[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """See `_Launcher.run`: in their order."""
        from hydra_queue_sweeper.launcher.launch import launch

        return launch(jobs, *self.given, self.n_jobs)

    def detach(self, jobs: list[tuple[int, list[str]]]) -> None:
        """Start jobs, all at once, in processes that outlive this one."""
        from hydra_queue_sweeper.launcher.packed import detach, pack

        _, _, config = self.given
        detach(pack(*self.given), jobs, Path(str(config.hydra.sweep.dir)) / "workers" / "output.log")


class SlurmLauncher(_Launcher):
    """Runs jobs on a SLURM cluster; takes what `SlurmOptions` has."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = OmegaConf.to_container(OmegaConf.create(options))

    def run(self, jobs: list[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """See `_Launcher.run`: of workers that were replaced, several times."""
        from hydra_queue_sweeper.launcher.slurm import launch_on_slurm

        return launch_on_slurm(jobs, *self.given, SlurmOptions(**self.options))

    def detach(self, jobs: list[tuple[int, list[str]]]) -> None:
        """Submit jobs, and wait for none."""
        from hydra_queue_sweeper.launcher.slurm import detach_on_slurm

        detach_on_slurm(jobs, *self.given, SlurmOptions(**self.options))


class DaskLauncher(_Launcher):
    """Runs jobs as tasks of Dask; takes what `DaskOptions` has."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = OmegaConf.to_container(OmegaConf.create(options))

    def run(self, jobs: list[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """See `_Launcher.run`: in their order."""
        from hydra_queue_sweeper.launcher.on_dask import launch_on_dask

        return launch_on_dask(jobs, *self.given, DaskOptions(**self.options))

    def detach(self, jobs: list[tuple[int, list[str]]]) -> None:
        """Leave jobs with a scheduler, and wait for none."""
        from hydra_queue_sweeper.launcher.on_dask import detach_on_dask

        detach_on_dask(jobs, *self.given, DaskOptions(**self.options))


store_option("hydra/launcher", "processes", LauncherOptions)
store_option("hydra/launcher", "slurm", SlurmOptions)
store_option("hydra/launcher", "dask", DaskOptions)
