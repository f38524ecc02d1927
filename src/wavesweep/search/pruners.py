"""The pruners that a sweep can choose, by name: a further one is added here. Optuna is imported once one is made.

All are gentler than Optuna's defaults, as docs/performance.md shows: the last stage of a recipe may turn the order
round.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.pruners import BasePruner


class Pruner(NamedTuple):
    """A pruner of Optuna's.

    Attributes:
        make: Makes it, given the number of steps that jobs do in all.
        remembers: Whether what it says depends on what it was asked before.
    """

    make: "Callable[[int], BasePruner]"
    remembers: bool = True


def _median(steps: int) -> "BasePruner":
    """Median stopping, Golovin et al. (2017)."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_warmup_steps=steps // 3)


def _successive_halving(steps: int) -> "BasePruner":
    """Successive halving without a barrier, Li et al. (2020)."""
    from optuna.pruners import SuccessiveHalvingPruner

    return SuccessiveHalvingPruner(min_resource=max(1, steps // 3), reduction_factor=2)


def _hyperband(steps: int) -> "BasePruner":
    """Hyperband, Li et al. (2018)."""
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=max(1, steps // 12), max_resource=steps, reduction_factor=2)


PRUNERS = {
    "median": Pruner(_median, remembers=False),
    "successive_halving": Pruner(_successive_halving),
    "hyperband": Pruner(_hyperband),
}
