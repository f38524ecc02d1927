"""The shape of the parts: rows that train, validate and test, and the length of forecasts."""

from dataclasses import dataclass

from wavesweep.base.errors import Refused, shown
from wavesweep.base.schema import ConfigPart, Count, known
from wavesweep.data.dataset import Counts, Dataset, Fractions


class Forecast(ConfigPart):
    """The closed-loop forecasts that a model is scored on."""

    horizon: Count | None
    context: Count | None
    stride: Count | None


@dataclass(frozen=True)
class Rows:
    """Numbers of rows that train, validate and test; a row is a series, or a time step of a single series."""

    train: int
    val: int
    test: int


def splits_by_time(dataset: Dataset) -> bool:
    """Say whether the parts are stretches of time, as of a single series; several are split by series."""
    return dataset.shape[0] == 1


def rows_of(dataset: Dataset) -> Rows:
    """Return the parts of a data set whose split is filled in; further validation series are counted in."""
    train, val, test = known(dataset.split)
    return Rows(int(train), int(val) + dataset.further_validation, int(test))


def derive_split(dataset: Dataset) -> tuple[int, int, int]:
    """Return the row counts, derived from the shape or as given, and check that they can be used.

    Raises:
        Refused: If a part that is needed would be empty, or the counts don't add up.
    """
    by_time, (num_series, steps) = splits_by_time(dataset), dataset.shape
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
        parts = _given_rows(dataset.split, total, unit)
    train, val, test = parts
    if train < 1 or val + dataset.further_validation < 1:
        raise Refused(f"dataset.split must leave {unit} to train and to validate on, got {shown(parts)}")
    return train, val, test


def _given_rows(split: Counts | Fractions, total: int, unit: str) -> tuple[int, int, int]:
    if isinstance(split[0], float):
        first, second = round(split[0] * total), round((split[0] + split[1]) * total)
        parts = (first, second - first, total - second)
        if any(part == 0 < fraction for part, fraction in zip(parts, split, strict=True)):
            raise Refused(
                f"dataset.split must leave no part of the {total} {unit} empty, got {shown(split)}, which gives "
                f"{shown(parts)}; give more {unit}, or three row counts"
            )
        return parts
    if sum(split) != total:
        raise Refused(
            f"dataset.split must add up to the {total} {unit} there are, got {shown(split)}; give other row counts, "
            "fractions, or null"
        )
    return int(split[0]), int(split[1]), int(split[2])
