"""Splitting series into training, validation and test parts."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from wavesweep.base.errors import Refused
from wavesweep.base.schema import known
from wavesweep.data.dataset import Dataset
from wavesweep.data.rows import Forecast, Rows, rows_of, splits_by_time
from wavesweep.data.scaling import Scaler

LARGEST = 1e15  # beyond it, squared errors overflow single precision


class _Shown:
    """Shows the shapes of arrays instead of their values, as in a notebook's cell."""

    def __repr__(self) -> str:
        """Return the class and its fields."""
        shown = {key: value.shape if isinstance(value, np.ndarray) else value for key, value in vars(self).items()}
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in shown.items())})"


@dataclass(frozen=True, repr=False)
class Part(_Shown):
    """The series and windows that validation or test is scored on, in the units of the data.

    Attributes:
        observed: The true past of one-step predictions, (series, time, channel).
        first_target: The first time step whose one-step prediction is scored.
        context: Observed values before each closed-loop forecast, (window, context, channel).
        truth: How they truly go on, (window, horizon, channel).
        start: Time index of each context's first value, (window,).
    """

    observed: np.ndarray
    first_target: int
    context: np.ndarray
    truth: np.ndarray
    start: np.ndarray


@dataclass(frozen=True, repr=False)
class Split(_Shown):
    """The parts of a data set; `train` is (series, time, channel), in the units of the data."""

    train: np.ndarray
    val: Part
    test: Part | None
    variance: np.ndarray  # of the training part, (channel,)
    scaler: Scaler


def load(dataset: Dataset, forecast: Forecast, *, washout: int, standardize: bool) -> Split:
    """Load the series of a data set, and split them.

    Args:
        dataset: With sizes, seed and split filled in.
        forecast: With horizon, context and stride filled in.
        washout: The first values of a series whose one-step predictions are not scored.
        standardize: Whether to scale to the training part's mean and standard deviation.

    Raises:
        Refused: If the data can't be used.
    """
    with np.errstate(all="ignore"):
        observed, continuation = dataset.load(known(forecast.horizon))
    largest = max(np.abs(values).max(initial=0.0) for values in (observed, continuation))
    if not largest <= LARGEST:
        raise Refused(
            f"dataset: its values must be finite and at most {LARGEST:g} in size, got {largest:g}; give smaller "
            "parameters or another unit"
        )
    timeline = np.concatenate([observed, continuation], axis=1)
    if splits_by_time(dataset):
        return split_by_time(timeline, observed.shape[1], rows_of(dataset), forecast, standardize=standardize)
    return split_by_series(timeline, rows_of(dataset), forecast, washout=washout, standardize=standardize)


def describe(data: Split) -> list[dict[str, Any]]:
    """Return context, digest and shape of each part's observed series, for MLflow's dataset inputs."""
    parts = {"training": data.train, "validation": data.val.observed}
    if data.test:
        parts["test"] = data.test.observed
    return [
        {"context": name, "digest": sha256(values.tobytes()).hexdigest()[:16], "shape": list(values.shape)}
        for name, values in parts.items()
    ]


def split_by_series(timeline: np.ndarray, rows: Rows, forecast: Forecast, *, washout: int, standardize: bool) -> Split:
    """Split series: each is forecast once, at its end. The order is the article's: test, training, validation.

    Args:
        timeline: (series, time, channel); its last `horizon` steps are forecast, and train nothing.
        rows: Series of each part.
        forecast: With horizon and context filled in.
        washout: The first values of a series whose one-step predictions are not scored.
        standardize: Whether to scale to the training part's mean and standard deviation.

    Raises:
        Refused: If a channel of the training part is constant.
    """
    context, origin = known(forecast.context), timeline.shape[1] - known(forecast.horizon)

    def part(series: slice) -> Part:
        past, start = timeline[series, :origin], origin - context
        starts = np.full(len(past), start)
        return Part(past, washout, past[:, start:], timeline[series, origin:], starts)

    first, second = rows.test, rows.test + rows.train
    test = part(slice(0, first)) if rows.test else None
    return _scaled(timeline[first:second, :origin], part(slice(second, None)), test, standardize)


def split_by_time(timeline: np.ndarray, length: int, rows: Rows, forecast: Forecast, *, standardize: bool) -> Split:
    """Cut a single series into stretches; a forecast may see all that lies before its own.

    Args:
        timeline: (1, time, channel), with how the series truly goes on, as far as that is known.
        length: Observed steps of it.
        rows: Steps of each part.
        forecast: With horizon, context and stride filled in.
        standardize: Whether to scale to the training part's mean and standard deviation.

    Raises:
        Refused: If a channel of the training part is constant.
    """
    context, horizon, stride = known(forecast.context), known(forecast.horizon), known(forecast.stride)

    def part(first: int, last: int) -> Part:
        # Only the last part may look into the continuation: what follows validation is the test.
        end = last if last < length else timeline.shape[1]
        origins = np.arange(first, min(last, end - horizon + 1), stride)
        start = origins - context
        windows = timeline[0][start[:, None] + np.arange(context + horizon)]  # (window, context + horizon, channel)
        return Part(timeline[:, :last], first, windows[:, :context], windows[:, context:], start)

    second = rows.train + rows.val
    test = part(second, length) if rows.test else None
    return _scaled(timeline[:, : rows.train], part(rows.train, second), test, standardize)


def _scaled(train: np.ndarray, val: Part, test: Part | None, standardize: bool) -> Split:
    """Return the parts with the scaling that the training part gives."""
    variance = train.var(axis=(0, 1))
    if not (variance > 0).all():
        raise Refused("dataset: the training part is constant, so there is nothing to learn; choose other values")
    scaler = Scaler(train.mean(axis=(0, 1)), np.sqrt(variance))
    if not standardize:
        scaler = Scaler(np.zeros_like(variance), np.ones_like(variance))
    return Split(train, val, test, variance, scaler)
