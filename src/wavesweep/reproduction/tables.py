"""Forecasts as tables: a column a channel, beside it the bounds of its interval."""

import csv
from collections.abc import Sequence
from io import StringIO
from math import isnan

import numpy as np

from wavesweep.data.dataset import Observed
from wavesweep.evaluation.columns import columns_of
from wavesweep.evaluation.forecasting import forecast_part, on_threads
from wavesweep.files.stamps import continue_stamps
from wavesweep.reproduction.forecasting import TrainedModel
from wavesweep.reproduction.series_files import SERIES
from wavesweep.runs.preparation import load_data


def with_bounds(
    channels: Sequence[str], forecasts: np.ndarray, half_widths: np.ndarray | None
) -> tuple[list[str], np.ndarray]:
    """Return a table's columns: each channel, followed by the bounds of its interval where there are some.

    Args:
        channels: Their names.
        forecasts: (row, channel).
        half_widths: (row, channel), nan where there are none.

    Returns:
        Names, and values, (row, column).
    """
    if half_widths is None:
        return [*channels], forecasts
    names = [name for some in columns_of(channels, bounds=True) for name in some]
    columns = np.stack([forecasts, forecasts - half_widths, forecasts + half_widths], axis=2)
    return names, columns.reshape(len(forecasts), -1)


def to_csv(
    channels: Sequence[str],
    series: Sequence[Observed],
    forecasts: Sequence[np.ndarray],
    half_widths: Sequence[np.ndarray] | None = None,
) -> bytes:
    """Return forecasts as CSV: series, step, time where there are time stamps, and a column a channel.

    Where there are intervals, their bounds follow it, empty where nothing is known. Numbers have as many digits as it
    takes to read the same bits again.
    """
    timed = any(one.times is not None for one in series)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    tables = [
        with_bounds(channels, *both) for both in zip(forecasts, half_widths or [None] * len(forecasts), strict=True)
    ]
    writer.writerow([SERIES, "step", *(["time"] if timed else []), *tables[0][0]])
    for one, (_, values) in zip(series, tables, strict=True):
        steps = range(one.start + len(one.values), one.start + len(one.values) + len(values))
        times = [] if one.times is None else [continue_stamps(one.times, len(values))]
        writer.writerows(
            [one.name, step, *when, *("" if half_widths and isnan(value) else repr(value) for value in row)]
            for step, *when, row in zip(steps, *times, values.tolist(), strict=True)
        )
    return text.getvalue().encode()


def rolling_csv(model: TrainedModel) -> tuple[bytes, int]:
    """Forecast the run's test part, else its validation part, from each origin; return it as CSV, and how many.

    A row for each step of each forecast: series, origin, step, time where there are time stamps, and for each channel
    the forecast, the bounds of its interval where there are some and, as NAME_true, what came.

    Raises:
        Refused: If the run's data can't be used.
    """
    import pandas as pd

    data = load_data(model.config)
    source, part = data.division.source, data.test or data.val
    with on_threads(model.config.runtime.threads):
        ahead = forecast_part(model.network, data.scaler, part).closed_loop
    windows, horizon, _ = ahead.shape
    series, origin = part.series.repeat(horizon), (part.start + part.context.shape[1]).repeat(horizon)
    step = np.tile(np.arange(horizon), windows)
    columns = {SERIES: np.array(source.names, dtype=object)[series], "origin": origin, "step": origin + step}
    stamps = [one for one in source.stamps if one is not None]  # all series have some, or none has
    if stamps:
        columns["time"] = [stamps[one][at] for one, at in zip(series, origin + step, strict=True)]
    shown = [ahead]
    if model.widths is not None:
        half = model.widths * data.units.of(part.series).std
        shown += [ahead - half, ahead + half]
    for number, (channel, *bounds) in enumerate(columns_of(data.channels, bounds=model.widths is not None)):
        columns |= {name: one[..., number].ravel() for name, one in zip((channel, *bounds), shown, strict=True)}
        columns[f"{channel}_true"] = part.truth[..., number].ravel()
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode(), windows
