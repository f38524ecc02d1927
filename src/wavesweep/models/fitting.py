"""All baselines, fitted to the training part and chosen by validation, and how networks' start errs."""

from collections.abc import Iterator, Sequence

import numpy as np

from wavesweep.data.data import Data
from wavesweep.models.autoregression import linear
from wavesweep.models.baseline import MOST_WINDOWS, Baseline, Windows
from wavesweep.models.baseline_names import BASELINES
from wavesweep.models.intermittent import are_intermittent, fit_intermittent
from wavesweep.models.ridge import ridge_regression
from wavesweep.models.simple import best_seasonal_naive, drift, line, seasonal_naive
from wavesweep.models.smoothing import smoothing
from wavesweep.models.start import combined, takes_smoothing


def fit_each(
    train: Sequence[np.ndarray],
    val: Windows,
    seasons: Sequence[int],
    rest: tuple[Sequence[np.ndarray], Windows] | None = None,
) -> Iterator[tuple[str, Baseline]]:
    """Fit all baselines, in units in which each series' training part has mean 0 and variance 1; yield each by name.

    Args:
        train: Series of the training part, each (time, channel); lengths may differ.
        val: Windows of the validation part, by which orders and parameters are chosen.
        seasons: As `find_seasons` gives them.
        rest: Both without what known values do to them, as regressions forecast them; None: nothing is known.

    Returns:
        `naive`, `seasonal_naive`, `linear` and the others; `ridge` of long enough series alone, `mean`, `croston` and
        `tsb` of intermittent ones.
    """
    of_rest = rest or (train, val)
    yield "naive", seasonal_naive(1)
    yield "seasonal_naive", best_seasonal_naive(val, seasons)
    autoregression = linear(*of_rest, seasons)
    yield "linear", autoregression
    by_smoothing = smoothing(*of_rest, seasons)
    yield "smoothing", by_smoothing
    yield "drift", drift()
    yield "line", line(train)
    starts = {BASELINES["linear"]: autoregression}
    if ridge := ridge_regression(*of_rest, seasons):
        yield "ridge", ridge
        starts[BASELINES["ridge"]] = ridge
    if takes_smoothing(of_rest[0]):
        starts[BASELINES["smoothing"]] = by_smoothing
    yield "combined", combined(starts, of_rest[1])
    if are_intermittent(train, val.targets):
        yield from fit_intermittent(val).items()


def error_of_start(data: Data) -> float:
    """Return the error on validation windows, in units of scores, of what networks would start from."""
    part, units = data.val.spread(MOST_WINDOWS), data.units_of_rest
    val = Windows.of(part, units)
    start = dict(fit_each(data.scored(units), val, data.seasons))["combined"]
    ahead = units.of(part.series).unscale(start.forecast(val.context, val.truth.shape[1]))
    scores = data.units.of(part.series)
    return Windows(val.context, scores.scale(part.truth), part.targets, part.observed).error(scores.scale(ahead))
