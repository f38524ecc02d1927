"""The samplers of Optuna's that a sweep can choose, by name; Optuna is imported once one is made."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

SAMPLERS = ("tpe", "random", "qmc", "cmaes")
STEPWISE = ("qmc", "cmaes")
"""The samplers that count or learn each time that they are asked."""


def make_sampler(name: str, seed: int, number: int) -> "BaseSampler":
    """Make what proposes a configuration: seeded by its number, so that it does not matter which process does it.

    Args:
        name: One of `SAMPLERS`.
        seed: Of the sweep.
        number: Of the proposal.

    Source:
        Tree-structured Parzen estimators: Bergstra et al. (2011). One scrambled Sobol sequence for all proposals: Owen
        (1998). Evolution with an adapted covariance: Hansen & Ostermeier (2001).
    """
    from optuna.samplers import CmaEsSampler, QMCSampler, RandomSampler, TPESampler

    own_seed = seed * 1_000_003 + number
    if name == "qmc":
        return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
    if name == "cmaes":
        return CmaEsSampler(seed=own_seed, warn_independent_sampling=False)
    if name == "random":
        return RandomSampler(seed=own_seed)
    return TPESampler(seed=own_seed)
