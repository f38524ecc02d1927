"""Forecasts as tables: a column a channel, and the bounds of its interval; plain, or as a file is written."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wavesweep.data.dataset import Observed
from wavesweep.evaluation.beside_baselines import bounds_of, part_quantiles, reach_of
from wavesweep.evaluation.columns import columns_of
from wavesweep.evaluation.forecasting import forecast_part, on_threads, quantiles_of_part
from wavesweep.experiment.preparation import load_data
from wavesweep.files.manner import Manner
from wavesweep.files.stamps import continue_stamps, following
from wavesweep.files.time_format import write_time
from wavesweep.reproduction.forecasting import TrainedModel
from wavesweep.reproduction.series_files import SERIES


def as_table(
    channels: Sequence[str],
    forecasts: Sequence[np.ndarray],
    reaches: Sequence[np.ndarray] | None,
    quantiles: Sequence[np.ndarray] | None = None,
    levels: Sequence[float] = (),
) -> pd.DataFrame:
    """Return forecasts as a table: each channel, followed by the bounds of its interval and by quantiles.

    Args:
        channels: Their names.
        forecasts: Of each series or window, (horizon, channel); their rows stand below each other.
        reaches: How far intervals reach below and above them, (2, horizon, channel) each, nan where nothing is known;
            None: there are no intervals.
        quantiles: Of each, (level, horizon, channel), likewise; None: there are none.
        levels: Of the quantiles.
    """
    shown = [np.concatenate(forecasts)]
    if reaches is not None:
        below, above = np.concatenate(reaches, axis=1)
        shown += [shown[0] - below, shown[0] + above]
    if quantiles is not None:
        shown += [*np.concatenate(quantiles, axis=1)]
    columns = {}
    for number, names in enumerate(columns_of(channels, bounds=reaches is not None, levels=levels)):
        columns |= {name: one[:, number] for name, one in zip(names, shown, strict=True)}
    return pd.DataFrame(columns)


def to_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV: numbers have as many digits as it takes to read the same bits again, nan is empty."""
    return table.to_csv(index=False, lineterminator="\n").encode()


def continuations(
    channels: Sequence[str],
    series: Sequence[Observed],
    forecasts: Sequence[np.ndarray],
    reaches: Sequence[np.ndarray] | None = None,
    quantiles: Sequence[np.ndarray] | None = None,
    levels: Sequence[float] = (),
) -> pd.DataFrame:
    """Return how series go on: series, step, time where there are time stamps, and the columns of `as_table`."""
    steps = len(forecasts[0])
    table = as_table(channels, forecasts, reaches, quantiles, levels)
    table.insert(0, SERIES, [one.name for one in series for _ in range(steps)])
    table.insert(1, "step", [one.start + len(one.values) + step for one in series for step in range(steps)])
    stamps = [stamp for one in series if one.times is not None for stamp in continue_stamps(one.times, steps)]
    if stamps:  # all series have some, or none has
        table.insert(2, "time", stamps)
    return table


def continuations_below(
    manner: Manner,
    targets: Sequence[str],
    channels: Sequence[str],
    series: Sequence[Observed],
    forecasts: Sequence[np.ndarray],
    reaches: Sequence[np.ndarray] | None = None,
    quantiles: Sequence[np.ndarray] | None = None,
    levels: Sequence[float] = (),
) -> bytes:
    """Return how series go on as a file whose rows can stand below those of another.

    Args:
        manner: How that one is written. Its columns come first, in its order, those of bounds and quantiles last.
        targets: The channels that are told of.
        channels: Names of all.
        series: As they are in that file.
        forecasts: Of each, (horizon, channel).
        reaches: As `as_table` takes them, and the next two.
        quantiles: Likewise.
        levels: Likewise.
    """
    steps, roles = len(forecasts[0]), manner.roles
    numbers = as_table(channels, forecasts, reaches, quantiles, levels)
    columns: dict[str, list[str]] = {}
    for name in manner.columns:
        if name == roles.series:
            columns[name] = [str(one.name) for one in series for _ in range(steps)]
        elif name == roles.time:
            times = [one.times for one in series if one.times is not None]
            columns[name] = [time for one in times for time in _next_times(one, steps, manner.time_format)]
        elif name == roles.step:
            columns[name] = [step for one in series for step in manner.next_steps(str(one.name), steps)]
        elif name in targets:
            columns[name] = manner.numbers(name, numbers[name].to_numpy())
    for channel, *bounds in columns_of(channels, bounds=reaches is not None, levels=levels):
        if channel in targets:
            columns |= {bound: manner.numbers(channel, numbers[bound].to_numpy()) for bound in bounds}
    return manner.rows(columns)


def _next_times(times: pd.DatetimeIndex, steps: int, form: str | None) -> list[str]:
    """Return the time stamps that come next, written in a format where one is known."""
    if form is None:
        return continue_stamps(times, steps)
    return [write_time(stamp, form) for stamp in following(times, steps)]


def rolling(model: TrainedModel) -> tuple[pd.DataFrame, int]:
    """Forecast the run's test part, else its validation part, from each origin; return a table, and how many.

    A row for each step of each forecast: series, origin, step, time where there are time stamps, the columns of
    `as_table`, and for each channel, as NAME_true, what came, nan where that was not observed.

    Raises:
        Refused: If the run's data can't be used.
    """
    data = load_data(model.config)
    source, part = data.division.source, data.test or data.val
    with on_threads(model.config.runtime.threads):
        ahead = forecast_part(model.network, data.scaler, part).closed_loop
    windows, horizon, _ = ahead.shape
    own, levels = None, model.config.forecast.quantiles
    reaches, quantiles = None, [np.full((len(levels), *one.shape), np.nan) for one in ahead] if levels else None
    if model.widths is not None:
        if model.widths.by_network:
            own = quantiles_of_part(model.network, data.scaler, part)
        bounds = bounds_of(own, model.widths, part, data, model.config.forecast)
        reaches = [*reach_of(ahead, model.widths, part, data, bounds).swapaxes(0, 1)]
        if levels:
            found = part_quantiles(ahead[None] if own is None else own, model.widths, part, data)
            places = [model.config.forecast.levels.index(level) for level in levels]
            quantiles = [*found[places].swapaxes(0, 1)]
    table = as_table(data.channels, [*ahead], reaches, quantiles, levels)
    series, origin = part.series.repeat(horizon), (part.start + part.context.shape[1]).repeat(horizon)
    step = origin + np.tile(np.arange(horizon), windows)
    table.insert(0, SERIES, np.array(source.names, dtype=object)[series])
    table.insert(1, "origin", origin)
    table.insert(2, "step", step)
    stamps = [one for one in source.stamps if one is not None]  # all series have some, or none has
    if stamps:
        table.insert(3, "time", [stamps[one][at] for one, at in zip(series, step, strict=True)])
    truth = np.where(part.observed, part.truth, np.nan)
    for number, channel in enumerate(data.channels):
        table[f"{channel}_true"] = truth[..., number].ravel()
    return table, windows
