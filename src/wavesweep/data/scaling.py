"""Scaling by mean and standard deviation, of values or of their logarithms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from hydra_queue_sweeper.base.errors import Refused


@dataclass(frozen=True)
class Scaler:
    """Maps data to units of a mean and a standard deviation for each channel, or for each channel of each series.

    Attributes:
        mean: (channel,) or (series, channel).
        std: Likewise.
        floor: The least value of the data that forecasts may take, (channel,); -inf: any.
        plain_std: The standard deviation of the data themselves where `mean` and `std` are those of log(1 + value);
            None: they are of the data.
    """

    mean: np.ndarray
    std: np.ndarray
    floor: np.ndarray = field(default_factory=lambda: np.array(-np.inf))
    plain_std: np.ndarray | None = None

    @property
    def sees_logs(self) -> bool:
        """Whether it scales logarithms."""
        return self.plain_std is not None

    @property
    def unit(self) -> np.ndarray:
        """The standard deviation of the data themselves."""
        return self.std if self.plain_std is None else self.plain_std

    @classmethod
    def pooled(cls, series: Sequence[np.ndarray]) -> Self:
        """Return the scaling that all series, (time, channel) each, give together; nan counts for nothing.

        Raises:
            Refused: If a channel is constant.
        """
        mean, std, varies = _moments(np.concatenate(series))
        if not varies.all():
            raise Refused("dataset: the training part is constant, so there is nothing to learn; choose other values")
        return cls(mean, std)

    @classmethod
    def by_series(cls, series: Sequence[np.ndarray], names: Sequence[str | int], channels: Sequence[str]) -> Self:
        """Return the scaling that each series, (time, channel), gives for itself; nan counts for nothing.

        Raises:
            Refused: If a channel of a series is constant.
        """
        mean, std, varies = map(np.stack, zip(*map(_moments, series), strict=True))
        if not varies.all():
            number, channel = np.argwhere(~varies)[0]
            problem = f"its training part is constant in {channels[channel]}"
            raise Refused(f"dataset: series {names[number]}: {problem}, so there is nothing to learn; leave it out")
        return cls(mean, std)

    def of(self, series: np.ndarray | int) -> "Scaler":
        """Return what scales a series, (time, channel), or windows of series, (window, time, channel), by number."""
        if self.mean.ndim == 1:
            return self
        plain = None if self.plain_std is None else self.plain_std[series, None]
        return Scaler(self.mean[series, None], self.std[series, None], self.floor, plain)

    def only(self, number: int) -> "Scaler":
        """Return what scales one series of several, (channel,)."""
        plain = None if self.plain_std is None else self.plain_std[number]
        return Scaler(self.mean[number], self.std[number], plain_std=plain)

    def above(self, contexts: np.ndarray) -> Self:
        """Return the same scaling, with its floor for those contexts, (…, time, channel), that never lie below it."""
        if not np.isfinite(self.floor).any():
            return self
        held = (contexts >= self.floor).all(axis=-2, keepdims=True)
        return replace(self, floor=np.where(held, self.floor, -np.inf))

    def without_floor(self) -> Self:
        """Return the same scaling for what is left of values, which may be anything."""
        return replace(self, floor=np.array(-np.inf))

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Return `values`, (…, channel), in scaled units."""
        if self.sees_logs:
            values = log_of(values)
        return (values - self.mean) / self.std

    def scale_each(self, series: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return all series, (time, channel) each, in scaled units."""
        return [self.of(number).scale(one) for number, one in enumerate(series)]

    def unscale(self, values: np.ndarray) -> np.ndarray:
        """Return forecasts, (…, channel), in the units of the data, and not below the floor."""
        with np.errstate(over="ignore", invalid="ignore"):  # a forecast may run away
            values = values * self.std + self.mean
            if self.sees_logs:
                values = np.expm1(values)
            return np.maximum(values, self.floor)


def measured(measure: Callable[[Sequence[np.ndarray]], Scaler], series: Sequence[np.ndarray], *, logs: bool) -> Scaler:
    """Return the scaling of series, each (time, channel), or of their logarithms.

    Args:
        measure: What scales given series, `Scaler.pooled` for instance.
        series: As they were observed.
        logs: Whether their logarithms are scaled.

    Raises:
        Refused: As `measure` does.
    """
    plain = measure(series)
    if not logs:
        return plain
    return replace(measure([log_of(one) for one in series]), plain_std=plain.std)


def log_of(values: np.ndarray) -> np.ndarray:
    """Return log(1 + value); what is below 0 counts as 0."""
    return np.log1p(np.maximum(values, 0.0))


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and deviation of each channel, and which ones vary: a constant deviates from itself by rounding."""
    known: Any = np.ma.masked_invalid(values) if np.isnan(values).any() else values
    mean, std = known.mean(axis=0), known.std(axis=0)
    varies = (std > 0) & (known.max(axis=0) > known.min(axis=0))
    return np.ma.filled(mean, 0.0), np.ma.filled(std, 0.0), np.ma.filled(varies, fill_value=False)
