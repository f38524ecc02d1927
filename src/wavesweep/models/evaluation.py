"""Evaluation: a network beside the baselines, on a part of the data."""

import math
from collections.abc import Mapping

import numpy as np

from wavesweep.base.names import GAIN, GAIN_HIGH, GAIN_LOW
from wavesweep.baselines.baseline import Baseline, Windows
from wavesweep.baselines.comparison import compare
from wavesweep.baselines.fitting import fit
from wavesweep.data.splits import Part, Split
from wavesweep.models.scores import Errors, Metrics, errors

Baselines = Mapping[str, Baseline]


def fit_baselines(data: Split, seasons: tuple[int, ...]) -> Baselines:
    """Fit the baselines to the training part; what there is to choose is chosen on validation data."""
    return fit(data.scored(data.units), Windows.of(data.val, data.units), seasons)


def forecast_by(baseline: Baseline, data: Split, part: Part) -> np.ndarray:
    """Forecast a part by a baseline, (window, horizon, channel), in the units of the data."""
    units = data.units.of(part.series)
    return units.unscale(baseline.forecast(units.scale(part.context), part.truth.shape[1]))


def errors_by(baselines: Baselines, data: Split, part: Part) -> dict[str, Errors]:
    """Return the errors of each baseline on a part."""
    return {name: errors(forecast_by(one, data, part), part, data.units) for name, one in baselines.items()}


def gain(own: Errors, baseline: Errors, part: Part) -> Metrics:
    """Return by which share an error is lower than a baseline's, with its 95% interval where windows tell it.

    Args:
        own: Of the network.
        baseline: Of the baseline.
        part: What both forecast.
    """
    within = np.diff(part.series) == 0
    stride = int(np.diff(part.start)[within].max(initial=0))  # 0: each series is forecast once
    overlap = math.ceil(part.truth.shape[1] / stride) if stride else 1
    found, interval = compare(own.by_window, baseline.by_window, overlap)
    return {GAIN: found, **dict(zip((GAIN_LOW, GAIN_HIGH), interval or (), strict=False))}


def shown(part: Part, count: int) -> Part:
    """Return a part with the few windows that are drawn: the first ones of several series, those of one spread out."""
    several = len(np.unique(part.start)) == 1
    some = part.only(slice(0, count)) if several else part.spread(count)
    return some.seen_from_the_first_step()
