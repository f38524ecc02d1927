"""Forecasting with a trained model: a run's own series beyond their end, or series that a user brings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.base.streams import log
from wavesweep.config.config import Resolved
from wavesweep.config.resolve import outline
from wavesweep.data.data import load_timeline
from wavesweep.data.dataset import LARGEST, Observed
from wavesweep.data.scaling import Scaler
from wavesweep.data.widths import Widths
from wavesweep.evaluation.forecasting import as_series, closed_loops, network_quantiles, on_threads, scaler_of
from wavesweep.evaluation.intervals import reach, reach_between
from wavesweep.evaluation.quantiles import quantiles_of
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.weights import load_network, load_widths

MOST_VALUES = 10**7  # of a forecast: half a gigabyte of CSV


@dataclass(frozen=True)
class TrainedModel:
    """A run's network, ready to forecast.

    Attributes:
        config: The run's complete configuration; it forecasts on as many threads as that says.
        network: With the weights that were kept.
        scaler: Between its units and the data's.
        widths: Half-widths of its intervals; None: there are none.
    """

    config: Resolved
    network: Forecaster
    scaler: Scaler
    widths: Widths | None = None

    @classmethod
    def load(cls, config: Resolved, weights: bytes, device: str = "cpu") -> Self:
        """Build the network that a run stored.

        Args:
            config: The run's complete configuration.
            weights: The content of its model.safetensors.
            device: Where it forecasts.

        Raises:
            Refused: If the weights can't be used.
        """
        horizon, loss = config.forecast.horizon, config.loss
        network, scaler = load_network(config.model, horizon, config.runtime.dtype, loss, weights)
        if len(scaler.mean) != len(config.dataset.channels):
            problem = f"must be of {len(config.dataset.channels)} channels, got {len(scaler.mean)}"
            raise Refused(f"model.safetensors {problem}; restore it")
        return cls(config, network.to(device), scaler, load_widths(weights))

    def forecast(self, series: Sequence[Observed], horizon: int | None = None) -> list[np.ndarray]:
        """Forecast series in closed loop; those of one length are computed together.

        Args:
            series: What was observed of each, (time, channel), in the units of the data.
            horizon: Steps to forecast, at least 1; None: as many as the run was scored on.

        Returns:
            Of each series, (horizon, channel), float64, in the units of the data.

        Raises:
            Refused: If a value is missing or too large, a series is shorter than the network needs, or the horizon is
                less than 1 or more than can be held.
        """
        steps = self.config.forecast.horizon if horizon is None else horizon
        width = len(series) * len(self.config.dataset.channels)
        if steps * width > MOST_VALUES:
            limit = f"{max(MOST_VALUES // width, 1)}, which makes {MOST_VALUES:.0e} values"
            raise Refused(f"horizon must be at most {limit}, got {steps}; lower it")
        for one in series:
            _check(one, self.network.lead)
        washout = self.config.training.washout
        short = [one for one in series if len(one.values) < washout]
        if short and self.config.model.has_gradient:  # a network with a state can hardly find the phase
            log.warning(
                "%s: %d time steps are few; the network takes %d (training.washout) to find out where it is",
                _place(short[0]), len(short[0].values), washout,
            )  # fmt: skip
        with on_threads(self.config.runtime.threads):
            scaler = None if self.config.training.standardize == "series" else self.scaler
            ahead = closed_loops(self.network, scaler, series, steps)
        forecasts = [np.maximum(values, self.scaler.floor) for values in ahead]
        if not all(np.isfinite(values).all() for values in forecasts):
            log.warning("the forecast runs away: some of its values are not finite")
        return forecasts

    def reach(self, series: Sequence[Observed], forecasts: Sequence[np.ndarray]) -> list[np.ndarray] | None:
        """Return how far below and above its forecast the interval of each series reaches.

        A series that the run was not trained on has the half-widths of all, in the scale that its values are scaled by
        or, where they are not, its own.

        Args:
            series: As `forecast` takes them.
            forecasts: What it gave.

        Returns:
            Of each series, (2, horizon, channel), in the units of the data, nan where nothing is known: beyond the
            horizon that the run was scored on. None where there are no intervals.
        """
        if self.widths is None:
            return None
        known, horizon = len(self.widths.of_all), len(forecasts[0])
        if horizon > known:
            log.warning(
                "intervals are known %d steps ahead, and left out beyond; a run with forecast.horizon=%d has them all",
                known, horizon,
            )  # fmt: skip
        beyond = np.full((max(horizon - known, 0), len(self.config.dataset.channels)), np.nan)
        pooled = self.scaler if self.config.training.standardize == "global" else None
        if self.widths.by_network:
            places = [self.config.forecast.levels.index(bound) for bound in self.config.forecast.bounds]
            both = zip(forecasts, self._quantiles(series, forecasts), strict=True)
            return [reach_between(ahead, found[places]) for ahead, found in both]
        reaches = []
        for one, ahead in zip(series, forecasts, strict=True):
            scaled = np.concatenate([self.widths.of(one.number)[:horizon], beyond])
            half_widths = scaled * (one.scaler or pooled or scaler_of(one.values)).std
            reaches.append(reach(half_widths, ahead - self.scaler.floor))
        return reaches

    def quantiles(self, series: Sequence[Observed], forecasts: Sequence[np.ndarray]) -> list[np.ndarray] | None:
        """Return the quantiles of each series that `forecast.quantiles` asks for.

        Args:
            series: As `forecast` takes them.
            forecasts: What it gave.

        Returns:
            Of each series, (level, horizon, channel), in the units of the data, nan where nothing is known; None where
            none is asked for.
        """
        levels = self.config.forecast.quantiles
        if not levels:
            return None
        if self.widths is None:
            return [np.full((len(levels), *ahead.shape), np.nan) for ahead in forecasts]
        places = [self.config.forecast.levels.index(level) for level in levels]
        return [found[places] for found in self._quantiles(series, forecasts)]

    def _quantiles(self, series: Sequence[Observed], forecasts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the quantiles of all levels; beyond the horizon that the run was scored on, nan."""
        assert self.widths is not None
        assert self.widths.offsets is not None
        pooled = None if self.config.training.standardize == "series" else self.scaler
        steps = min(len(forecasts[0]), self.widths.offsets.shape[1])
        found = []
        for one, ahead in zip(series, forecasts, strict=True):
            own = one.scaler or scaler_of(one.values)
            base = ahead[None]
            if self.widths.by_network:
                context, start = one.values[None], np.array([one.start])
                with on_threads(self.config.runtime.threads):
                    given = network_quantiles(self.network, pooled or own, context, start)
                assert given is not None
                base = given[:, 0]
            scale = (one.scaler or (self.scaler if self.config.training.standardize == "global" else own)).std
            known = quantiles_of(base[:, :steps], self.widths.offsets[:, :steps], scale, self.scaler.floor)
            found.append(np.pad(known, ((0, 0), (0, len(ahead) - steps), (0, 0)), constant_values=np.nan))
        return found


def forecast_values(
    config: Resolved, weights: bytes, values: ArrayLike | None, horizon: int | None, *, bounds: bool
) -> np.ndarray:
    """Forecast as `Run.forecast` does, which see, given a run's complete configuration and its weights."""
    given = None if values is None else as_series(values, config.dataset.channels)
    series = own_series(config) if given is None else [Observed(*one) for one in enumerate(given)]
    model = TrainedModel.load(config, weights)
    forecasts = model.forecast(series, horizon)
    ahead = np.stack(forecasts)
    if not bounds:
        return ahead
    reaches = model.reach(series, forecasts)
    if reaches is None:
        return np.stack([np.full(ahead.shape, np.nan), ahead, np.full(ahead.shape, np.nan)])
    below, above = np.stack(reaches, axis=1)
    return np.stack([ahead - below, ahead, ahead + above])


def own_series(config: Resolved) -> list[Observed]:
    """Return the ends of a run's own series: as many steps of each as the run was given before a forecast.

    Args:
        config: The run's complete configuration.

    Raises:
        Refused: If its data can't be used.
    """
    shapes = outline(config)
    division, horizon = shapes.division, shapes.forecast.horizon
    timeline = load_timeline(division, horizon)
    units = division.units(division.as_observed(division.cut_training(timeline, horizon)))
    ends = division.ends(timeline, shapes.forecast.context)
    scalers = [units] * len(ends)
    if units.mean.ndim == 2:
        scalers = [Scaler(*one) for one in zip(units.mean, units.std, strict=True)]
    both = enumerate(zip(ends, scalers, strict=True))
    return [replace(end, scaler=scaler, number=number) for number, (end, scaler) in both]


def _check(series: Observed, lead: int) -> None:
    """Refuse a series that can't be forecast."""
    if len(series.values) < lead:
        problem = f"context must have at least {lead} time steps, got {len(series.values)}"
        raise Refused(f"{_place(series)}: {problem}; give more")
    if not (np.abs(series.values) <= LARGEST).all():
        problem = f"values must be finite and at most {LARGEST:g} in size"
        raise Refused(f"{_place(series)}: {problem}; fill in or leave out those that are missing")


def _place(series: Observed) -> str:
    return series.place or f"series {series.name}"
