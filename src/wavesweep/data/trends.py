"""Measuring the trend of series."""

import numpy as np


def trend_share(series: np.ndarray) -> float:
    """Return the share of the variance within series that a straight line for each explains.

    Args:
        series: (series, time, channel), channels of similar variance.

    Source:
        The strength of a trend of Wang, Smith & Hyndman (2006), here of a linear one, and without a season.
    """
    time = np.arange(series.shape[1]) - (series.shape[1] - 1) / 2
    values = series - series.mean(axis=1, keepdims=True)
    explained = np.square(np.einsum("stc,t->sc", values, time)).sum() / np.square(time).sum()
    return float(explained / max(np.square(values).sum(), np.finfo(float).tiny))
