"""The pruners of Optuna's that a sweep can choose, by name; Optuna is imported once one is made.

All are gentler than Optuna's defaults, as docs/performance.md shows: the last stage of a recipe may turn the order
round.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

PRUNERS = ("median", "successive_halving", "hyperband")


def make_pruner(name: str, steps: int) -> "BasePruner":
    """Make what judges jobs of so many steps.

    Args:
        name: One of `PRUNERS`.
        steps: That a job does in all.

    Source:
        Median stopping: Golovin et al. (2017). Successive halving without a barrier: Li et al. (2020). Hyperband: Li et
        al. (2018).
    """
    from optuna.pruners import HyperbandPruner, MedianPruner, SuccessiveHalvingPruner

    if name == "median":
        return MedianPruner(n_warmup_steps=steps // 3)
    if name == "successive_halving":
        return SuccessiveHalvingPruner(min_resource=max(1, steps // 3), reduction_factor=2)
    return HyperbandPruner(min_resource=max(1, steps // 12), max_resource=steps, reduction_factor=2)
