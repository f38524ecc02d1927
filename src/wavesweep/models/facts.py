"""What was measured of data, by which models decide what was left open."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from wavesweep.data.data import Data
from wavesweep.models.baseline import Windows


@dataclass(frozen=True)
class Facts:
    """What was measured of data.

    Attributes:
        train: Series of the training part, scaled, each (time, channel); what is too short to be scored is left out.
        val: Windows of the validation part, scaled.
        seasons: As `find_seasons` gives them.
        window: Steps of a training window.
        washout: The first of these, whose predictions losses leave out.
        num_features: What networks see of each step that is known in advance.
    """

    train: Sequence[np.ndarray]
    val: Windows
    seasons: tuple[int, ...]
    window: int
    washout: int
    num_features: int = 0

    @classmethod
    def of(cls, data: Data, window: int, washout: int) -> Self:
        """Measure data, of which training takes such windows."""
        rest = data.without_effects
        train, val = rest.scored(data.scaler), Windows.of(rest.val, data.scaler)
        return cls(train, val, data.seasons, window, washout, data.num_features)

    @cached_property
    def trend_share(self) -> float:
        """The share of the variance within series that a straight line for each explains.

        Source:
            The strength of a trend of Wang, Smith & Hyndman (2006), here of a linear one, and without a season.
        """
        explained = total = 0.0
        for one in self.train:
            time = np.arange(len(one)) - (len(one) - 1) / 2
            values = one - one.mean(axis=0)
            explained += np.square(time @ values).sum() / np.square(time).sum()
            total += np.square(values).sum()
        return float(explained / max(total, np.finfo(float).tiny))
