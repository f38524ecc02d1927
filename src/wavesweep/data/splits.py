"""Splitting series into training, validation and test parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal, Self

import numpy as np

from wavesweep.base.errors import Refused
from wavesweep.base.schema import known
from wavesweep.data.dataset import Dataset
from wavesweep.data.gaps import as_known_at_the_end
from wavesweep.data.rows import Forecast, rows_of, scored_of, stretches_of
from wavesweep.data.scaling import Scaler

LARGEST = 1e15  # beyond it, squared errors overflow single precision
Standardize = Literal["global", "series", False]


class _Shown:
    """Shows the shapes of arrays instead of their values, as in a notebook's cell."""

    def __repr__(self) -> str:
        """Return the class and its fields."""
        shown = {key: value.shape if isinstance(value, np.ndarray) else value for key, value in vars(self).items()}
        shown |= {key: [one.shape for one in value] for key, value in shown.items() if key == "train"}
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in shown.items())})"


@dataclass(frozen=True, repr=False)
class Part(_Shown):
    """The windows that validation or test is scored on, in the units of the data, in the order of series and time.

    Attributes:
        context: Observed values before each closed-loop forecast, (window, context, channel).
        truth: How they truly go on, (window, horizon, channel).
        start: Time index of each context's first value, (window,).
        series: Number of the series that each window is of, (window,).
        scored: The steps of windows, context and truth, whose one-step predictions are scored.
        targets: Numbers of the channels that are scored, (target,).
    """

    context: np.ndarray
    truth: np.ndarray
    start: np.ndarray
    series: np.ndarray
    scored: slice
    targets: np.ndarray

    def only(self, chosen: slice | np.ndarray) -> Self:
        """Return the part with some of its windows."""
        windows = {key: getattr(self, key)[chosen] for key in ("context", "truth", "start", "series")}
        return replace(self, **windows)

    def spread(self, count: int) -> Self:
        """Return the part with at most so many windows, evenly spread, the first and the last among them."""
        return self.only(np.unique(np.linspace(0, len(self.start) - 1, count).round().astype(int)))

    def seen_from_the_first_step(self) -> Self:
        """Return the part with the one-step predictions of the contexts, as pictures show them."""
        return replace(self, scored=slice(0, self.context.shape[1]))

    def chunks(self, count: int) -> Iterator[Self]:
        """Yield the windows, so many at a time."""
        for first in range(0, len(self.start), count):
            yield self.only(slice(first, first + count))


@dataclass(frozen=True, repr=False)
class Split(_Shown):
    """The parts of a data set.

    Attributes:
        train: The training part of each series, (time, channel), in the units of the data.
        val: What the epoch is chosen by.
        test: What is scored in the end, if there is something.
        units: Of scores: mean and standard deviation of the training part, for each series where each has its own.
        scaler: Between the data and the network.
    """

    train: tuple[np.ndarray, ...]
    val: Part
    test: Part | None
    units: Scaler
    scaler: Scaler

    @property
    def pooled(self) -> Scaler:
        """The scaler between the data and the network where it is one for all series, else what they give together."""
        return self.scaler if self.scaler.mean.ndim == 1 else Scaler.pooled(self.train)

    def scaled(self, scaler: Scaler) -> list[np.ndarray]:
        """Return the training part of each series, (time, channel), in scaled units."""
        return [scaler.of(number).scale(one) for number, one in enumerate(self.train)]

    def scored(self, scaler: Scaler) -> list[np.ndarray]:
        """Return the same without what is too short to be scored, which would bound how far baselines look back."""
        scaled, own = self.scaled(scaler), self.units.mean.ndim == 2
        return [scaled[number] for number in np.unique(self.val.series)] if own else scaled


def load(dataset: Dataset, forecast: Forecast, *, washout: int, standardize: Standardize) -> Split:
    """Load the series of a data set, and split them.

    Args:
        dataset: With sizes, seed and split filled in.
        forecast: With horizon, context and stride filled in.
        washout: The first values of a series whose one-step predictions are not scored.
        standardize: Whether the network sees mean 0 and variance 1: of all series together, `global`, of each
            `series`, or not at all, False.

    Raises:
        Refused: If the data can't be used.
    """
    with np.errstate(all="ignore"):
        observed, continuation = dataset.load(known(forecast.horizon))
    known_values = [one[:steps] for one, steps in zip(observed, dataset.lengths, strict=True)]
    largest = np.max([np.abs(values).max(initial=0.0) for values in (*known_values, continuation)])
    if not largest <= LARGEST:
        raise Refused(
            f"dataset: its values must be finite and at most {LARGEST:g} in size, got {largest:g}; give smaller "
            "parameters or another unit"
        )
    targets = np.array([dataset.channels.index(name) for name in dataset.targets])
    timeline = np.concatenate([observed, continuation], axis=1)
    if dataset.splits_by_time:
        train, val, test = _by_time(timeline, dataset, forecast, targets)
    else:
        train, val, test = _by_series(timeline, dataset, forecast, washout, targets)
    units = _units(train, dataset)
    scaler = units if standardize == "series" else Scaler.pooled(train)
    if not standardize:
        scaler = Scaler(np.zeros_like(scaler.mean), np.ones_like(scaler.std))
    return Split(train, val, test, units, scaler)


def training_part(dataset: Dataset) -> list[np.ndarray]:
    """Return the training part of each series of a data set that is split by time, (time, channel), scaled for itself.

    Raises:
        Refused: If the data can't be used.
    """
    train = _cut_training(dataset.load(0)[0], dataset)
    units = _units(train, dataset)
    return [units.of(number).scale(one) for number, one in enumerate(train)]


def _cut_training(observed: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, ...]:
    """Return the training part of each series, (time, channel), where the parts are stretches of time."""
    filled = dataset.filled()
    ends = [rows.train for rows in stretches_of(dataset)]
    if filled is None:
        return tuple(one[:end] for one, end in zip(observed, ends, strict=True))
    stretches = zip(observed[:, None], filled[:, None], ends, strict=True)
    return tuple(as_known_at_the_end(one[:, :end], mask[:, :end])[0] for one, mask, end in stretches)


def _units(train: Sequence[np.ndarray], dataset: Dataset) -> Scaler:
    """Return the scaling of scores: of each series where the parts are stretches of several, else one for all."""
    if dataset.splits_by_time and len(train) > 1:
        return Scaler.by_series(train, dataset.names, dataset.channels)
    return Scaler.pooled(train)


def training_units(observed: np.ndarray, dataset: Dataset) -> Scaler:
    """Return the scaling of scores of a data set that is split by time, given its series, (series, time, channel)."""
    return _units(_cut_training(observed, dataset), dataset)


def describe(data: Split) -> list[dict[str, Any]]:
    """Return context, digest and shape of each part, for MLflow's dataset inputs: of its series, or its windows."""
    longest, channels = max(map(len, data.train)), data.train[0].shape[1]
    parts = {"training": (data.train, [len(data.train), longest, channels])}
    for name, part in {"validation": data.val, "test": data.test}.items():
        if part:
            seen = np.concatenate([part.context, part.truth], axis=1)[:, : part.scored.stop]
            parts[name] = ((seen,), list(seen.shape))
    return [
        {"context": name, "digest": sha256(b"".join(one.tobytes() for one in values)).hexdigest()[:16], "shape": shape}
        for name, (values, shape) in parts.items()
    ]


Parts = tuple[tuple[np.ndarray, ...], Part, Part | None]


def _by_series(timeline: np.ndarray, dataset: Dataset, forecast: Forecast, washout: int, targets: np.ndarray) -> Parts:
    """Split series: each is forecast once, at its end. The order is the article's: test, training, validation.

    One-step predictions are scored within a context that is all of a series; of a shorter one, which may be all that a
    network needs before it predicts, on the steps that are forecast.

    Args:
        timeline: (series, time, channel); its last `horizon` steps are forecast, and train nothing.
        dataset: With the split filled in.
        forecast: With horizon and context filled in.
        washout: The first values of a series whose one-step predictions are not scored.
        targets: Numbers of the channels that are scored.
    """
    rows, context = rows_of(dataset), known(forecast.context)
    origin = timeline.shape[1] - known(forecast.horizon)
    start = origin - context

    def part(series: slice) -> Part:
        numbers = np.arange(len(timeline))[series]
        windows, starts = timeline[series, start:], np.full(len(numbers), start)
        scored = slice(washout, context) if start == 0 else slice(context, timeline.shape[1] - start)
        return Part(windows[:, :context], windows[:, context:], starts, numbers, scored, targets)

    first, second = rows.test, rows.test + rows.train
    test = part(slice(0, first)) if rows.test else None
    return tuple(timeline[first:second, :origin]), part(slice(second, None)), test


def _by_time(timeline: np.ndarray, dataset: Dataset, forecast: Forecast, targets: np.ndarray) -> Parts:
    """Cut each series into stretches of time; a forecast may see all that lies before its own.

    Each step of validation and test is scored: the last origin of a part is a horizon before its end, whatever the
    stride.

    Args:
        timeline: (series, time, channel); how the series go on beyond the last part is not looked at.
        dataset: With the split filled in.
        forecast: With horizon, context and stride filled in.
        targets: Numbers of the channels that are scored.
    """
    context, horizon, stride = known(forecast.context), known(forecast.horizon), known(forecast.stride)
    stretches = stretches_of(dataset)

    numbers, filled = scored_of(dataset, forecast), dataset.filled()

    def part(bounds: list[tuple[int, int]]) -> Part:
        origins = [
            np.unique(np.append(np.arange(first, last - horizon, stride), last - horizon)) for first, last in bounds
        ]
        series = np.repeat(numbers, [len(one) for one in origins])
        start = np.concatenate(origins) - context
        steps = (series[:, None], start[:, None] + np.arange(context + horizon))
        windows, scored = timeline[steps], slice(context, context + horizon)
        before = windows[:, :context]
        if filled is not None:
            before = as_known_at_the_end(before, filled[steps][:, :context])
        return Part(before, windows[:, context:], start, series, scored, targets)

    train = _cut_training(timeline, dataset)
    parts = [stretches[number] for number in numbers]
    val = part([(one.train, one.train + one.val) for one in parts])
    tested = [(one.train + one.val, one.train + one.val + one.test) for one in parts]
    return train, val, part(tested) if parts[0].test else None
