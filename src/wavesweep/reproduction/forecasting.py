"""Forecasting with a trained model: a run's own series beyond their end, or series that a user brings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused
from wavesweep.base.streams import log
from wavesweep.config.config import Resolved
from wavesweep.config.resolve import outline
from wavesweep.data.data import load_timeline
from wavesweep.data.dataset import LARGEST, Observed
from wavesweep.data.effects import Effects
from wavesweep.data.scaling import Scaler, measured
from wavesweep.data.widths import Widths
from wavesweep.evaluation.forecasting import as_series, closed_loops, network_quantiles, on_threads, scaler_of
from wavesweep.evaluation.intervals import reach, reach_between
from wavesweep.evaluation.quantiles import quantiles_of
from wavesweep.files.frames import check_frame
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.weights import load_effects, load_network, load_widths

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

MOST_VALUES = 10**7  # of a forecast: half a gigabyte of CSV


@dataclass(frozen=True)
class Parted:
    """A series that is parted into what is known in advance and the rest.

    Attributes:
        rest: What the effects leave of it.
        ahead: The effects on the steps to come, (step, channel), in the units of the data.
        known: What networks know of it and of these steps, as `Part.known` gives it.
    """

    rest: Observed
    ahead: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class TrainedModel:
    """A run's network, ready to forecast.

    Attributes:
        config: The run's complete configuration; it forecasts on as many threads as that says.
        network: With the weights that were kept.
        scaler: Between its units and the data's.
        widths: Half-widths of its intervals; None: there are none.
        effects: What is known in advance does to series; None: nothing is known.
    """

    config: Resolved
    network: Forecaster
    scaler: Scaler
    widths: Widths | None = None
    effects: Effects | None = None

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
        if scaler.sees_logs != config.dataset.sees_logs:
            told = "be of logarithms" if config.dataset.sees_logs else "not be of logarithms"
            raise Refused(f"model.safetensors must {told}, as dataset.transform says; restore it")
        effects = load_effects(weights)
        num_inputs = len(config.dataset.inputs)
        if num_inputs != (len(effects.features.knots) if effects else 0):
            problem = (
                f"must tell the effects of {counted(num_inputs, 'known input')}, and tells those of another number"
            )
            raise Refused(f"model.safetensors {problem}; restore it")
        widths = load_widths(weights)
        _check_offsets(config, widths)
        return cls(config, network.to(device), scaler, widths, effects)

    def forecast(self, series: Sequence[Observed], horizon: int | None = None) -> list[np.ndarray]:
        """Forecast series in closed loop; those of one length are computed together.

        Args:
            series: What was observed of each, (time, channel), in the units of the data.
            horizon: Steps to forecast, at least 1; None: as many as columns tell of in advance or, where there are no
                such columns, as the run was scored on.

        Returns:
            Of each series, (horizon, channel), float64, in the units of the data.

        Raises:
            Refused: If a value is missing or too large, a series is shorter than the network needs, the horizon is
                less than 1 or more than can be held, or what has to be known of a step ahead is not.
        """
        steps = self._horizon(series) if horizon is None else horizon
        width = len(series) * len(self.config.dataset.channels)
        if steps * width > MOST_VALUES:
            limit = f"{max(MOST_VALUES // width, 1)}, which makes {MOST_VALUES:.0e} values"
            raise Refused(f"horizon must be at most {limit}, got {steps}; lower it")
        for one in series:
            _check(one, self.network.lead)
            self._check_positive(one)
        washout = self.config.training.washout
        short = [one for one in series if len(one.values) < washout]
        if short and self.config.model.has_gradient:  # a network with a state can hardly find the phase
            log.warning(
                "%s: %d time steps are few; the network takes %d (training.washout) to find out where it is",
                _place(short[0]), len(short[0].values), washout,
            )  # fmt: skip
        with on_threads(self.config.runtime.threads):
            scaler = None if self.config.training.standardize == "series" else self.scaler.without_floor()
            if self.effects is None:
                ahead = closed_loops(self.network, scaler, series, steps, logs=self.config.dataset.sees_logs)
            else:
                ahead = self._forecast_with(self.effects, scaler, series, steps)
        forecasts = [np.maximum(values, self._floor(one)) for one, values in zip(series, ahead, strict=True)]
        if not all(np.isfinite(values).all() for values in forecasts):
            log.warning("the forecast runs away: some of its values are not finite")
        return forecasts

    def _check_positive(self, series: Observed) -> None:
        """Refuse a value that has no logarithm."""
        if not self.config.dataset.sees_logs or series.values.min() >= 0:
            return
        step, channel = np.argwhere(series.values < 0)[0]
        value, column = series.values[step, channel], self.config.dataset.channels[channel]
        rule = "must have no value below 0 for a run of dataset.transform=log1p"
        raise Refused(f"{_place(series)}: {rule}, got {value:g} in {column}, step {step}; train one of transform=none")

    def _horizon(self, series: Sequence[Observed]) -> int:
        """Return how many steps are forecast by default."""
        told = [len(one.known.rows) for one in series if one.known]
        return min(told, default=0) or self.config.forecast.horizon

    def _forecast_with(
        self, effects: Effects, scaler: Scaler | None, series: Sequence[Observed], steps: int
    ) -> list[np.ndarray]:
        """Forecast what is left of series without the effects of what is known, and put these back."""
        parted = [self._parted(effects, one, steps) for one in series]
        known = [one.known for one in parted]
        forecasts = closed_loops(self.network, scaler, [one.rest for one in parted], steps, known=known)
        return [forecast + one.ahead for forecast, one in zip(forecasts, parted, strict=True)]

    def _parted(self, effects: Effects, series: Observed, steps: int) -> "Parted":
        """Part a series, and so many steps ahead, into effects and what these leave."""
        units, inputs = self._units(series), self._inputs(series, steps)
        effect = effects.of(inputs) * units.std
        before, ahead = np.split(effect, [len(series.values)])
        of_network = self.scaler if self.config.training.standardize != "series" else units
        known = np.concatenate([effect / of_network.std, effects.of_each.make(inputs)], axis=1)
        return Parted(replace(series, values=series.values - before, scaler=units), ahead, known)

    def _inputs(self, series: Observed, steps: int) -> np.ndarray:
        """Return what is known of a series and of so many steps ahead, (time, input); refuse a step that lacks some."""
        from wavesweep.files.calendar import known_inputs

        dataset, observed = self.config.dataset, len(series.values)
        columns = dataset.known_columns
        if columns and series.known is None:
            raise Refused(f"{_place(series)}: must tell {columns[0]}, which is known in advance, got none; give it")
        if dataset.calendar_fields and series.times is None:
            raise Refused(f"{_place(series)}: must have time stamps, of which the calendar is told; give them")
        values = None if series.known is None else series.known.values
        inputs = known_inputs(values, series.times, dataset.calendar_fields, observed + steps)
        lacking = np.argwhere(np.isnan(inputs))
        if len(lacking):
            raise self._lacks(series, *lacking[0])
        return inputs

    def _lacks(self, series: Observed, step: int, number: int) -> Refused:
        """Return what says which known value is missing, and where."""
        name, ahead = self.config.dataset.inputs[number], step - len(series.values)
        rows = series.known.rows if series.known else ()
        if ahead < len(rows) and rows[ahead] >= 0:
            where = f"{_place(series)}, row {rows[ahead] + 2}, column {name}"
            return Refused(f"{where}: must hold what is known of that step in advance, got an empty cell; fill it in")
        got = f"got {counted(len(rows), 'row')} without values at the end"
        way_out = "add rows that have it and no values (--data FILE reads another), or lower the horizon"
        return Refused(f"{_place(series)}: must tell {name} of each step that is forecast, {got}; {way_out}")

    def _units(self, series: Observed) -> Scaler:
        """Return what scores of a series are scaled by."""
        pooled = self.scaler if self.config.training.standardize == "global" else None
        return series.scaler or pooled or self._own_units(series)

    def _own_units(self, series: Observed) -> Scaler:
        return scaler_of(series.values, logs=self.config.dataset.sees_logs)

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
        if self.widths.by_network:
            places = [self.config.forecast.levels.index(bound) for bound in self.config.forecast.bounds]
            both = zip(forecasts, self._quantiles(series, forecasts), strict=True)
            return [reach_between(ahead, found[places]) for ahead, found in both]
        reaches = []
        for one, ahead in zip(series, forecasts, strict=True):
            scaled = np.concatenate([self.widths.of(one.number)[:horizon], beyond])
            half_widths = scaled * self._units(one).unit
            reaches.append(reach(half_widths, ahead - self._floor(one)))
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
        pooled = None if self.config.training.standardize == "series" else self.scaler.without_floor()
        steps = min(len(forecasts[0]), self.widths.offsets.shape[1])
        found = []
        for one, ahead in zip(series, forecasts, strict=True):
            base, scale = ahead[None], self._units(one).unit
            if self.widths.by_network:
                base = self._quantiles_of_network(pooled, one, steps)
            known = quantiles_of(base[:, :steps], self.widths.offsets[:, :steps], scale, self._floor(one))
            found.append(np.pad(known, ((0, 0), (0, len(ahead) - steps), (0, 0)), constant_values=np.nan))
        return found

    def _floor(self, series: Observed) -> np.ndarray:
        """Return what forecasts of a series don't go below, (channel,) or (1, channel)."""
        return self.scaler.above(series.values).floor

    def _quantiles_of_network(self, scaler: Scaler | None, series: Observed, steps: int) -> np.ndarray:
        """Return the quantiles that the network itself gives of a series, (level, step, channel)."""
        effect: np.ndarray | float = 0.0
        known = None
        if self.effects is not None:
            parted = self._parted(self.effects, series, steps)
            series, effect, known = parted.rest, parted.ahead, parted.known[None]
        own = scaler or (series.scaler or self._own_units(series)).without_floor()
        with on_threads(self.config.runtime.threads):
            given = network_quantiles(self.network, own, series.values[None], np.array([series.start]), known)
        assert given is not None
        return given[:, 0, :steps] + effect


def forecast_values(
    config: Resolved,
    weights: bytes,
    values: "ArrayLike | pd.DataFrame | None",
    horizon: int | None,
    future: "pd.DataFrame | None",
    *,
    bounds: bool,
) -> np.ndarray:
    """Forecast as `Run.forecast` does, which see, given a run's complete configuration and its weights."""
    series = _given_series(config, values, future)
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


def _given_series(
    config: Resolved, values: "ArrayLike | pd.DataFrame | None", future: "pd.DataFrame | None"
) -> list[Observed]:
    """Return the series to be forecast: of a table, an array, or the run's own, with what is known of their future."""
    if hasattr(values, "columns"):
        import pandas as pd

        from wavesweep.reproduction.frames import series_of_frame

        frame: Any = values
        if future is not None:
            check_frame(frame, "values")
            check_frame(future, "future")
            numbered = isinstance(frame.index, pd.RangeIndex) and isinstance(future.index, pd.RangeIndex)
            frame = pd.concat([frame, future], ignore_index=numbered)
        return series_of_frame(config, frame)
    if values is not None:
        if future is not None:
            raise Refused("future must stand beside a table of values, got an array; give pandas.DataFrame(…)")
        return [Observed(*one) for one in enumerate(as_series(values, config.dataset.channels))]
    series = own_series(config)
    if future is None:
        return series
    from wavesweep.reproduction.frames import with_future

    return with_future(config, series, future)


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
    observed = division.as_observed(division.cut_training(timeline, horizon))
    units = measured(division.units, observed, logs=config.dataset.sees_logs)
    ends = division.ends(timeline, shapes.forecast.context)
    scalers = [units] * len(ends)
    if units.mean.ndim == 2:
        scalers = [units.only(number) for number in range(len(ends))]
    both = enumerate(zip(ends, scalers, strict=True))
    return [replace(end, scaler=scaler, number=number) for number, (end, scaler) in both]


def _check_offsets(config: Resolved, widths: Widths | None) -> None:
    """Refuse weights that lack where quantiles lie, or tell it of other levels."""
    if widths is None or not (config.forecast.quantiles or widths.by_network):
        return
    levels, offsets = config.forecast.levels, widths.offsets
    if offsets is None or offsets.shape[:2] != (len(levels), len(widths.of_all)):
        rule = f"must tell {counted(len(levels), 'quantile')} of {counted(len(widths.of_all), 'step')}"
        raise Refused(f"model.safetensors {rule}, and tells others; restore it")


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
