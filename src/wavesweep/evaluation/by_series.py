"""How each series of a panel is forecast, beside the baseline that is best for it."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from io import StringIO

import numpy as np

from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.evaluation.scores import Errors
from wavesweep.models.baseline_names import BASELINES


@dataclass(frozen=True)
class SeriesScores:
    """How a series is forecast.

    Attributes:
        series: Its name.
        scaled_mse: Mean squared error, in units of its variance.
        mae: Mean absolute error in the units of the data; None where several targets share none.
        coverage: Share of what came that lies within its intervals; None where there are none.
        best_baseline: What the baseline is called that is best on its validation data.
        best_baseline_scaled_mse: Mean squared error of that.
    """

    series: str
    scaled_mse: float
    mae: float | None
    coverage: float | None
    best_baseline: str
    best_baseline_scaled_mse: float


def scores_by_series(
    closed_loop: np.ndarray,
    own: Errors,
    baselines: Mapping[str, Errors],
    validated: Mapping[str, Errors],
    coverage: Mapping[str, float],
    part: Part,
    data: Data,
) -> list[SeriesScores]:
    """Return the scores of each series of a panel, the worst first.

    Args:
        closed_loop: Forecasts of the part, (window, horizon, channel).
        own: Their errors.
        baselines: Errors of each baseline on the part, by its key.
        validated: The same on validation data.
        coverage: Of the intervals of each series, by name; empty where there are none.
        part: What was true.
        data: Whose series they are.
    """
    mse, names = mse_by_series(own, part), data.division.source.names
    mse_of = {key: mse_by_series(one, part) for key, one in baselines.items()}
    val_of = {key: mse_by_series(one, data.val).tolist() for key, one in validated.items()}
    mae = _mae_by_series(closed_loop, part) if len(part.targets) == 1 else None
    rows = []
    for number in np.unique(part.series).tolist():
        errors = {key: one[number] if number < len(one) else math.nan for key, one in val_of.items()}
        best = min(errors, key=lambda key: _nan_last(errors[key]))
        name = str(names[number])
        row = SeriesScores(
            series=name,
            scaled_mse=float(mse[number]),
            mae=None if mae is None else float(mae[number]),
            coverage=coverage.get(name),
            best_baseline=BASELINES[best],
            best_baseline_scaled_mse=float(mse_of[best][number]),
        )
        rows.append(row)
    return sorted(rows, key=lambda row: -_nan_last(row.scaled_mse))


def mse_by_series(found: Errors, part: Part) -> np.ndarray:
    """Return the mean squared error of each series, scaled, by its number; nan where it has no window."""
    shares = part.observed[..., part.targets].mean(axis=(1, 2))
    with np.errstate(invalid="ignore", over="ignore"):
        return np.bincount(part.series, found.by_window) * shares.mean() / np.bincount(part.series, shares)


def to_csv(rows: Sequence[SeriesScores]) -> bytes:
    """Return scores as CSV; what is None is empty."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(one.name for one in fields(SeriesScores))
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue().encode()


def telling_windows(found: Errors, part: Part) -> dict[str, int]:
    """Return a window of the median series and one of the worst, by what they are called; that of its median error."""
    mse = mse_by_series(found, part)
    order = sorted(np.unique(part.series).tolist(), key=lambda number: _nan_last(float(mse[number])))
    chosen = {"median": order[(len(order) - 1) // 2], "worst": order[-1]}
    return {which: _median_window(found, part, number) for which, number in chosen.items()}


def _median_window(found: Errors, part: Part, series: int) -> int:
    """Return the window of a series whose error is the median of its own."""
    windows = np.flatnonzero(part.series == series)
    order = np.argsort(found.by_window[windows], kind="stable")
    return int(windows[order[(len(order) - 1) // 2]])


def _mae_by_series(closed_loop: np.ndarray, part: Part) -> np.ndarray:
    """Return the mean absolute error of each series, in the units of the data, by its number; of one target."""
    [target] = part.targets
    observed = part.observed[..., target]
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(closed_loop[..., target] - part.truth[..., target])
        sums = np.bincount(part.series, np.where(observed, off, 0.0).sum(axis=1))
        return sums / np.bincount(part.series, observed.sum(axis=1))


def _nan_last(error: float) -> float:
    return math.inf if math.isnan(error) else error
