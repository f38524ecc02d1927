"""Measuring the trend of series."""

from collections.abc import Sequence

import numpy as np


def trend_share(series: Sequence[np.ndarray]) -> float:
    """Return the share of the variance within series that a straight line for each explains.

    Args:
        series: (time, channel) each, channels of similar variance.

    Source:
        The strength of a trend of Wang, Smith & Hyndman (2006), here of a linear one, and without a season.
    """
    explained = total = 0.0
    for one in series:
        time = np.arange(len(one)) - (len(one) - 1) / 2
        values = one - one.mean(axis=0)
        explained += np.square(time @ values).sum() / np.square(time).sum()
        total += np.square(values).sum()
    return float(explained / max(total, np.finfo(float).tiny))
