"""What all baselines have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from wavesweep.data.parts import Part, everywhere, mean_where, spread_evenly
from wavesweep.data.scaling import Scaler

MOST_WINDOWS = 256  # that a choice is made by


@dataclass(frozen=True)
class Windows:
    """What is known, and how it went on: what choices are made by.

    Attributes:
        context: (window, context, channel).
        truth: (window, horizon, channel).
        targets: Which channels choices are made for.
        observed: Which values of the truth were observed, and count, (window, horizon, channel).
    """

    context: np.ndarray
    truth: np.ndarray
    targets: np.ndarray | slice = field(default_factory=lambda: slice(None))
    observed: np.ndarray = field(default_factory=everywhere)

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", np.broadcast_to(self.observed, self.truth.shape))

    @classmethod
    def of(cls, part: Part, scaler: Scaler) -> Self:
        """Return windows of a part, a few hundred at most, evenly spread, in scaled units."""
        some = part.spread(MOST_WINDOWS)
        units = scaler.of(some.series)
        return cls(units.scale(some.context), units.scale(some.truth), some.targets, some.observed)

    def thinned(self, most: int) -> Self:
        """Return at most so many windows, evenly spread."""
        chosen = spread_evenly(len(self.context), most)
        windows = {key: getattr(self, key)[chosen] for key in ("context", "truth", "observed")}
        return replace(self, **windows)

    def at_steps(self, steps: np.ndarray) -> Self:
        """Return the windows with some of the steps of their truth."""
        return replace(self, truth=self.truth[:, steps], observed=self.observed[:, steps])

    def error(self, forecast: np.ndarray) -> float:
        """Return the mean squared error of a forecast of the targets; inf where it exploded."""
        with np.errstate(over="ignore", invalid="ignore"):
            squared = np.square((forecast - self.truth)[..., self.targets])
            error = mean_where(squared, self.observed[..., self.targets])
            return float(np.nan_to_num(error, nan=np.inf, posinf=np.inf))


@dataclass(frozen=True)
class Baseline:
    """A forecast that needs no training by gradient.

    Attributes:
        forecast: Forecasts from contexts, (window, context, channel), so many steps, (window, horizon, channel).
        note: What was chosen, in words.
        fit: Fits the same choice to series, each (time, channel); None where nothing is fitted.
        forecasts_rest: Whether it forecasts what is left once what known values do is taken out.
    """

    forecast: Callable[[np.ndarray, int], np.ndarray]
    note: str
    fit: "Callable[[Sequence[np.ndarray]], Baseline] | None" = None
    forecasts_rest: bool = False
