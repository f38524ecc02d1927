"""hydra/launcher=dask: every Hydra program in the environment executes this file, so what works is elsewhere."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_queue_sweeper.base.hydra_releases import store_option
from hydra_queue_sweeper.launcher.options import DaskOptions


class DaskLauncher(Launcher):
    """Runs jobs as tasks of Dask; takes what `DaskOptions` has."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = OmegaConf.to_container(OmegaConf.create(options))

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives each launcher."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs; return how each ended, in their order."""
        from hydra_queue_sweeper.launcher.on_dask import launch_on_dask

        jobs = [(number, list(overrides)) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        given = (self.hydra_context, self.task_function, self.config)
        return launch_on_dask(jobs, *given, DaskOptions(**self.options))


store_option("hydra/launcher", "dask", DaskOptions)
