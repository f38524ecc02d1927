"""Where series come from: how many there are, how long they are, and their values."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wavesweep.data.dataset import Dataset

LARGEST = 1e15  # of all values: beyond it, squared errors overflow single precision


@dataclass(frozen=True)
class Source(ABC):
    """Series, drawn or read, before they are divided into parts that train, validate and test.

    Attributes:
        dataset: As configured, with what was drawn or read in the place of `null`; split and season aside.
        knows_continuation: Whether `load` tells how the series truly go on. Else the last steps of several series, a
            horizon of each, are held back: they are forecast, and train nothing.
    """

    dataset: "Dataset"

    knows_continuation: ClassVar[bool]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Series in all, and steps of the shortest."""

    @property
    def is_divided_by_time(self) -> bool:
        """Whether the parts are stretches of time within each series, as of a single one; else they are series."""
        return self.shape[0] == 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """Steps of each series."""
        num_series, steps = self.shape
        return (steps,) * num_series

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the values at each time step."""
        return self.dataset.channels

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the channels whose forecasts are scored; all are forecast."""
        return self.channels

    @property
    def target_numbers(self) -> "np.ndarray":
        """Numbers of the channels that are scored, (target,)."""
        import numpy as np

        return np.array([self.channels.index(name) for name in self.targets])

    @property
    def names(self) -> tuple[str | int, ...]:
        """Names of the series."""
        return tuple(range(self.shape[0]))

    @property
    def stamps(self) -> "tuple[pd.DatetimeIndex | None, ...]":
        """The time stamps of each series, evenly spaced, with their spacing as `freq`; None where there are none."""
        return (None,) * self.shape[0]

    @property
    def num_validating(self) -> int:
        """Number of series, the last ones, that only validate, whatever the split."""
        return 0

    @property
    def summary(self) -> str:
        """What was read, in a line; empty where nothing was."""
        return ""

    def filled(self) -> "np.ndarray | None":
        """Say which of the observed values that `load` gives were filled in from those around; None: none."""
        return None

    @abstractmethod
    def load(self, continuation: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Draw the series or give what was read, and how they truly go on.

        Args:
            continuation: Steps wanted beyond the observed ones.

        Returns:
            The observed series, (series, time, channel), shorter ones followed by nan, and their continuation,
            (series, continuation, channel), of no steps where it is not known; both float64, in the units of the data.

        Raises:
            Refused: If the data can't be used.
        """
