"""The samplers that a sweep can choose, by name: a further one is added here. Optuna is imported once one is made."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.samplers import BaseSampler


class Sampler(NamedTuple):
    """A sampler of Optuna's.

    Attributes:
        make: Makes it, given the sweep's seed and the number of the proposal.
        is_stepwise: Whether it counts or learns each time that it is asked.
        package: What it needs beside Optuna.
    """

    make: "Callable[[int, int], BaseSampler]"
    is_stepwise: bool = False
    package: str | None = None


def _tpe(seed: int, number: int) -> "BaseSampler":
    """Tree-structured Parzen estimators, Bergstra et al. (2011)."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=_seed_of(seed, number))


def _random(seed: int, number: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=_seed_of(seed, number))


def _qmc(seed: int, _: int) -> "BaseSampler":
    """One scrambled Sobol sequence for all proposals, Owen (1998)."""
    from optuna.samplers import QMCSampler

    return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


def _cmaes(seed: int, number: int) -> "BaseSampler":
    """Evolution with an adapted covariance, Hansen & Ostermeier (2001)."""
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=_seed_of(seed, number), warn_independent_sampling=False)


def _seed_of(seed: int, number: int) -> int:
    """Return a seed for one proposal, so that it does not matter which process makes it."""
    return seed * 1_000_003 + number


SAMPLERS = {
    "tpe": Sampler(_tpe),
    "random": Sampler(_random),
    "qmc": Sampler(_qmc, is_stepwise=True),
    "cmaes": Sampler(_cmaes, is_stepwise=True, package="cmaes"),
}
