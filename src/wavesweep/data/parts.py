"""The windows that validation or test is scored on."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from wavesweep.data.scaling import Scaler


def spread_evenly(number: int, count: int) -> np.ndarray:
    """Return at most so many of the numbers from 0 on, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, number - 1, count).round().astype(int))


def everywhere() -> np.ndarray:
    """Return what says of all values, whatever their shape, that they were observed."""
    return np.array(True)


def mean_where(values: np.ndarray, observed: np.ndarray, axis: int | tuple[int, ...] | None = None) -> np.ndarray:
    """Return the mean of those values, of any shape, that were observed, of the same; nan where none was."""
    if observed.all():
        return values.mean(axis=axis)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(values.sum(axis=axis, where=observed) / observed.sum(axis=axis))


@dataclass(frozen=True)
class Part:
    """The windows that validation or test is scored on, in the units of the data, in the order of series and time.

    Attributes:
        context: Observed values before each closed-loop forecast, (window, context, channel).
        truth: How they truly go on, (window, horizon, channel); the last value that was observed where one was not.
        start: Time index of each context's first value, (window,).
        series: Number of the series that each window is of, (window,).
        scored: The steps of windows, context and truth, whose one-step predictions are scored.
        targets: Numbers of the channels that are scored, (target,).
        origin: The step of time at which each closed-loop forecast begins, (window,): windows of several series that
            begin at one are struck by the same events.
        observed: Which values of the truth were observed, and count in scores, (window, horizon, channel).
        stride: The steps between the origins of a series' windows before any was chosen or left out; 0 where each
            series is forecast once.
        effect: What is known in advance does to context and truth, (window, context + horizon, channel); None: nothing
            is known.
        features: What networks see of that, of all steps of each series, (series, time, feature); None: nothing.
    """

    context: np.ndarray
    truth: np.ndarray
    start: np.ndarray
    series: np.ndarray
    scored: slice
    targets: np.ndarray
    origin: np.ndarray
    observed: np.ndarray = field(default_factory=everywhere)
    stride: int = 0
    effect: np.ndarray | None = None
    features: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", np.broadcast_to(self.observed, self.truth.shape))

    def only(self, chosen: slice | np.ndarray) -> Self:
        """Return the part with some of its windows."""
        of_windows = ("context", "truth", "start", "series", "origin", "observed")
        windows = {key: getattr(self, key)[chosen] for key in of_windows}
        if self.effect is not None:
            windows["effect"] = self.effect[chosen]
        return replace(self, **windows)

    def with_effects(self, effect: np.ndarray, features: np.ndarray | None = None) -> Self:
        """Return the part with what is known in advance does to each series, (series, time, channel), and features."""
        return replace(self, effect=effect[self.series[:, None], self._steps], features=features)

    def known(self, scaler: Scaler) -> np.ndarray | None:
        """Return what networks know in advance, (window, context + horizon, channel + feature).

        Args:
            scaler: Between the data and the network.

        Returns:
            The effects on each channel, in the network's units, and then features; None where it sees nothing.
        """
        if self.effect is None or self.features is None:
            return None
        features = self.features[self.series[:, None], self._steps]
        return np.concatenate([self.effect / scaler.of(self.series).std, features], axis=2)

    @property
    def _steps(self) -> np.ndarray:
        """The steps of each window, (window, context + horizon)."""
        return self.start[:, None] + np.arange(self.context.shape[1] + self.truth.shape[1])

    def without_effects(self) -> Self:
        """Return the part less what is known in advance does to it."""
        if self.effect is None:
            return self
        before, after = np.split(self.effect, [self.context.shape[1]], axis=1)
        context, truth = self.context - before, self.truth - after
        return replace(self, context=context, truth=truth, effect=None, features=None)

    def put_back(self, forecast: np.ndarray) -> np.ndarray:
        """Return a forecast of what `without_effects` leaves, (…, window, horizon, channel), as one of the part."""
        if self.effect is None:
            return forecast
        first = self.context.shape[1]
        return forecast + self.effect[:, first : first + forecast.shape[-2]]

    def spread(self, count: int) -> Self:
        """Return the part with at most so many windows, evenly spread, the first and the last among them."""
        return self.only(spread_evenly(len(self.start), count))

    def chunks(self, count: int) -> Iterator[Self]:
        """Yield the windows, so many at a time."""
        for first in range(0, len(self.start), count):
            yield self.only(slice(first, first + count))

    @property
    def overlap(self) -> int:
        """How many origins on no forecast shares a step with those of the first."""
        origins = np.unique(self.origin)
        if len(origins) < 2:
            return 1
        return math.ceil(self.truth.shape[1] / np.median(np.diff(origins)))

    def by_origin(self, values: np.ndarray) -> np.ndarray:
        """Return the means of values, (window,), over the series at each origin, (origin,), in the order of time.

        Where not all series have a window there, it is their sum over the number that an origin has on average, so that
        the mean over origins is that over windows. Of one series it is the values, to the last bit.

        Source:
            Driscoll & Kraay (1998), Consistent covariance matrix estimation with spatially dependent panel data; for
            unequal series Hoechle (2007), Robust standard errors for panel regressions.
        """
        origins, which = np.unique(self.origin, return_inverse=True)
        return np.bincount(which, values) / (len(which) / len(origins))
