"""The base of all data sets: series of equal length, and how they go on, where that is known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from wavesweep.base.errors import shown
from wavesweep.base.schema import Member, Seed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def _one_rule(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        split = handler(value)
    except ValidationError:
        split = None
    if value is not None and not (split and min(split) >= 0 and sum(split) > 0):
        raise ValueError(f"must be three row counts or three fractions (train, val, test), got {shown(value)}")
    if split and isinstance(split[0], float) and abs(sum(split) - 1) > 1e-9:
        raise ValueError(f"must have fractions that add up to 1, got {shown(value)}, which add up to {sum(split):g}")
    return split


Counts = Annotated[tuple[int, int, int], Field(strict=False)]
Fractions = Annotated[tuple[float, float, float], Field(strict=False)]
SplitRule = Annotated[Counts | Fractions | None, WrapValidator(_one_rule)]


class Dataset(Member):
    """A data set, as it is configured.

    Attributes:
        seed: Of the data alone; null: the run's.
        split: Rows or fractions that train, validate and test; null: derived.
        knows_continuation: Whether `load` tells how the series truly go on. Else the last steps of several series, a
            horizon of each, are held back: they are forecast, and train nothing.
    """

    seed: Seed | None
    split: SplitRule

    knows_continuation: ClassVar[bool]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the values at each time step."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, int]:
        """Series in all, and steps of each, once the sizes are drawn."""
        raise NotImplementedError

    @property
    def further_validation(self) -> int:
        """Number of series, the last ones, that only validate, whatever the split."""
        return 0

    def with_sizes(self) -> Self:
        """Return a copy with every size that is `null` filled in."""
        return self

    def load(self, continuation: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Generate or read the series, and how they truly go on.

        Args:
            continuation: Steps wanted beyond the observed ones.

        Returns:
            The observed series, (series, time, channel), and their continuation, (series, continuation, channel),
            of no steps where it is not known; both float64, in the units of the data set.

        Raises:
            Refused: If the data can't be used.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Observed:
    """The last observed steps of a series that is to be forecast.

    Attributes:
        name: Of the series.
        values: (time, channel), float64, in the units of the data.
        start: Time index of the first value.
        times: The time stamp of each step, evenly spaced, with their spacing as `freq`; None where there are none.
        place: Where they come from, as a message names it; empty: by the series' name.
    """

    name: str | int
    values: "np.ndarray"
    start: int = 0
    times: "pd.DatetimeIndex | None" = None
    place: str = ""
