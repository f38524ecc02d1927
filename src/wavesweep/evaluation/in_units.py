"""Errors in the units of the data, as those who use a forecast count them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wavesweep.data.parts import Part, mean_where
from wavesweep.evaluation.metric_names import MAE_IN_UNITS, MAPE
from wavesweep.evaluation.scores import Metrics

LEAST = 0.1  # of the mean of a series: where it comes nearer to zero, shares of it say little


@dataclass(frozen=True)
class InUnits:
    """How far forecasts of a target lie from the truth, on average.

    Attributes:
        absolute: In the units of the data.
        share: Of the truth, from 0; None where that comes near zero, or below it.
    """

    absolute: float
    share: float | None


def errors_in_units(closed_loop: np.ndarray, part: Part, channels: Sequence[str]) -> dict[str, InUnits]:
    """Return the errors of a part's forecasts, (window, horizon, channel), by the name of each target."""
    found = {}
    for number in part.targets:
        truth, observed = part.truth[..., number], part.observed[..., number]
        with np.errstate(over="ignore", invalid="ignore"):
            off = np.abs(closed_loop[..., number] - truth)
            share = None
            if _is_far_from_zero(truth, observed, part.series):
                share = float(mean_where(off / np.where(observed, truth, 1.0), observed))
            found[channels[number]] = InUnits(float(mean_where(off, observed)), share)
    return found


def as_metrics(found: Mapping[str, InUnits]) -> Metrics:
    """Return the mean absolute error of a single target, since several share no unit, and the mean of their shares."""
    metrics: Metrics = {}
    errors = [*found.values()]
    if len(errors) == 1:
        metrics[MAE_IN_UNITS] = errors[0].absolute
    shares = [one.share for one in errors if one.share is not None]
    if len(shares) == len(errors):
        metrics[MAPE] = float(np.mean(shares))
    return metrics


def _is_far_from_zero(truth: np.ndarray, observed: np.ndarray, series: np.ndarray) -> bool:
    """Say whether all that was observed of each series, (window, horizon), is well above zero, beside its mean."""
    sums, counts = np.where(observed, truth, 0.0).sum(axis=1), observed.sum(axis=1)
    means = np.bincount(series, sums) / np.maximum(np.bincount(series, counts), 1)
    lowest = np.where(observed, truth, np.inf).min(axis=1)
    return bool((lowest > 0).all() and (lowest >= LEAST * means[series]).all())
