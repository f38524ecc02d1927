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
from wavesweep.data.scaling import Scaler
from wavesweep.data.widths import Widths
from wavesweep.evaluation.forecasting import as_series, closed_loops, on_threads, scaler_of
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import LOSSES
from wavesweep.models.weights import load_effects, load_network, load_widths

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

MOST_VALUES = 10**7  # of a forecast: half a gigabyte of CSV


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
        horizon, loss = config.forecast.horizon, LOSSES[config.training.loss]
        network, scaler = load_network(config.model, horizon, config.runtime.dtype, loss, weights)
        if len(scaler.mean) != len(config.dataset.channels):
            problem = f"must be of {len(config.dataset.channels)} channels, got {len(scaler.mean)}"
            raise Refused(f"model.safetensors {problem}; restore it")
        effects = load_effects(weights)
        num_inputs = len(config.dataset.inputs)
        if num_inputs != (len(effects.features.knots) if effects else 0):
            problem = (
                f"must tell the effects of {counted(num_inputs, 'known input')}, and tells those of another number"
            )
            raise Refused(f"model.safetensors {problem}; restore it")
        return cls(config, network.to(device), scaler, load_widths(weights), effects)

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
        washout = self.config.training.washout
        short = [one for one in series if len(one.values) < washout]
        if short and self.config.model.has_gradient:  # a network with a state can hardly find the phase
            log.warning(
                "%s: %d time steps are few; the network takes %d (training.washout) to find out where it is",
                _place(short[0]), len(short[0].values), washout,
            )  # fmt: skip
        with on_threads(self.config.runtime.threads):
            scaler = None if self.config.training.standardize == "series" else self.scaler
            if self.effects is None:
                forecasts = closed_loops(self.network, scaler, series, steps)
            else:
                forecasts = self._forecast_with(self.effects, scaler, series, steps)
        if not all(np.isfinite(values).all() for values in forecasts):
            log.warning("the forecast runs away: some of its values are not finite")
        return forecasts

    def _horizon(self, series: Sequence[Observed]) -> int:
        """Return how many steps are forecast by default."""
        told = [len(one.known.rows) for one in series if one.known]
        return min(told, default=0) or self.config.forecast.horizon

    def _forecast_with(
        self, effects: Effects, scaler: Scaler | None, series: Sequence[Observed], steps: int
    ) -> list[np.ndarray]:
        """Forecast what is left of series without the effects of what is known, and put these back."""
        rest, ahead = [], []
        for one in series:
            units = self._units(one)
            effect = effects.of(self._inputs(one, steps)) * units.std
            before, after = np.split(effect, [len(one.values)])
            rest.append(replace(one, values=one.values - before, scaler=units))
            ahead.append(after)
        forecasts = closed_loops(self.network, scaler, rest, steps)
        return [forecast + after for forecast, after in zip(forecasts, ahead, strict=True)]

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
        rule = (
            f"must tell {name} of each step that is forecast, got {counted(len(rows), 'row')} without values at the end"
        )
        return Refused(f"{_place(series)}: {rule}; add rows that have it and no values, or lower the horizon")

    def _units(self, series: Observed) -> Scaler:
        """Return what scores of a series are scaled by."""
        pooled = self.scaler if self.config.training.standardize == "global" else None
        return series.scaler or pooled or scaler_of(series.values)

    def half_widths(self, series: Sequence[Observed], horizon: int) -> list[np.ndarray] | None:
        """Return how far above and below its forecast the interval of each series reaches.

        A series that the run was not trained on has the half-widths of all, in the scale that its values are scaled by
        or, where they are not, its own.

        Args:
            series: As `forecast` takes them.
            horizon: Steps that are forecast.

        Returns:
            Of each series, (horizon, channel), in the units of the data, nan where nothing is known: beyond the horizon
            that the run was scored on. None where there are no intervals.
        """
        if self.widths is None:
            return None
        known = len(self.widths.of_all)
        if horizon > known:
            log.warning(
                "intervals are known %d steps ahead, and left out beyond; a run with forecast.horizon=%d has them all",
                known, horizon,
            )  # fmt: skip
        beyond = np.full((max(horizon - known, 0), len(self.config.dataset.channels)), np.nan)
        half_widths = []
        for one in series:
            scaled = np.concatenate([self.widths.of(one.number)[:horizon], beyond])
            half_widths.append(scaled * self._units(one).std)
        return half_widths


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
    ahead = np.stack(model.forecast(series, horizon))
    if not bounds:
        return ahead
    half_widths = model.half_widths(series, ahead.shape[1])
    half = np.full(ahead.shape, np.nan) if half_widths is None else np.stack(half_widths)
    return np.stack([ahead - half, ahead, ahead + half])


def _given_series(
    config: Resolved, values: "ArrayLike | pd.DataFrame | None", future: "pd.DataFrame | None"
) -> list[Observed]:
    """Return the series to be forecast: of a table, an array, or the run's own, with what is known of their future."""
    if hasattr(values, "columns"):
        import pandas as pd

        from wavesweep.reproduction.frames import series_of_frame

        frame: Any = values
        return series_of_frame(config, frame if future is None else pd.concat([frame, future]))
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
