"""Baselines of intermittent series, which mostly stand at their least value: how much above it, and how often.

A context's own least value is taken for the one that it stands at, so that units and scaling don't matter. All
forecasts are the same at each step ahead.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from wavesweep.models.baseline import Baseline, Windows

LEAST_SHARE = 1 - 1 / 1.32  # of steps without demand
RATES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)  # at which an estimate follows what comes; 0: it stays the context's mean
MOST_WINDOWS = 64  # by which rates are chosen

Estimate = Callable[..., np.ndarray]
"""Of the mean of demands to come, (window, channel), from those of a context, (window, context, channel), and rates."""


def are_intermittent(train: Sequence[np.ndarray], targets: np.ndarray | slice) -> bool:
    """Say whether series stand at their least value at 24% of steps or more, in the mean over series and targets.

    So demands are at least 1.32 steps apart.

    Args:
        train: Series of the training part, each (time, channel).
        targets: Which channels count.

    Source:
        Syntetos, Boylan & Croston (2005), On the categorization of demand patterns.
    """
    shares = [(one == one.min(axis=0)).mean(axis=0)[targets] for one in train]
    return float(np.mean(shares)) >= LEAST_SHARE


def fit_intermittent(val: Windows) -> dict[str, Baseline]:
    """Return the mean of the context, Croston's method and that of Teunter, Syntetos & Babai, rates by validation."""
    val = val.thinned(MOST_WINDOWS)
    return {
        "mean": _baseline(_mean, f"{val.context.shape[1]} steps"),
        "croston": _best(_croston, ("rate",), val),
        "tsb": _best(_tsb, ("size", "probability"), val),
    }


def _best(estimate: Estimate, names: tuple[str, ...], val: Windows) -> Baseline:
    """Return the forecast by an estimate with the rates that do best on validation."""
    candidates = []
    for rates in product(RATES, repeat=len(names)):
        note = ", ".join(f"{name} {rate:g}" for name, rate in zip(names, rates, strict=True))
        one = _baseline(estimate, note, *rates)
        candidates.append((val.error(one.forecast(val.context, val.truth.shape[1])), one))
    return min(candidates, key=lambda pair: pair[0])[1]


def _baseline(estimate: Estimate, note: str, *rates: float) -> Baseline:
    def forecast(context: np.ndarray, horizon: int) -> np.ndarray:
        least = context.min(axis=1)
        return np.repeat((least + estimate(context - least[:, None], *rates))[:, None], horizon, axis=1)

    return Baseline(forecast, note)


def _mean(demand: np.ndarray) -> np.ndarray:
    return demand.mean(axis=1)


def _croston(demand: np.ndarray, rate: float) -> np.ndarray:
    """Estimate the size of demands and the steps between them, each where there is one, less Croston's bias.

    Source:
        Croston (1972), Forecasting and stock control for intermittent demands; the bias: Syntetos & Boylan (2005), The
        accuracy of intermittent demand estimates.
    """
    size, probability = _begin(demand)
    apart, waited = 1 / probability, np.ones_like(size)
    for one in demand.swapaxes(0, 1):
        there = one > 0
        size = np.where(there, size + rate * (one - size), size)
        apart = np.where(there, apart + rate * (waited - apart), apart)
        waited = np.where(there, 1, waited + 1)
    return (1 - rate / 2) * size / apart


def _tsb(demand: np.ndarray, rate: float, rate_of_probability: float) -> np.ndarray:
    """Estimate the size of demands where there is one, and their probability at each step, which so falls meanwhile.

    Source:
        Teunter, Syntetos & Babai (2011), Intermittent demand: linking forecasting to inventory obsolescence.
    """
    size, probability = _begin(demand)
    for one in demand.swapaxes(0, 1):
        there = one > 0
        size = np.where(there, size + rate * (one - size), size)
        probability = probability + rate_of_probability * (there - probability)
    return size * probability


def _begin(demand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean size of a context's demands and their share of steps, (window, channel); without any, 0 and 1."""
    number = (demand > 0).sum(axis=1)
    return demand.sum(axis=1) / np.maximum(number, 1), np.where(number, number / demand.shape[1], 1.0)
