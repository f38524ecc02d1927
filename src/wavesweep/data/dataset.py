"""What every data set is: series of equal length, and whether it knows how they go on."""

from typing import TYPE_CHECKING, ClassVar, Self

from wavesweep.base.schema import Member, Seed
from wavesweep.data.shapes import SplitRule

if TYPE_CHECKING:
    import numpy as np


class Dataset(Member):
    """A data set, as it is configured.

    Attributes:
        seed: Of the data alone; null: the run's.
        split: Rows or fractions that train, validate and test; null: derived.
        knows_continuation: Whether `load` tells how the series truly go on. Else the last steps of each series that
            is validated or tested on are held back from its context, to be forecast.
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
        """How many of the series, the last ones, only validate, whatever the split."""
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
