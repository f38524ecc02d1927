"""hydra/sweeper=wavesweep: every Hydra program in the environment executes this file, so what works is elsewhere."""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from wavesweep.sweeps.options import Options


class WavesweepSweeper(Sweeper):
    """Hands a sweep to `wavesweep.sweeps`."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = OmegaConf.to_container(OmegaConf.create(options))

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives."""
        from wavesweep.sweeps.planning import Sweep
        from wavesweep.sweeps.store import SweepDirectory
        from wavesweep.sweeps.task import SweepTask

        ours = hasattr(type(task_function), "in_sweeps")  # of its type, since asking it may fail in what it imports
        task = task_function.in_sweeps if ours else SweepTask(task_function)  # type: ignore[attr-defined]
        place = SweepDirectory(Path(config.hydra.sweep.dir))
        self.given = Sweep(place, task, Options(**self.options), config, hydra_context)

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep that the arguments describe."""
        from wavesweep.sweeps.sweeper import start

        return start(self.given, arguments)


ConfigStore.instance().store(group="hydra/sweeper", name="wavesweep", node=Options, provider="wavesweep")
