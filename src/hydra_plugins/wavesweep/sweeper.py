"""Makes `hydra/sweeper=wavesweep` known to Hydra. Every Hydra application executes this file: imports come late."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from wavesweep.base.errors import Refused, suggestion

PRUNERS: tuple[str, ...] = ("median", "successive_halving", "hyperband")


@dataclass
class Options:
    """The keys of `hydra.sweeper`, with their defaults.

    Attributes:
        n_workers: How many jobs run at once; None: one a core, fewer where memory would not hold them.
        n_trials: How many jobs in all, where a dimension is continuous.
        pruner: What ends poor jobs early: a name of `PRUNERS`, or None.
        seed: Of the sampler that chooses values of continuous dimensions.
        params: Dimensions, as if they stood on the command line before the others.
        dry_run: Whether to list the jobs instead of running them.
        resume: Whether to go on with the sweep that the directory holds: "" for no, "exactly", or "force".
    """

    _target_: str = "hydra_plugins.wavesweep.sweeper.WavesweepSweeper"
    n_workers: int | None = None
    n_trials: int = 20
    pruner: str | None = None
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    resume: str = ""

    def check(self) -> None:
        """Refuse values that mean nothing."""
        least = {"n_workers": 1, "n_trials": 1, "seed": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise Refused(f"hydra.sweeper.{name} must be at least {bound}, got {value}")
        if self.pruner is not None and self.pruner not in PRUNERS:
            raise Refused(f"hydra.sweeper.pruner={self.pruner} is not there; {suggestion(self.pruner, PRUNERS)}")


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
