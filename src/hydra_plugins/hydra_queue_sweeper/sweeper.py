"""hydra/sweeper=queue: every Hydra program in the environment executes this file, so what works is elsewhere."""

from pathlib import Path
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_queue_sweeper.base.hydra_releases import store_option
from hydra_queue_sweeper.sweeps.options import SAMPLER_OPTIONS, Options


class QueueSweeper(Sweeper):
    """Hands a sweep to `hydra_queue_sweeper.sweeps`."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = OmegaConf.to_container(OmegaConf.create(options))

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives."""
        from hydra_queue_sweeper.sweeps.planning import Sweep
        from hydra_queue_sweeper.sweeps.store import SweepDirectory
        from hydra_queue_sweeper.sweeps.task import SweepTask

        ours = hasattr(type(task_function), "in_sweeps")  # of its type, since asking it may fail in what it imports
        task = task_function.in_sweeps if ours else SweepTask(task_function)  # type: ignore[attr-defined]
        place = SweepDirectory(Path(config.hydra.sweep.dir))
        self.given = Sweep(place, task, Options(**self.options), config, hydra_context)

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep that the arguments describe."""
        from hydra_queue_sweeper.sweeps.sweeper import start

        return start(self.given, arguments)


store_option("hydra/sweeper", "queue", Options)
for name, node in SAMPLER_OPTIONS.items():
    store_option("hydra/sweeper/sampler", name, node)
