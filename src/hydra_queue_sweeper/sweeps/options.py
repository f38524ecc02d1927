"""The keys of `hydra.sweeper`. Every Hydra program in the environment imports this file, so it imports little."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from omegaconf import MISSING

from hydra_queue_sweeper.base.errors import Refused, shown, suggestion
from hydra_queue_sweeper.base.terminal import log
from hydra_queue_sweeper.search.pruners import PRUNERS
from hydra_queue_sweeper.search.samplers import CLASSES, Settings, read_sampler
from hydra_queue_sweeper.sweeps.addresses import check_address

SAMPLER_OPTIONS = {name: {"_target_": f"optuna.samplers.{one}", "seed": None} for name, one in CLASSES.items()}
"""The options of the group hydra/sweeper/sampler, as Optuna's own plugin for Hydra writes them."""


@dataclass
class Options:
    """The keys of `hydra.sweeper`, with their defaults.

    Attributes:
        n_workers: How many jobs run at once; None: one a core, fewer where memory would not hold them.
        n_jobs: Another name of `n_workers`.
        n_trials: How many configurations in all, each on all seeds; None: all combinations, or 20 where a dimension is
            continuous.
        direction: Of the objective: minimize or maximize.
        objective: The key of the objective in the dict that jobs return; None: they return a number.
        sampler: What chooses values then: a name of `SAMPLERS`, or what `read_sampler` takes.
        pruner: What ends poor configurations early: a name of `PRUNERS`, or None.
        seed: Of the sampler, and of the order in which a pruned sweep goes through a grid.
        timeout: Seconds after which no further job begins; None: no limit.
        target: The objective that ends the sweep once a configuration has reached it, on all its seeds; None: no limit.
        max_failure_rate: The share of jobs beyond which failed ones end the sweep; None: no limit.
        enqueue: A CSV file of configurations that come first, such as an earlier leaderboard; None: no file.
        custom_search_space: The path of a function that takes the configuration and a trial of Optuna's, and adds
            dimensions to each proposal: those that depend on its other values.
        params: Dimensions, as if they stood on the command line before the others.
        dry_run: Whether to list the jobs instead of running them.
        resume: Whether to go on with the sweep that the directory holds: False, True, or "force", whatever has changed;
            "join": as one worker more of those that run it.
        detach: Whether workers outlive the command.
        claims: The address of a database of PostgreSQL, where workers claim trials; None: in the sweep's directory.
        top: Of a sweep to go on with, how many of the best configurations get further seeds; None: all.
        storage: Of Optuna's own plugin; the sweep's directory stands in its place.
        study_name: Likewise.
        max_batch_size: Of Hydra's own sweeper; there are no batches.
    """

    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}])
    _target_: str = "hydra_plugins.hydra_queue_sweeper.sweeper.QueueSweeper"
    _recursive_: bool = False  # else Hydra would make the sampler
    n_workers: int | None = None
    n_jobs: int | None = None
    n_trials: int | None = None
    direction: Any = "minimize"
    objective: str | None = None
    sampler: Any = MISSING  # the option of its group that was chosen
    pruner: str | None = None
    seed: int = 0
    timeout: float | None = None
    target: float | None = None
    max_failure_rate: float | None = None
    enqueue: str | None = None
    custom_search_space: str | None = None
    params: dict[str, Any] | None = field(default_factory=dict)
    dry_run: bool = False
    resume: Any = False
    detach: bool = False
    claims: str | None = None
    top: int | None = None
    storage: Any = None
    study_name: str | None = None
    max_batch_size: int | None = None

    def check(self) -> None:
        """Refuse values that mean nothing, and take what Optuna's own plugin calls otherwise."""
        self._check_numbers()
        if self.resume not in (False, True, "force", "join"):
            text = f"hydra.sweeper.resume must be true, or force, got {shown(self.resume)}; true goes on as it began"
            raise Refused(text)
        if self.top is not None and not self.resume:
            raise Refused(f"hydra.sweeper.top={self.top} is for a sweep that goes on; leave it out")
        if self.claims is not None:
            check_address(self.claims)
        if self.pruner is not None and self.pruner not in PRUNERS:
            raise Refused(f"hydra.sweeper.pruner={self.pruner} is not there; {suggestion(self.pruner, PRUNERS)}")
        if self.n_workers is None:
            self.n_workers = self.n_jobs
        self.direction = _read_direction(self.direction)
        name, _, _ = self.sampling()
        if name == "cmaes" and find_spec("cmaes") is None:
            raise Refused("hydra.sweeper.sampler=cmaes needs the package cmaes; pip install cmaes, or take tpe")
        self._answer_optuna()

    def sampling(self) -> tuple[str, Settings, int]:
        """Return the name, the settings and the seed of the sampler."""
        name, settings, seed = read_sampler(self.sampler)
        return name, settings, self.seed if seed is None else seed

    def _check_numbers(self) -> None:
        least = {"n_workers": 1, "n_jobs": 1, "n_trials": 1, "seed": 0, "timeout": 0, "max_failure_rate": 0, "top": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and not value >= bound:  # nan, too
                raise Refused(f"hydra.sweeper.{name} must be at least {bound}, got {value}")

    def _answer_optuna(self) -> None:
        """Say what stands in the place of what other sweepers have and this one hasn't."""
        held = "a sweep is what its directory holds"
        instead = {"storage": held, "study_name": held, "max_batch_size": "there are no batches"}
        for name, why in instead.items():
            if (value := getattr(self, name)) is not None:
                log.warning("hydra.sweeper.%s=%s has no effect: %s", name, value, why)


def _read_direction(given: Any) -> str:
    """Return minimize or maximize."""
    several = isinstance(given, list | tuple)
    if several and len(given) > 1:
        text = f"hydra.sweeper.direction must be one, got {len(given)}: a sweep has one objective"
        raise Refused(f"{text}; name that of a dict by hydra.sweeper.objective")
    direction = str(given[0] if several and given else given).lower()
    if direction not in ("minimize", "maximize"):
        raise Refused(f"hydra.sweeper.direction must be minimize or maximize, got {shown(given)}")
    return direction
