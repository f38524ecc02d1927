"""Finding the period of series."""

import numpy as np


def find_period(train: np.ndarray, longest: int) -> int:
    """Find the lag at which the training part repeats itself best.

    Args:
        train: (series, time, channel), of the same variance in each channel.
        longest: The greatest lag allowed; half the training length also bounds it.

    Returns:
        The lag with the least mean squared difference beyond the first rise and fall of that difference; 1
        where it never falls, as on a trend.

    Source:
        The structure function of a time series, Kolmogorov (1941).
    """
    lags = np.arange(1, min(longest, train.shape[1] // 2) + 1)
    differences = np.array([np.square(train[:, lag:] - train[:, :-lag]).mean() for lag in lags])
    falls = np.flatnonzero(np.diff(differences) < 0)
    if len(falls) == 0:
        return 1
    return int(lags[falls[0] + np.argmin(differences[falls[0] :])])
