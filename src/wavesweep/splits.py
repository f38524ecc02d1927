"""Training, validation and test parts, and the scaling that the training part gives."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from wavesweep.config import Config
from wavesweep.schema import Refused, known
from wavesweep.shapes import rows_of, splits_by_time

LARGEST = 1e15  # beyond it, squared errors overflow single precision


@dataclass(frozen=True)
class Scaler:
    """Maps data to units of the training part's mean and standard deviation, per channel."""

    mean: np.ndarray  # (channel,)
    std: np.ndarray  # (channel,)

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Return `values`, (…, channel), in scaled units."""
        return (values - self.mean) / self.std

    def unscale(self, values: np.ndarray) -> np.ndarray:
        """Return `values`, (…, channel), in the units of the data."""
        with np.errstate(over="ignore", invalid="ignore"):  # a forecast may run away
            return values * self.std + self.mean


@dataclass(frozen=True)
class Part:
    """What validation or test is scored on, in the units of the data.

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


@dataclass(frozen=True)
class Split:
    """The parts of a data set; `train` is (series, time, channel), in the units of the data."""

    train: np.ndarray
    val: Part
    test: Part | None
    variance: np.ndarray  # of the training part, (channel,)
    scaler: Scaler


def load(config: Config) -> Split:
    """Generate or read the series of a configuration, with derived values filled in, and split them.

    Raises:
        Refused: If the data can't be used.
    """
    with np.errstate(all="ignore"):
        observed, continuation = config.dataset.generate(known(config.forecast.horizon))
    largest = max(np.abs(values).max() for values in (observed, continuation))
    if not largest <= LARGEST:
        raise Refused(
            f"dataset: its values must be finite and at most {LARGEST:g} in size, got {largest:g}; give smaller "
            "parameters or another unit"
        )
    return split(observed, continuation, config)


def decide_difference(config: Config, data: Split) -> Config:
    """Return the configuration with a `model.difference` that is null replaced: whether the series drift.

    From half of the variance on, a line says more of the series than all else does. Where windows are too short
    to tell, or to have two differences, there are none.
    """
    if config.model.kind != "lstm" or config.model.difference is not None:
        return config
    long_enough = known(config.training.window) > 3 and known(config.forecast.context) > 1
    drifts = long_enough and trend_share(data.scaler.scale(data.train)) > 0.5
    return config.model_copy(update={"model": config.model.model_copy(update={"difference": drifts})})


def trend_share(series: np.ndarray) -> float:
    """Return the share of the variance within series that a straight line for each explains.

    Args:
        series: (series, time, channel), channels of similar variance.

    Source:
        The strength of a trend of Wang, Smith & Hyndman (2006), here of a linear one, and without a season.
    """
    time = np.arange(series.shape[1]) - (series.shape[1] - 1) / 2
    values = series - series.mean(axis=1, keepdims=True)
    explained = np.square(np.einsum("stc,t->sc", values, time)).sum() / np.square(time).sum()
    return float(explained / max(np.square(values).sum(), np.finfo(float).tiny))


def split(observed: np.ndarray, continuation: np.ndarray, config: Config) -> Split:
    """Split series, by series or (a single one) by time.

    Args:
        observed: (series, time, channel).
        continuation: How they truly go on, (series, horizon, channel); only `val` and `test` hold any of it.
        config: With derived values filled in (see shapes.fill_in).

    Raises:
        Refused: If a channel of the training part is constant.
    """
    cut = _split_by_time if splits_by_time(config.dataset) else _split_by_series
    train, val, test = cut(observed, continuation, config)
    variance = train.var(axis=(0, 1))
    if not (variance > 0).all():
        raise Refused("dataset: the training part is constant, so there is nothing to learn; choose other values")
    scaler = Scaler(train.mean(axis=(0, 1)), np.sqrt(variance))
    if not config.training.standardize:
        scaler = Scaler(np.zeros_like(variance), np.ones_like(variance))
    return Split(train, val, test, variance, scaler)


def describe(data: Split) -> list[dict[str, Any]]:
    """Return context, digest and shape of each part's observed series, for MLflow's dataset inputs."""
    parts = {"training": data.train, "validation": data.val.observed}
    if data.test:
        parts["test"] = data.test.observed
    return [
        {"context": name, "digest": sha256(values.tobytes()).hexdigest()[:16], "shape": list(values.shape)}
        for name, values in parts.items()
    ]


Parts = tuple[np.ndarray, Part, Part | None]


def _split_by_series(observed: np.ndarray, continuation: np.ndarray, config: Config) -> Parts:
    """Order the parts as the article does: test series first, then training, then validation."""
    rows, context, washout = rows_of(config.dataset), known(config.forecast.context), known(config.training.washout)
    length = observed.shape[1]

    def part(series: slice) -> Part:
        past = observed[series]
        start = np.full(len(past), length - context)
        return Part(past, washout, past[:, length - context :], continuation[series], start)

    first, second = rows.test, rows.test + rows.train
    test = part(slice(0, first)) if rows.test else None
    return observed[first:second], part(slice(second, None)), test


def _split_by_time(observed: np.ndarray, continuation: np.ndarray, config: Config) -> Parts:
    """Cut the single series into stretches; a forecast may see all that lies before its own."""
    rows, forecast = rows_of(config.dataset), config.forecast
    context, horizon, stride = known(forecast.context), known(forecast.horizon), known(forecast.stride)
    length = observed.shape[1]
    timeline = np.concatenate([observed, continuation], axis=1)

    def part(first: int, last: int) -> Part:
        # Only the last part may look into the continuation: what follows validation is the test.
        end = last if last < length else timeline.shape[1]
        origins = np.arange(first, min(last, end - horizon + 1), stride)
        start = origins - context
        windows = timeline[0][start[:, None] + np.arange(context + horizon)]  # (window, context + horizon, channel)
        return Part(observed[:, :last], first, windows[:, :context], windows[:, context:], start)

    second = rows.train + rows.val
    test = part(second, length) if rows.test else None
    return observed[:, : rows.train], part(rows.train, second), test
