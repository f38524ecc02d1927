"""Scoring what a run keeps on the test part, beside the baselines."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from wavesweep.config.config import Resolved
from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.data.widths import Widths
from wavesweep.evaluation.beside_baselines import (
    Baselines,
    bounds_of,
    calibrate,
    coverage_by_series,
    coverage_floor,
    error_by,
    fit_again,
    forecast_by,
    gain,
    losses_of_quantiles,
    part_quantiles,
    score_intervals,
)
from wavesweep.evaluation.by_series import SeriesScores, scores_by_series
from wavesweep.evaluation.forecasting import forecast_part, quantiles_of_part
from wavesweep.evaluation.in_units import InUnits, as_metrics, errors_in_units
from wavesweep.evaluation.metric_names import (
    COVERAGE_FLOOR,
    COVERAGE_LEAST,
    MAE,
    MASE,
    QUANTILE_SCORE,
    baseline_score,
    metric,
    of_baseline,
    of_refit,
)
from wavesweep.evaluation.scores import Errors, Metrics, errors, mean_absolute_scaled_error, scores
from wavesweep.models.forecaster import Forecaster


@dataclass(frozen=True)
class Tested:
    """What a test has shown.

    Attributes:
        own: Errors of the run.
        baselines: As they were tested.
        errors_of_baselines: By name.
        metrics: All scores.
        by_series: Of a panel, how each series is forecast, the worst first.
        in_units: Of each target of observed series, by name, the run's errors and those of the best baseline.
    """

    own: Errors
    baselines: Baselines
    errors_of_baselines: dict[str, Errors]
    metrics: Metrics
    by_series: list[SeriesScores]
    in_units: dict[str, tuple[InUnits, InUnits]]


def score_test(
    config: Resolved,
    data: Data,
    part: Part,
    kept: Forecaster,
    refitted: Forecaster | None,
    widths: Widths | None,
    baselines: Baselines,
    best: str,
    validated: dict[str, Errors],
) -> Generator[int, None, Tested]:
    """Score what is kept on the test part, and the baselines.

    How much better it is than a baseline, and how its intervals do, is told of the one that is best on validation data.

    Args:
        config: What is run.
        data: Its parts.
        part: That which tests.
        kept: The network with the weights that are kept.
        refitted: The same, fitted again to validation data too, which is what is tested then; None: it was not.
        widths: Half-widths of its intervals.
        baselines: Fitted to the training part.
        best: The baseline that is best on validation data.
        validated: Errors of the baselines there, by name.

    Yields:
        How many were tested: it, then each baseline.
    """
    coverage = config.forecast.coverage
    forecasts = forecast_part(kept, data.scaler, part)
    own = errors(forecasts.closed_loop, part, data.units)
    tested: Metrics = {}
    if refitted:
        before = own
        forecasts = forecast_part(refitted, data.scaler, part)
        own = errors(forecasts.closed_loop, part, data.units)
        tested |= {of_refit(key): value for key, value in gain(own, before, part).items()}
    ahead = forecasts.closed_loop
    tested |= scores(forecasts, part, data.units)
    tested |= {MAE: own.absolute, MASE: mean_absolute_scaled_error(ahead, part, data)}
    bounds = interval_bounds(config, kept, widths, data, part)
    tested |= score_intervals(ahead, widths, part, data, coverage, bounds)
    if widths is not None and config.forecast.quantiles:
        tested[QUANTILE_SCORE] = score_quantiles(config, kept, ahead, widths, data, part)
    if widths is not None:
        tested[COVERAGE_FLOOR] = coverage_floor(part, data, coverage)
    covered = coverage_by_series(ahead, widths, part, data, bounds)
    if covered:
        tested[COVERAGE_LEAST] = min(covered.values())

    yield 1
    widths_of_best = calibrate(forecast_by(baselines[best], data, data.val), data, coverage)
    if config.forecast.refit == "validation":
        baselines = fit_again(baselines, data)
    of_baselines: dict[str, Errors] = {}
    for name, one in baselines.items():
        of_baselines[name] = error_by(one, data, part)
        yield 1 + len(of_baselines)
    tested |= {baseline_score(name): one.mean for name, one in of_baselines.items()}
    tested |= gain(own, of_baselines[best], part)
    ahead_of_best = forecast_by(baselines[best], data, part)
    theirs = score_intervals(ahead_of_best, widths_of_best, part, data, coverage)
    in_units = {}
    if not data.division.source.knows_continuation:  # those that are generated have no unit
        own_in_units, theirs_in_units = (errors_in_units(one, part, data.channels) for one in (ahead, ahead_of_best))
        tested |= as_metrics(own_in_units)
        theirs |= as_metrics(theirs_in_units)
        in_units = {name: (one, theirs_in_units[name]) for name, one in own_in_units.items()}
    tested |= {of_baseline(key): value for key, value in theirs.items()}
    by_series = []
    if data.is_panel:
        by_series = scores_by_series(ahead, own, of_baselines, validated, covered, part, data)
    metrics = {metric("test", key): value for key, value in tested.items()}
    return Tested(own, baselines, of_baselines, metrics, by_series, in_units)


def own_quantiles(config: Resolved, network: Forecaster, epoch: int, data: Data, part: Part) -> np.ndarray | None:
    """Return quantiles that a network gives itself, (level, window, horizon, channel); None of another."""
    if config.model.is_linear(epoch):
        return None
    return quantiles_of_part(network, data.scaler, part)


def interval_bounds(
    config: Resolved, network: Forecaster, widths: Widths | None, data: Data, part: Part
) -> np.ndarray | None:
    """Return the quantiles of a network between which intervals lie, (2, window, horizon, channel), if they do so."""
    if widths is None or not widths.by_network:
        return None
    return bounds_of(quantiles_of_part(network, data.scaler, part), widths, part, data, config.forecast)


def score_quantiles(
    config: Resolved, network: Forecaster, ahead: np.ndarray, widths: Widths, data: Data, part: Part
) -> float:
    """Return the score of the quantiles that are given out, scaled."""
    base = quantiles_of_part(network, data.scaler, part) if widths.by_network else ahead[None]
    assert base is not None
    places = [config.forecast.levels.index(one) for one in config.forecast.quantiles]
    found = part_quantiles(base, widths, part, data)[places]
    return float(losses_of_quantiles(found, part, data, config.forecast.quantiles).mean())
