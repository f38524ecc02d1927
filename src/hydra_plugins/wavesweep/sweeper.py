"""Makes `hydra/sweeper=wavesweep` known to Hydra. Every Hydra application executes this file: imports come late."""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from wavesweep.sweeps.options import Options

ConfigStore.instance().store(group="hydra/sweeper", name="wavesweep", node=Options, provider="wavesweep")


class WavesweepSweeper(Sweeper):
    """Hands a sweep to `wavesweep.sweeps`."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = OmegaConf.to_container(OmegaConf.create(options))

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep that the arguments describe."""
        from wavesweep.sweeps.planning import Sweep
        from wavesweep.sweeps.store import SweepDirectory
        from wavesweep.sweeps.sweeper import start
        from wavesweep.sweeps.task import SweepTask

        function, config, context = self.task_function, self.config, self.hydra_context
        assert config is not None
        assert context is not None
        task = getattr(function, "in_sweeps", None) or SweepTask(function)
        place = SweepDirectory(Path(config.hydra.sweep.dir))
        return start(Sweep(place, task, Options(**self.options), config, context), arguments)
