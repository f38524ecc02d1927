"""Quantiles of what comes, which errors on validation data put where as much of it lies below as their levels say."""

from collections.abc import Sequence

import numpy as np

from wavesweep.evaluation.intervals import FEWEST_INDEPENDENT, fewest_windows, independent_windows


def quantile_offsets(
    base: np.ndarray, truth: np.ndarray, ahead: np.ndarray, observed: np.ndarray, levels: Sequence[float], stride: int
) -> np.ndarray:
    """Return how far quantiles lie above what they are told from, at each step ahead.

    Of n differences between the truth and that, the one of rank (n + 1) · level, rounded away from the median: a
    further one of the same distribution lies beyond it as rarely as wanted (conformalized quantile regression, each
    level by itself). As windows overlap, the distance from the forecast grows as that of intervals (see `half_widths`).
    The median is what it is told from.

    Args:
        base: What quantiles are told from, such as a network's own or the forecast, (level, window, horizon, channel).
        truth: What came, (window, horizon, channel), in the same scaled units.
        ahead: The forecast, likewise.
        observed: What of the truth was observed, likewise.
        levels: Of the quantiles, ascending.
        stride: Steps between the origins of a series' windows; 0: they share none.

    Returns:
        (level, horizon, channel); nan where windows in which a step was observed are too few.

    Source:
        Romano, Patterson & Candès (2019), Conformalized quantile regression, theorem 2.
    """
    from scipy.special import stdtrit

    number = observed.sum(axis=0)  # (horizon, channel)
    independent = np.maximum(independent_windows(number, stride), FEWEST_INDEPENDENT)
    offsets = np.zeros((len(levels), *number.shape))
    for place, level in enumerate(levels):
        side, share, told = np.sign(level - 0.5), max(level, 1 - level), base[place]
        if not side:
            continue
        if number.min() < fewest_windows(share):
            offsets[place] = np.nan
            continue
        rank = np.ceil(np.round((number + 1) * share, 9)).astype(int)
        beyond = np.sort(np.where(observed, side * (truth - told), np.nan), axis=0)  # nan comes last
        ranked = side * np.take_along_axis(beyond, rank[None] - 1, axis=0)[0]
        spread = (told - ahead).mean(axis=0) + ranked
        offsets[place] = ranked + (stdtrit(independent, share) / stdtrit(number, share) - 1) * spread
    return offsets


def quantiles_of(base: np.ndarray, offsets: np.ndarray, scale: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Return quantiles, (level, …, horizon, channel), in the units of the data, none below that of a lower level.

    Args:
        base: What they are told from, likewise.
        offsets: As `quantile_offsets` gives them, of as many steps.
        scale: The unit of the offsets, (…, channel).
        floor: The least value that there may be, (channel,).
    """
    steps = (len(offsets), *(1,) * (base.ndim - offsets.ndim), *offsets.shape[1:])
    found = np.maximum(base + offsets.reshape(steps) * scale, floor)
    return np.where(np.isnan(found), np.nan, np.fmax.accumulate(found, axis=0))


def quantile_losses(quantiles: np.ndarray, truth: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Return twice the mean quantile loss of each value, (window, horizon, channel), over the levels that are known.

    Lower is better, and true quantiles have the lowest.

    Args:
        quantiles: (level, window, horizon, channel), scaled; nan of a level that is not known.
        truth: (window, horizon, channel), likewise.
        levels: Of the quantiles.

    Source:
        Gneiting & Raftery (2007), Strictly proper scoring rules, 6.1.
    """
    above, level = truth - quantiles, np.array(levels)[:, None, None, None]
    losses = 2 * np.maximum(level * above, (level - 1) * above)
    known = ~np.isnan(quantiles)
    return np.where(known, losses, 0).sum(axis=0) / known.sum(axis=0)
