"""The shape of the parts: rows that train, validate and test, and the length of forecasts."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from wavesweep.base.errors import Refused, shown
from wavesweep.base.schema import ConfigPart, Count, known
from wavesweep.data.dataset import Counts, Dataset, Fractions, SplitRule


class Forecast(ConfigPart):
    """The closed-loop forecasts that a model is scored on."""

    horizon: Count | None
    context: Count | None
    stride: Count | None
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9  # which older versions did not store

    @property
    def interval(self) -> str:
        """What the intervals are called."""
        return f"{100 * self.coverage:g}% interval"


@dataclass(frozen=True)
class Rows:
    """Numbers of rows that train, validate and test; a row is a series, or a time step."""

    train: int
    val: int
    test: int


def rows_of(dataset: Dataset) -> Rows:
    """Return the parts of a data set that is split by series; further validation series are counted in."""
    train, val, test = known(dataset.split)
    return Rows(int(train), int(val) + dataset.further_validation, int(test))


def stretches_of(dataset: Dataset) -> list[Rows]:
    """Return the parts of each series of a data set that is split by time."""
    return [Rows(*_steps(known(dataset.split), steps)) for steps in dataset.lengths]


def scored_of(dataset: Dataset, forecast: Forecast) -> list[int]:
    """Return the numbers of the series of a data set that is split by time which are long enough to be scored."""
    context, horizon = known(forecast.context), known(forecast.horizon)
    parts = stretches_of(dataset)
    tested = any(one.test for one in parts)
    return [
        number
        for number, one in enumerate(parts)
        if one.train >= context and one.val >= horizon and (one.test >= horizon or not tested)
    ]


def derive_split(dataset: Dataset) -> Counts | Fractions:
    """Return what each part gets, derived from the shape or as given, and check that it can be used.

    Row counts; fractions for series of unequal lengths.

    Raises:
        Refused: If a part that is needed would be empty, or the counts don't add up.
    """
    if dataset.splits_by_time and len(set(dataset.lengths)) > 1:
        return _fractions(dataset)
    by_time, (num_series, steps) = dataset.splits_by_time, dataset.shape
    total = steps if by_time else num_series - dataset.further_validation
    unit = "time steps" if by_time else "series"
    if dataset.split is None:
        rest = max(1, round((0.15 if by_time else 0.1) * total))
        parts = (total - 2 * rest, rest, rest)
        if parts[0] < 1:
            raise Refused(
                f"dataset.split must leave {unit} to train, to validate and to test on, got {total} in all; "
                "give more, or three row counts, the last of which may be 0"
            )
    else:
        parts = _given_rows(dataset.split, total, unit, all_used=dataset.knows_continuation or not by_time)
    train, val, _ = parts
    if train < 1 or val + dataset.further_validation < 1:
        raise Refused(f"dataset.split must leave {unit} to train and to validate on, got {shown(parts)}")
    return parts


def _fractions(dataset: Dataset) -> Fractions:
    """Return what each part gets of series of unequal lengths."""
    split: SplitRule = dataset.split or (0.7, 0.15, 0.15)
    if not isinstance(split[0], float):
        lengths = f"{min(dataset.lengths)} to {max(dataset.lengths)}"
        raise Refused(f"dataset.split must be fractions for series of {lengths} time steps, got {shown(split)}")
    for name, steps in zip(dataset.names, dataset.lengths, strict=True):
        if (train := _steps(split, steps)[0]) < 2:
            raise Refused(
                f"dataset.split must leave each series 2 time steps to train on, got {train} of the {steps} of series "
                f"{name}; leave that series out"
            )
    return split  # type: ignore[return-value]


def _steps(split: Counts | Fractions, steps: int) -> tuple[int, int, int]:
    """Return how many of the steps of a series each part gets."""
    if not isinstance(split[0], float):
        return split  # type: ignore[return-value]
    first, second = round(split[0] * steps), round((split[0] + split[1]) * steps)
    return first, second - first, steps - second


def _given_rows(split: Counts | Fractions, total: int, unit: str, *, all_used: bool) -> tuple[int, int, int]:
    if isinstance(split[0], float):
        parts = _steps(split, total)
        if any(part == 0 < fraction for part, fraction in zip(parts, split, strict=True)):
            raise Refused(
                f"dataset.split must leave no part of the {total} {unit} empty, got {shown(split)}, which gives "
                f"{shown(parts)}; give more {unit}, or three row counts"
            )
        return parts
    if sum(split) > total or (all_used and sum(split) < total):
        rule = "add up to" if all_used else "add up to at most"
        raise Refused(
            f"dataset.split must {rule} the {total} {unit} there are, got {shown(split)}; give other row counts, "
            "fractions, or null"
        )
    return int(split[0]), int(split[1]), int(split[2])
