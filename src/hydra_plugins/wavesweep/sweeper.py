"""Makes `hydra/sweeper=wavesweep` known to Hydra. Every Hydra application executes this file: imports come late."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class WavesweepSweeperConf:
    """The keys of `hydra.sweeper`; see wavesweep.sweeps.sweeper.Options."""

    _target_: str = "hydra_plugins.wavesweep.sweeper.WavesweepSweeper"
    n_workers: int | None = None
    n_trials: int = 20
    pruner: str | None = None
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    resume: str = ""


ConfigStore.instance().store(group="hydra/sweeper", name="wavesweep", node=WavesweepSweeperConf, provider="wavesweep")


class WavesweepSweeper(Sweeper):
    """Hands a sweep to `wavesweep.sweeps`."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep that the arguments describe."""
        from omegaconf import OmegaConf

        from wavesweep.sweeps.store import SweepDirectory
        from wavesweep.sweeps.sweeper import Options, Sweep, start
        from wavesweep.sweeps.task import SweepTask

        task = self.task_function
        own = task if isinstance(task, SweepTask) else SweepTask(task)
        assert self.config is not None
        assert self.hydra_context is not None
        place = SweepDirectory(Path(self.config.hydra.sweep.dir))
        options: Any = OmegaConf.to_container(OmegaConf.create(self.options))
        return start(Sweep(place, own, Options(**options), self.config, self.hydra_context), arguments)
