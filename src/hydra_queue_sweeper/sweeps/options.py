"""The keys of `hydra.sweeper`. Every Hydra program in the environment imports this file, so it imports little."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from hydra_queue_sweeper.base.errors import Refused, suggestion
from hydra_queue_sweeper.search.pruners import PRUNERS
from hydra_queue_sweeper.search.samplers import SAMPLERS


@dataclass
class Options:
    """The keys of `hydra.sweeper`, with their defaults.

    Attributes:
        n_workers: How many jobs run at once; None: one a core, fewer where memory would not hold them.
        n_trials: How many configurations in all, where a dimension is continuous; each runs on all seeds.
        sampler: What chooses values then: a name of `SAMPLERS`.
        pruner: What ends poor configurations early: a name of `PRUNERS`, or None.
        seed: Of the sampler, and of the order in which a pruned sweep goes through a grid.
        timeout: Seconds after which no further job begins; None: no limit.
        target: The objective that ends the sweep once a configuration has reached it, on all its seeds; None: no limit.
        enqueue: A CSV file of configurations that come first, such as an earlier leaderboard; None: no file.
        params: Dimensions, as if they stood on the command line before the others.
        dry_run: Whether to list the jobs instead of running them.
        resume: Whether to go on with the sweep that the directory holds: "" for no, "exactly", or "force".
        top: Of a sweep to go on with, how many of the best configurations get further seeds; None: all.
    """

    _target_: str = "hydra_plugins.hydra_queue_sweeper.sweeper.QueueSweeper"
    n_workers: int | None = None
    n_trials: int = 20
    sampler: str = "tpe"
    pruner: str | None = None
    seed: int = 0
    timeout: float | None = None
    target: float | None = None
    enqueue: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    resume: str = ""
    top: int | None = None

    def check(self) -> None:
        """Refuse values that mean nothing."""
        least = {"n_workers": 1, "n_trials": 1, "seed": 0, "timeout": 0, "top": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and not value >= bound:  # nan, too
                raise Refused(f"hydra.sweeper.{name} must be at least {bound}, got {value}")
        if self.resume not in ("", "exactly", "force"):
            raise Refused(f"hydra.sweeper.resume must be exactly or force, got {self.resume}")
        if self.top is not None and not self.resume:
            raise Refused(f"hydra.sweeper.top={self.top} is for a sweep that goes on; leave it out")
        if self.pruner is not None and self.pruner not in PRUNERS:
            raise Refused(f"hydra.sweeper.pruner={self.pruner} is not there; {suggestion(self.pruner, PRUNERS)}")
        if self.sampler not in SAMPLERS:
            raise Refused(f"hydra.sweeper.sampler={self.sampler} is not there; {suggestion(self.sampler, SAMPLERS)}")
        if self.sampler == "cmaes" and find_spec("cmaes") is None:
            raise Refused("hydra.sweeper.sampler=cmaes needs the package cmaes; pip install cmaes, or take tpe")
