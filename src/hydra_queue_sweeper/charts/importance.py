"""How much of what a sweep's configurations differ in each dimension explains.

Replicates are averaged before, so that a seed has no part in it.
"""

from typing import Any

import numpy as np

from hydra_queue_sweeper.search.space import Dimension, Value, grid_size

TREES, DEPTH = 16, 8  # larger forests take long, and change little
FEWEST = 5  # configurations that forests tell something of


def importances(dimensions: list[Dimension], values: list[list[Value]], scores: np.ndarray) -> dict[str, float]:
    """Return the share of each dimension's main effect in the variance of the scores; the rest is interactions.

    Exact where all combinations of lists are there, once each; else as random forests see it.

    Args:
        dimensions: What is swept, `seed` aside.
        values: Of each configuration, in the order of the dimensions.
        scores: Of each configuration, (configuration,): logarithms, where errors are compared as such.

    Returns:
        Shares by name; 0 for all where the scores don't differ, or are too few.

    Source:
        Functional analysis of variance: Hooker (2007).
    """
    names = [one.name for one in dimensions]
    is_full = len(scores) == grid_size(dimensions) == len(set(map(tuple, values)))
    if len(scores) < (2 if is_full else FEWEST) or np.ptp(scores) == 0:
        return dict.fromkeys(names, 0.0)
    pairs = [_places(one, [row[index] for row in values]) for index, one in enumerate(dimensions)]
    places = np.stack([places for places, _ in pairs], axis=1)
    shares = main_effects(places, scores) if is_full else fanova(places, [ends for _, ends in pairs], scores)
    return dict(zip(names, map(float, shares), strict=True))


def main_effects(places: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the share of each dimension's main effect, (dimension,), on a full grid: variance of means by variance.

    Args:
        places: Values as numbers, (configuration, dimension).
        scores: Not all equal, (configuration,).
    """
    shares = []
    for column in places.T:
        index = np.unique(column, return_inverse=True)[1]
        means = np.bincount(index, scores) / np.bincount(index)
        shares.append(np.var(means) / np.var(scores))
    return np.array(shares)


def fanova(places: np.ndarray, ends: list[tuple[float, float]], scores: np.ndarray) -> np.ndarray:
    """Return the share of each dimension's main effect, (dimension,), as random forests see it.

    Args:
        places: Values as numbers, (configuration, dimension), on scales along which all count alike.
        ends: Where each scale begins and ends.
        scores: Not all equal, (configuration,).

    Source:
        Hutter, Hoos, Leyton-Brown (2014), as in Optuna, which itself would take logarithmic scales for linear ones.
        Not as there: fewer trees, less deep.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = [str(index) for index in range(len(ends))]
    space: Any = {name: optuna.distributions.FloatDistribution(*pair) for name, pair in zip(names, ends, strict=True)}
    study = optuna.create_study()
    for row, score in zip(places.tolist(), scores.tolist(), strict=True):
        params = dict(zip(names, row, strict=True))
        study.add_trial(optuna.trial.create_trial(value=score, params=params, distributions=space))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=0)
    shares = evaluator.evaluate(study)
    return np.array([shares[name] for name in names])


def _places(one: Dimension, values: list[Value]) -> tuple[np.ndarray, tuple[float, float]]:
    """Return values as numbers along a scale, (configuration,), and where it begins and ends: a list's, one by one."""
    if one.interval is None:
        known = {value: float(place) for place, value in enumerate(ordered(one, values))}
        return np.array([known[value] for value in values]), (-0.5, len(known) - 0.5)
    scale = np.log if one.interval.log else np.asarray
    return scale(np.array(values, float)), (float(scale(one.interval.low)), float(scale(one.interval.high)))


def ordered(one: Dimension, values: list[Value]) -> list[Value]:
    """Return each value once: numbers ascending, then texts as they were given."""
    found = {*values}
    texts = [value for value in one.values if value in found]
    return sorted(value for value in found if not isinstance(value, str)) + texts
