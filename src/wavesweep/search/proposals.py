"""What a sampler of Optuna's proposes next, given what was tried: that alone decides, not the process that asks."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from wavesweep.search.space import Dimension

SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {  # by the sweep's seed and the number of the proposal
    "tpe": lambda seed, number: TPESampler(seed=seed * 1_000_003 + number),
    "random": lambda seed, number: RandomSampler(seed=seed * 1_000_003 + number),
    "qmc": lambda seed, _: QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False),  # of one sequence
    "cmaes": lambda seed, number: CmaEsSampler(seed=seed * 1_000_003 + number, warn_independent_sampling=False),
}


class Tried(NamedTuple):
    """A configuration that was tried.

    Attributes:
        overrides: Its own, by key.
        state: As Optuna calls it; one that diverged is pruned without reports, which samplers take for the worst.
        value: The mean over its seeds, where all have finished.
        reports: The mean at each step, of one that was pruned.
    """

    overrides: dict[str, str]
    state: TrialState
    value: float | None = None
    reports: dict[int, float] = {}  # noqa: RUF012  which nobody changes


def propose(dimensions: list[Dimension], tried: list[Tried], sampler: str, seed: int) -> list[str]:
    """Return the overrides of the next configuration; of dimensions that aren't swept, their values.

    The study is made anew each time. Samplers that count or learn step by step are asked again for each configuration
    that was tried, so that they stand where they would had one process asked them all along.

    Args:
        dimensions: Of the sweep; seeds are none of them.
        tried: In the order of their proposal.
        sampler: A name of `SAMPLERS`.
        seed: Of the sampler.

    Source:
        TPE: Bergstra et al. (2011). Scrambled Sobol sequences: Owen (1998). CMA-ES: Hansen & Ostermeier (2001).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    swept = [one for one in dimensions if one.swept]
    space = {one.key: _distribution(one) for one in swept}
    study = optuna.create_study()
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        for number, one in enumerate(tried):
            params = {each.key: _value(each, one.overrides[each.key]) for each in swept}
            _tell(study, one, params, space, SAMPLERS[sampler](seed, number) if sampler in ("qmc", "cmaes") else None)
        study.sampler = SAMPLERS[sampler](seed, len(tried))
        params = study.ask(space).params
    return [f"{one.key}={_text(one, params[one.key]) if one.swept else one.values[0]}" for one in dimensions]


def _tell(
    study: optuna.Study,
    one: Tried,
    params: dict[str, float],
    space: dict[str, BaseDistribution],
    asked: BaseSampler | None,
) -> None:
    """Add a configuration that was tried to a study, having asked the sampler that proposed it, if that is given."""
    storage = study._storage
    if asked:
        study.sampler = asked
        trial = study.ask()
        _ = trial.relative_params  # which asks the sampler
        trial_id = trial._trial_id
        for key, distribution in space.items():
            storage.set_trial_param(trial_id, key, distribution.to_internal_repr(params[key]), distribution)
    else:
        begun = optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=space)
        trial_id = storage.create_new_trial(study._study_id, begun)
    for step, value in one.reports.items():
        storage.set_trial_intermediate_value(trial_id, step, value)
    if one.state != TrialState.RUNNING:
        storage.set_trial_state_values(trial_id, one.state, None if one.value is None else [one.value])


def _distribution(dimension: Dimension) -> BaseDistribution:
    """Return how Optuna draws values: of a list, their places in it; a range has an order."""
    interval, last = dimension.interval, len(dimension.values) - 1
    if interval is None:
        return IntDistribution(0, last) if dimension.ordered else CategoricalDistribution(range(last + 1))
    if interval.integer:
        return IntDistribution(int(interval.low), int(interval.high), log=interval.log)
    return FloatDistribution(interval.low, interval.high, log=interval.log)


def _text(dimension: Dimension, value: float) -> str:
    return dimension.values[int(value)] if dimension.interval is None else repr(value)


def _value(dimension: Dimension, text: str) -> float:
    if dimension.interval is None:
        return dimension.values.index(text)
    return int(text) if dimension.interval.integer else float(text)
