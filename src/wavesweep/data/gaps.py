"""What was known of values that were filled in."""

import numpy as np


def as_known_at_the_end(values: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Return stretches, (window, time, channel), whose last values, if filled in, are the last that was observed.

    Those on the line to what comes later would tell of it.
    """
    last = np.logical_and.accumulate(filled[:, ::-1], axis=1)[:, ::-1]
    before = (~last).sum(axis=1, keepdims=True) - 1
    return np.where(last & (before >= 0), np.take_along_axis(values, np.maximum(before, 0), axis=1), values)
