"""Evaluation: a network beside the baselines, on a part of the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from wavesweep.data.data import Data
from wavesweep.data.forecast import Forecast
from wavesweep.data.parts import Part, mean_where
from wavesweep.data.scaling import Scaler
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
    reach_between,
)
from wavesweep.evaluation.metric_names import (
    COVERAGE,
    GAIN,
    GAIN_HIGH,
    GAIN_LOW,
    INTERVAL_SCORE,
    INTERVAL_WIDTH,
)
from wavesweep.evaluation.quantiles import quantile_losses, quantile_offsets, quantiles_of
from wavesweep.evaluation.scores import Errors, Metrics, errors, scaled_errors
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.fitting import fit_each

Baselines = Mapping[str, Baseline]


def fit_each_baseline(data: Data) -> Iterator[tuple[str, Baseline]]:
    """Fit the baselines to the training part; what there is to choose is chosen on validation data. Yield each."""
    train, val = chosen_by(data, data.units)
    units = data.units_of_rest
    if data.effects is None and units is data.units:
        return fit_each(train, val, data.seasons)
    return fit_each(train, val, data.seasons, rest=chosen_by(data.without_effects, units))


def chosen_by(data: Data, units: Scaler) -> tuple[list[np.ndarray], Windows]:
    """Return the series and the windows that baselines are fitted to and chosen by, in some units."""
    return data.scored(units), Windows.of(data.val, units)


def fit_again(baselines: Baselines, data: Data) -> Baselines:
    """Fit those baselines that are fitted again, to what trains and validates; what was chosen stays."""
    series = data.scored_before_test(data.units)
    rest = data.without_effects.scored_before_test(data.units_of_rest)
    return {
        name: one.fit(rest if one.forecasts_rest else series) if one.fit else one for name, one in baselines.items()
    }


def forecast_by(baseline: Baseline, data: Data, part: Part) -> np.ndarray:
    """Forecast a part by a baseline, (window, horizon, channel), in the units of the data."""
    units, horizon = data.units.of(part.series).above(part.context), part.truth.shape[1]
    if not baseline.forecasts_rest:
        return units.unscale(baseline.forecast(units.scale(part.context), horizon))
    context = part.without_effects().context
    rest = data.units_of_rest.of(part.series)
    ahead = rest.without_floor().unscale(baseline.forecast(rest.scale(context), horizon))
    return np.maximum(part.put_back(ahead), units.floor)


def error_by(baseline: Baseline, data: Data, part: Part) -> Errors:
    """Return the errors of a baseline on a part."""
    return errors(forecast_by(baseline, data, part), part, data.units)


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


def calibrate_quantiles(
    closed_loop: np.ndarray, own: np.ndarray | None, widths: Widths, data: Data, forecast: Forecast
) -> Widths:
    """Return widths with where quantiles lie; by a network's own where intervals between these score better.

    Both kinds of intervals are calibrated on validation data, and compared there by their interval score.

    Args:
        closed_loop: Forecasts of the validation part, (window, horizon, channel).
        own: The network's quantiles, (level, window, horizon, channel); None: it gives none.
        widths: As `calibrate` gives them.
        data: Whose series they are.
        forecast: With levels and coverage.
    """
    if own is not None:
        by_network = replace(widths, offsets=_offsets(own, closed_loop, data, forecast.levels), by_network=True)
        bounds = bounds_of(own, by_network, data.val, data, forecast)
        scores = [
            score_intervals(closed_loop, widths, data.val, data, forecast.coverage, one)[INTERVAL_SCORE]
            for one in (bounds, None)
        ]
        if scores[0] < scores[1]:
            return by_network
    if not forecast.quantiles:
        return widths
    base = np.broadcast_to(closed_loop, (len(forecast.levels), *closed_loop.shape))
    return replace(widths, offsets=_offsets(base, closed_loop, data, forecast.levels))


def losses_of_quantiles(quantiles: np.ndarray, part: Part, data: Data, levels: Sequence[float]) -> np.ndarray:
    """Return the scaled mean loss of quantiles, (level, window, horizon, channel), in each window of a part, (window,).

    It is that of what was observed, by the share of a window that was: in the mean, that of all.
    """
    std, targets = data.units.of(part.series).std, part.targets
    losses, observed = (
        quantile_losses(quantiles / std, part.truth / std, levels)[..., targets],
        part.observed[..., targets],
    )
    return mean_where(losses, observed, axis=(1, 2)) * observed.mean(axis=(1, 2)) / observed.mean()


def calibrated_quantiles(closed_loop: np.ndarray, own: np.ndarray, data: Data, levels: Sequence[float]) -> np.ndarray:
    """Return a network's quantiles of the validation part, moved to where as much lies below as their levels say.

    Those of a network that has learnt nothing yet, all equal to its forecast, become those of its errors, which are the
    same for all windows. So what tells them from those of another is what a network knows beyond that.
    """
    units = data.units.of(data.val.series).above(data.val.context)
    return quantiles_of(own, _offsets(own, closed_loop, data, levels), units.std, units.floor)


def _offsets(base: np.ndarray, closed_loop: np.ndarray, data: Data, levels: Sequence[float]) -> np.ndarray:
    val, units = data.val, data.units.of(data.val.series)
    base, truth, ahead = (one / units.std for one in (base, val.truth, closed_loop))
    return quantile_offsets(base, truth, ahead, val.observed, levels, val.stride)


def part_quantiles(base: np.ndarray, widths: Widths, part: Part, data: Data) -> np.ndarray:
    """Return quantiles of a part, (level, window, horizon, channel), in the units of the data.

    Args:
        base: What they are told from, of which each level has its own or all have one.
        widths: With offsets.
        part: Whose truth they are of.
        data: Whose series these are.
    """
    assert widths.offsets is not None
    units = data.units.of(part.series).above(part.context)
    return quantiles_of(base, widths.offsets, units.std, units.floor)


def bounds_of(
    own: np.ndarray | None, widths: Widths | None, part: Part, data: Data, forecast: Forecast
) -> np.ndarray | None:
    """Return the quantiles between which intervals lie, (2, window, horizon, channel); None where half-widths tell."""
    if own is None or widths is None or not widths.by_network:
        return None
    return part_quantiles(own, widths, part, data)[[forecast.levels.index(one) for one in forecast.bounds]]


def score_intervals(
    closed_loop: np.ndarray,
    widths: Widths | None,
    part: Part,
    data: Data,
    coverage: float,
    bounds: np.ndarray | None = None,
) -> Metrics:
    """Return the scores of intervals, scaled; nothing is said of what has no widths.

    Args:
        closed_loop: Forecasts, (window, horizon, channel).
        widths: As `calibrate` gives them.
        part: What was true.
        data: Whose series they are.
        coverage: Share of the truth that they are to hold.
        bounds: As `bounds_of` gives them.
    """
    if widths is None:
        return {}
    scaled = scaled_errors(closed_loop, part, data.units)[..., part.targets]
    far = _scaled_reach(closed_loop, widths, part, data, bounds)[..., part.targets]
    scores = interval_scores(scaled, part.observed[..., part.targets], far, coverage)
    return dict(zip((COVERAGE, INTERVAL_WIDTH, INTERVAL_SCORE), scores, strict=True))


def coverage_floor(part: Part, data: Data, coverage: float) -> float:
    """Return the share of a part below which intervals that validation data calibrate hold by chance but seldom."""
    return lowest_by_chance(coverage, _independent(data.val), _independent(part))


def coverage_by_series(
    closed_loop: np.ndarray, widths: Widths | None, part: Part, data: Data, bounds: np.ndarray | None = None
) -> dict[str, float]:
    """Return the share of each series' truth that lies within its intervals, by name; nothing but of a panel.

    Args:
        closed_loop: Forecasts of the part, (window, horizon, channel).
        widths: As `calibrate` gives them.
        part: What was true.
        data: Whose series they are.
        bounds: As `bounds_of` gives them.
    """
    if widths is None or not data.is_panel:
        return {}
    off, far = scaled_errors(closed_loop, part, data.units), _scaled_reach(closed_loop, widths, part, data, bounds)
    below, above = far
    with np.errstate(invalid="ignore"):
        held, observed = ((off <= below) & (-off <= above))[..., part.targets], part.observed[..., part.targets]
    names = data.division.source.names
    return {
        str(names[one]): float(held[observed & (part.series == one)[:, None, None]].mean())
        for one in {*part.series.tolist()}
    }


def reach_of(
    closed_loop: np.ndarray, widths: Widths, part: Part, data: Data, bounds: np.ndarray | None = None
) -> np.ndarray:
    """Return how far intervals reach below and above forecasts, (2, window, horizon, channel), in the data's units."""
    if bounds is not None:
        return reach_between(closed_loop, bounds)
    units = data.units.of(part.series).above(part.context)
    far = reach(widths.of(part.series) * units.std, closed_loop - units.floor)
    return np.broadcast_to(far.reshape(2, -1, *far.shape[-2:]), (2, *closed_loop.shape))


def _scaled_reach(
    closed_loop: np.ndarray, widths: Widths, part: Part, data: Data, bounds: np.ndarray | None
) -> np.ndarray:
    """Return the same, scaled, (2, window, horizon, channel), or of all windows."""
    units = data.units.of(part.series).above(part.context)
    if bounds is not None:
        return reach_between(closed_loop, bounds) / units.std
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
