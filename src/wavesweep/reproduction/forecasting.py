"""Forecasting with a trained model: a run's own series beyond their end, or series that a user brings."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Self

import numpy as np

from wavesweep.base.errors import Refused
from wavesweep.base.schema import known
from wavesweep.config.config import Config
from wavesweep.config.derived import fill_in
from wavesweep.data.dataset import Observed
from wavesweep.data.scaling import Scaler
from wavesweep.data.splits import LARGEST
from wavesweep.files.stamps import continue_stamps
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.forecasting import closed_loops, forecast_part, on_threads
from wavesweep.models.weights import load_network
from wavesweep.reproduction.series_files import SERIES
from wavesweep.runs.preparation import load_data

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("wavesweep")
MOST_VALUES = 10**7  # of a forecast: half a gigabyte of CSV


@dataclass(frozen=True)
class TrainedModel:
    """A run's network, ready to forecast.

    Attributes:
        config: The run's complete configuration; it forecasts on as many threads as that says.
        network: With the weights that were kept.
        scaler: Between its units and the data's.
    """

    config: Config
    network: Forecaster
    scaler: Scaler

    @classmethod
    def load(cls, config: Config, weights: bytes, device: str = "cpu") -> Self:
        """Build the network that a run stored.

        Args:
            config: The run's complete configuration.
            weights: The content of its model.safetensors.
            device: Where it forecasts.

        Raises:
            Refused: If the configuration is not complete, or the weights can't be used.
        """
        if None in (config.forecast.horizon, config.training.washout):
            raise Refused("config.yaml must hold forecast.horizon and training.washout, got null; restore it")
        network, scaler = load_network(config.model, config.runtime.dtype, weights)
        if len(scaler.mean) != len(config.dataset.channels):
            problem = f"must be of {len(config.dataset.channels)} channels, got {len(scaler.mean)}"
            raise Refused(f"model.safetensors {problem}; restore it")
        return cls(config, network.to(device), scaler)

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
        steps = known(self.config.forecast.horizon) if horizon is None else horizon
        width = len(series) * len(self.config.dataset.channels)
        if steps * width > MOST_VALUES:
            limit = f"{max(MOST_VALUES // width, 1)}, which makes {MOST_VALUES:.0e} values"
            raise Refused(f"horizon must be at most {limit}, got {steps}; lower it")
        for one in series:
            _check(one, self.network.lead)
        self._warn_of_short([one for one in series if len(one.values) < known(self.config.training.washout)])
        with on_threads(self.config.runtime.threads):
            scaler = None if self.config.training.standardize == "series" else self.scaler
            forecasts = closed_loops(self.network, scaler, series, steps)
        if not all(np.isfinite(values).all() for values in forecasts):
            log.warning("the forecast runs away: some of its values are not finite")
        return forecasts

    def _warn_of_short(self, short: list[Observed]) -> None:
        """Warn of series in which a network with a state can hardly find the phase."""
        if short and self.config.model.has_gradient:
            others = f" and {len(short) - 1} more" if len(short) > 1 else ""
            log.warning(
                "%s%s: %d time steps are few; the network takes %d (training.washout) to find out where it is",
                _place(short[0]), others, len(short[0].values), known(self.config.training.washout),
            )  # fmt: skip


def own_series(config: Config) -> list[Observed]:
    """Return the ends of a run's own series: as many steps of each as the run was given before a forecast.

    Args:
        config: The run's complete configuration.

    Raises:
        Refused: If its data can't be used.
    """
    filled = fill_in(config)
    dataset, context = filled.dataset, known(filled.forecast.context)
    with np.errstate(all="ignore"):
        observed, _ = dataset.load(known(filled.forecast.horizon))
    scalers: list[Scaler | None] = [None] * len(observed)
    if filled.training.standardize == "series":
        units = load_data(filled).units
        several = zip(units.mean, units.std, strict=True)
        scalers = [units] if units.mean.ndim == 1 else [Scaler(*one) for one in several]
    lengths = dataset.lengths if dataset.splits_by_time else [observed.shape[1]] * len(observed)
    starts = [max(length - context, 0) for length in lengths]
    return [
        Observed(name, values[start:length], start, _last(stamps, context), scaler=scaler)
        for name, values, start, length, stamps, scaler in zip(
            dataset.names, observed, starts, lengths, dataset.stamps, scalers, strict=True
        )
    ]


def _last(stamps: "pd.DatetimeIndex | None", count: int) -> "pd.DatetimeIndex | None":
    return None if stamps is None else stamps[-count:]


def to_csv(channels: Sequence[str], series: Sequence[Observed], forecasts: Sequence[np.ndarray]) -> bytes:
    """Return forecasts as CSV: series, step, time where there are time stamps, and a column a channel.

    Numbers have as many digits as it takes to read the same bits again.
    """
    timed = any(one.times is not None for one in series)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([SERIES, "step", *(["time"] if timed else []), *channels])
    for one, values in zip(series, forecasts, strict=True):
        steps = range(one.start + len(one.values), one.start + len(one.values) + len(values))
        times = [] if one.times is None else [continue_stamps(one.times, len(values))]
        writer.writerows(
            [one.name, step, *when, *map(repr, row)]
            for step, *when, row in zip(steps, *times, values.tolist(), strict=True)
        )
    return text.getvalue().encode()


def rolling_csv(model: TrainedModel) -> tuple[bytes, int]:
    """Forecast the run's test part, else its validation part, from each origin; return it as CSV, and how many.

    A row for each step of each forecast: series, origin, step, time where there are time stamps, and for each channel
    the forecast and, as NAME_true, what came.

    Raises:
        Refused: If the run's data can't be used.
    """
    import pandas as pd

    config = fill_in(model.config)
    data = load_data(config)
    part = data.test or data.val
    with on_threads(config.runtime.threads):
        ahead = forecast_part(model.network, data.scaler, part).closed_loop
    windows, horizon, _ = ahead.shape
    series, origin = part.series.repeat(horizon), (part.start + part.context.shape[1]).repeat(horizon)
    step = np.tile(np.arange(horizon), windows)
    columns = {SERIES: np.array(config.dataset.names, dtype=object)[series], "origin": origin, "step": origin + step}
    if (stamps := config.dataset.stamps)[0] is not None:
        columns["time"] = [known(stamps[one])[at] for one, at in zip(series, origin + step, strict=True)]
    for number, channel in enumerate(config.dataset.channels):
        columns |= {channel: ahead[..., number].ravel(), f"{channel}_true": part.truth[..., number].ravel()}
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode(), windows


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
