"""How wide prediction intervals are: as all series tell together, and as single ones of a panel tell of themselves."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Widths:
    """Half-widths of intervals, and where quantiles lie, in standard deviations of a series' training part.

    Attributes:
        of_all: As all series tell together, (horizon, channel).
        by_series: Of each series of a panel, (series, horizon, channel), those of all where it tells too little of
            itself; None where no series has its own.
        offsets: How far quantiles lie above what they are told from, (level, horizon, channel), of the levels of a
            configuration's forecast; nan of one that is not known; None where quantiles are not asked for.
        by_network: Whether that is what a network gives for each, and intervals lie between two of these; else the
            forecast.
    """

    of_all: np.ndarray
    by_series: np.ndarray | None = None
    offsets: np.ndarray | None = None
    by_network: bool = False

    def of(self, series: np.ndarray | int | None) -> np.ndarray:
        """Return those of a series, (horizon, channel), or of windows of series, (window, horizon, channel).

        Args:
            series: Its number, or theirs; None: one that the run was not trained on.

        Returns:
            What no series tells of itself is (horizon, channel), whatever was asked.
        """
        return self.of_all if self.by_series is None or series is None else self.by_series[series]
