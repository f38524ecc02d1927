"""Scaling by the training part's mean and standard deviation."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scaler:
    """Maps data to units of the training part's mean and standard deviation, per channel."""

    mean: np.ndarray  # (channel,)
    std: np.ndarray  # (channel,)

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Return `values`, (…, channel), in scaled units."""
        return (values - self.mean) / self.std

    def unscale(self, values: np.ndarray) -> np.ndarray:
        """Return `values`, (…, channel), in the units of the data."""
        with np.errstate(over="ignore", invalid="ignore"):  # a forecast may run away
            return values * self.std + self.mean
