"""How wide prediction intervals are: as all series tell together, and as single ones of a panel tell of themselves."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Widths:
    """Half-widths of intervals, in standard deviations of a series' training part.

    Attributes:
        of_all: As all series tell together, (horizon, channel).
        by_series: Of each series of a panel, (series, horizon, channel), those of all where it tells too little of
            itself; None where no series has its own.
    """

    of_all: np.ndarray
    by_series: np.ndarray | None = None

    def of(self, series: np.ndarray | int | None) -> np.ndarray:
        """Return those of a series, (horizon, channel), or of windows of series, (window, horizon, channel).

        Args:
            series: Its number, or theirs; None: one that the run was not trained on.

        Returns:
            What no series tells of itself is (horizon, channel), whatever was asked.
        """
        return self.of_all if self.by_series is None or series is None else self.by_series[series]
