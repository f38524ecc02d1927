"""What values that are known in advance do to a series: taken out before all else, and put back in the end."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from wavesweep.data.known import Effect

FEW_LEVELS, MOST_LEVELS, NUM_KNOTS = 10, 400, 7
MOST_KNOWN = 5 * 10**7  # features of all steps of all series, beyond which networks see none
MOST_ROWS = 4096  # that features are made of at once


@dataclass(frozen=True)
class Features:
    """What a regression makes of inputs: weights at the knots of each, between which lines lead.

    Attributes:
        knots: Of each input, ascending: all values of one that has few or is of the calendar, else quantiles.
        products: Whether each pair of inputs has weights at each pair of their knots too.

    Source:
        Splines of first order: Hastie, Tibshirani & Friedman (2009), 5.2; products of hour, weekday, month and
        temperature: Hong (2010), Short term electric load forecasting.
    """

    knots: tuple[np.ndarray, ...]
    products: bool = False

    @classmethod
    def of(cls, inputs: np.ndarray, num_calendar: int) -> Self:
        """Place the knots of inputs, (row, input), of which so many, the last ones, are of the calendar."""
        most = np.full(inputs.shape[1], FEW_LEVELS)
        most[inputs.shape[1] - num_calendar :] = MOST_LEVELS
        return cls(tuple(map(_knots, inputs.T, most)))

    @property
    def number(self) -> int:
        """How many features there are."""
        sizes = [len(one) for one in self.knots]
        if not self.products:
            return sum(sizes)
        return sum(sizes) + (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2

    def make(self, inputs: np.ndarray) -> np.ndarray:
        """Return the features of inputs, (row, input): (row, feature); nan where an input is."""
        groups = [_hats(values, knots) for values, knots in zip(inputs.T, self.knots, strict=True)]
        features = [*groups]
        if self.products:
            for number, one in enumerate(groups):
                features += [(one[:, :, None] * other[:, None]).reshape(len(inputs), -1) for other in groups[:number]]
        return np.concatenate(features, axis=1)


@dataclass(frozen=True)
class Effects:
    """What inputs do to each channel of a series, in standard deviations of its training part.

    Attributes:
        features: Of the inputs.
        weights: (feature + 1, channel), the constant last.
        chosen: The regressions whose mean they are; none of stored ones.
    """

    features: Features
    weights: np.ndarray
    chosen: tuple[Effect, ...] = ()

    def of(self, inputs: np.ndarray) -> np.ndarray:
        """Return the effect of inputs, (time, input): (time, channel); nan where an input is."""
        parts = [inputs[first : first + MOST_ROWS] for first in range(0, max(len(inputs), 1), MOST_ROWS)]
        return np.concatenate([self.features.make(one) @ self.weights[:-1] + self.weights[-1] for one in parts])

    @property
    def of_each(self) -> Features:
        """The features of each input by itself, which networks see."""
        return replace(self.features, products=False)


def _knots(values: np.ndarray, most_levels: int) -> np.ndarray:
    levels = np.unique(values)
    if len(levels) <= most_levels:
        return levels
    return np.unique(np.quantile(values, np.linspace(0, 1, NUM_KNOTS)))


def _hats(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return functions that are 1 at a knot and 0 at the others, on lines between; beyond the last, as at it."""
    return np.stack([np.interp(values, knots, hat) for hat in np.eye(len(knots))], axis=1)
