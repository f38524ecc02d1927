"""What a sweep runs, and all that it asks about it: the sweep itself knows nothing of networks or of MLflow."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from wavesweep.sweeps.store import Plan, SweepDirectory


class SweepTask:
    """A task of any Hydra application; one that knows more of itself overrides these methods.

    Args:
        function: What Hydra calls for each job.

    Attributes:
        local: Nodes of the configuration that belong to here and now: not stored, not swept.
        wants_returns: Whether the sweep collects what jobs return; else their directories say all.
    """

    local: tuple[str, ...] = ()
    wants_returns = True

    def __init__(self, function: "Callable[[DictConfig], Any]") -> None:
        self.function = function

    def __call__(self, config: "DictConfig") -> Any:
        """Run one job; return its objective, lower is better."""
        return self.function(config)

    def warm_up(self) -> None:
        """Import what jobs need, once a worker: it is no part of the first job."""

    def check(self, config: "DictConfig") -> None:
        """Look at a job's configuration before the sweep begins.

        Raises:
            Refused: If it can't be run.
        """

    def explain(self, error: Exception, overrides: list[str]) -> str:
        """Return in words why the configuration of a job can't be composed."""
        return str(error)

    def fingerprint(self, configs: "list[DictConfig]") -> dict[str, str]:
        """Return what results depend on beside the configuration, given one of each choice of groups."""
        return {}

    def reports(self, directory: Path) -> dict[int, float]:
        """Return from a job's directory the objective at each step that it has reported."""
        return {}

    def begin(self, sweep: "SweepDirectory", plan: "Plan", config: "DictConfig") -> None:
        """Prepare what jobs need, before the first starts."""

    def end(self, sweep: "SweepDirectory", plan: "Plan", config: "DictConfig") -> None:
        """Conclude, once no worker is left."""


_asks: list[Callable[[int, float, int], bool]] = []


def ask(step: int, objective: float, steps: int) -> bool:
    """Report a job's objective at a step of so many; say whether the sweep gives it up. Outside one it never does."""
    return _asks[-1](step, objective, steps) if _asks else False


def answer_by(answer: Callable[[int, float, int], bool] | None) -> None:
    """Set what answers the reports of the job that this process runs."""
    _asks[:] = [answer] if answer else []
