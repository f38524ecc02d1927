"""Evaluation: a network beside the baselines, on a part of the data."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.data.widths import Widths
from wavesweep.evaluation.comparison import compare
from wavesweep.evaluation.intervals import (
    FEWEST_INDEPENDENT,
    half_widths,
    independent_windows,
    interval_scores,
    lowest_by_chance,
    own_half_widths,
    reach,
)
from wavesweep.evaluation.metric_names import (
    COVERAGE,
    GAIN,
    GAIN_HIGH,
    GAIN_LOW,
    INTERVAL_SCORE,
    INTERVAL_WIDTH,
)
from wavesweep.evaluation.scores import Errors, Metrics, errors, scaled_errors
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.fitting import fit

Baselines = Mapping[str, Baseline]


def fit_baselines(data: Data) -> Baselines:
    """Fit the baselines to the training part; what there is to choose is chosen on validation data."""
    return fit(data.scored(data.units), Windows.of(data.val, data.units), data.seasons)


def fit_again(baselines: Baselines, data: Data) -> Baselines:
    """Fit those baselines that are fitted again, to what trains and validates; what was chosen stays."""
    series = data.scored_before_test(data.units)
    return {name: one.fit(series) if one.fit else one for name, one in baselines.items()}


def forecast_by(baseline: Baseline, data: Data, part: Part) -> np.ndarray:
    """Forecast a part by a baseline, (window, horizon, channel), in the units of the data."""
    units = data.units.of(part.series)
    return units.unscale(baseline.forecast(units.scale(part.context), part.truth.shape[1]))


def errors_by(baselines: Baselines, data: Data, part: Part) -> dict[str, Errors]:
    """Return the errors of each baseline on a part."""
    return {name: errors(forecast_by(one, data, part), part, data.units) for name, one in baselines.items()}


def gain(own: Errors, baseline: Errors, part: Part) -> Metrics:
    """Return by which share an error is lower than a baseline's, with its 95% interval where windows tell it.

    Args:
        own: Of the network.
        baseline: Of the baseline.
        part: What both forecast.
    """
    found, interval = compare(part.by_origin(own.by_window), part.by_origin(baseline.by_window), part.overlap)
    return {GAIN: found, **dict(zip((GAIN_LOW, GAIN_HIGH), interval or (), strict=False))}


def calibrate(closed_loop: np.ndarray, data: Data, coverage: float) -> Widths | None:
    """Return how wide intervals are, by forecasts of the validation part, (window, horizon, channel).

    All series tell it together, each in units of its own, and those of a panel each of itself too, where its windows
    are enough; see `half_widths` and `own_half_widths`.
    """
    val, off = data.val, scaled_errors(closed_loop, data.val, data.units)
    of_all = half_widths(off, val.observed, coverage, val.stride)
    if of_all is None:
        return None
    if not data.is_panel:
        return Widths(of_all)
    numbers, first = np.unique(val.series, return_index=True)
    each = zip(numbers, np.split(off, first[1:]), np.split(val.observed, first[1:]), strict=True)
    own = {number: own_half_widths(errors, seen, coverage, val.stride, of_all) for number, errors, seen in each}
    by_series = {number: widths for number, widths in own.items() if widths is not None}
    if not by_series:
        return Widths(of_all)
    return Widths(of_all, np.stack([by_series.get(number, of_all) for number in range(len(data.train))]))


def score_intervals(closed_loop: np.ndarray, widths: Widths | None, part: Part, data: Data, coverage: float) -> Metrics:
    """Return the scores of intervals, scaled; nothing is said of what has no widths.

    Args:
        closed_loop: Forecasts, (window, horizon, channel).
        widths: As `calibrate` gives them.
        part: What was true.
        data: Whose series they are.
        coverage: Share of the truth that they are to hold.
    """
    if widths is None:
        return {}
    scaled = scaled_errors(closed_loop, part, data.units)[..., part.targets]
    far = _scaled_reach(closed_loop, widths, part, data)[..., part.targets]
    scores = interval_scores(scaled, part.observed[..., part.targets], far, coverage)
    return dict(zip((COVERAGE, INTERVAL_WIDTH, INTERVAL_SCORE), scores, strict=True))


def coverage_floor(part: Part, data: Data, coverage: float) -> float:
    """Return the share of a part below which intervals that validation data calibrate hold by chance but seldom."""
    return lowest_by_chance(coverage, _independent(data.val), _independent(part))


def coverage_by_series(closed_loop: np.ndarray, widths: Widths | None, part: Part, data: Data) -> dict[str, float]:
    """Return the share of each series' truth that lies within its intervals, by name; nothing but of a panel.

    Args:
        closed_loop: Forecasts of the part, (window, horizon, channel).
        widths: As `calibrate` gives them.
        part: What was true.
        data: Whose series they are.
    """
    if widths is None or not data.is_panel:
        return {}
    off, (below, above) = scaled_errors(closed_loop, part, data.units), _scaled_reach(closed_loop, widths, part, data)
    with np.errstate(invalid="ignore"):
        held, observed = ((off <= below) & (-off <= above))[..., part.targets], part.observed[..., part.targets]
    names = data.division.source.names
    return {
        str(names[one]): float(held[observed & (part.series == one)[:, None, None]].mean())
        for one in {*part.series.tolist()}
    }


def reach_of(closed_loop: np.ndarray, widths: Widths, part: Part, data: Data) -> np.ndarray:
    """Return how far intervals reach below and above forecasts, (2, window, horizon, channel), in the data's units."""
    units = data.units.of(part.series)
    far = reach(widths.of(part.series) * units.std, closed_loop - units.floor)
    return np.broadcast_to(far.reshape(2, -1, *far.shape[-2:]), (2, *closed_loop.shape))


def _scaled_reach(closed_loop: np.ndarray, widths: Widths, part: Part, data: Data) -> np.ndarray:
    """Return the same, scaled, (2, window, horizon, channel), or of all windows."""
    units = data.units.of(part.series)
    with np.errstate(over="ignore", invalid="ignore"):
        return reach(widths.of(part.series), (closed_loop - units.floor) / units.std)


def _independent(part: Part) -> np.ndarray:
    """Return how many independent windows a part's are worth at each step ahead, (horizon,).

    Those of several series at one origin count as one.
    """
    origins = len(np.unique(part.origin)) if part.stride else len(part.origin)
    worth = independent_windows(np.full((part.truth.shape[1], 1), origins), part.stride)
    return np.maximum(worth[:, 0], FEWEST_INDEPENDENT)


def shown(part: Part, count: int) -> Part:
    """Return a part with the few windows that are drawn: the first ones of several series, those of one spread out.

    The one-step predictions are those of the contexts.
    """
    several = len(np.unique(part.start)) == 1
    some = part.only(slice(0, count)) if several else part.spread(count)
    return replace(some, scored=slice(0, some.context.shape[1]))
