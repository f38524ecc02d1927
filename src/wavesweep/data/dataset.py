"""The base of all data sets: as they are configured, and as the series that they give."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from hydra_queue_sweeper.base.errors import shown
from wavesweep.base.schema import Ascending, Member, Seed
from wavesweep.data.known import CalendarField, Effect, Transform

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wavesweep.data.scaling import Scaler

LARGEST = 1e15  # of all values: beyond it, squared errors overflow single precision


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
Seasons = Annotated[Ascending, Field(max_length=3)]


class Dataset(Member):
    """A data set, as it is configured; `open` gives its series.

    Attributes:
        seed: Of the data alone; null: the run's.
        split: Rows or fractions that train, validate and test; null: derived.
        season: Steps after which the series repeat themselves, the shortest first; null: found in the training part.
    """

    seed: Seed | None
    split: SplitRule
    season: Seasons | None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the values at each time step; of a file, known once it has been read."""
        raise NotImplementedError

    @property
    def series_label(self) -> str:
        """What the column of the series' names is called in tables."""
        return "series"

    @property
    def title(self) -> str:
        """What pictures call the data set."""
        return self.kind

    @property
    def known_columns(self) -> tuple[str, ...]:
        """Columns whose values are known in advance of a step; they are not forecast, and not scored."""
        return ()

    @property
    def calendar_fields(self) -> tuple[CalendarField, ...]:
        """What is read of time stamps, and so known in advance."""
        return ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all that is known in advance, the calendar's last."""
        return (*self.known_columns, *self.calendar_fields)

    @property
    def chosen_effects(self) -> tuple[Effect, ...] | None:
        """The regressions by which forecasts depend on what is known in advance; None: they are chosen."""
        return None

    @property
    def chosen_transform(self) -> Transform:
        """What is done to values before they are learnt; `auto`: what forecasts validation data better."""
        return "none"

    @property
    def sees_logs(self) -> bool:
        """Whether networks see logarithms, once that is settled."""
        return self.chosen_transform == "log1p"

    @property
    def file(self) -> tuple[str, str] | None:
        """The file that was read and its digest; None where none was."""
        return None

    def open(self, seed: int) -> "Source":
        """Return the series: of a file, that is read; of others, all sizes are drawn that are `null`.

        Args:
            seed: Of the data.

        Raises:
            Refused: If the file can't be used.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Known:
    """What columns tell in advance of the observed steps of a series, and of some that follow.

    Attributes:
        values: (time + steps ahead, column), float64; nan where a step ahead has none.
        rows: In which rows of a file the steps ahead stand, counted from 0, (steps ahead,); -1: in none.
    """

    values: "np.ndarray"
    rows: "np.ndarray"


@dataclass(frozen=True)
class Source(ABC):
    """Series, drawn or read, before they are divided into parts that train, validate and test.

    Attributes:
        dataset: As configured, with what was drawn or read in the place of `null`; split and season aside.
        knows_continuation: Whether `load` tells how the series truly go on. Else the last steps of several series, a
            horizon of each, are held back: they are forecast, and train nothing.
    """

    dataset: Dataset

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
    def usual_seasons(self) -> dict[int, str] | None:
        """What the distance of steps suggests: steps of each season, the shortest first, and what is counted in it.

        Empty where it speaks against any, as years do; None where it is not known.
        """
        return None

    @property
    def usual_horizon(self) -> tuple[int, str] | None:
        """How many steps people forecast that are so far apart, and how long that is; None where it is not known."""
        return None

    @property
    def num_validating(self) -> int:
        """Number of series, the last ones, that only validate, whatever the split."""
        return 0

    @property
    def summary(self) -> str:
        """What was read, in a line; empty where nothing was."""
        return ""

    @property
    def known(self) -> tuple[Known | None, ...]:
        """What columns tell of each series in advance; None where there are none."""
        return (None,) * self.shape[0]

    def load_inputs(self, continuation: int) -> "np.ndarray":
        """Give what is known in advance, (series, time + continuation, input), float64; nan where it isn't known.

        Args:
            continuation: Steps wanted beyond the observed ones.
        """
        raise NotImplementedError

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


@dataclass(frozen=True)
class Observed:
    """The last observed steps of a series that is to be forecast.

    Attributes:
        name: Of the series.
        values: (time, channel), float64, in the units of the data.
        start: Time index of the first value.
        times: The time stamp of each step, evenly spaced, with their spacing as `freq`; None where there are none.
        place: Where they come from, as a message names it; empty: by the series' name.
        scaler: What its training part was scored by, where a network was trained on it.
        number: Its number among the series that a network was trained on; None: it is none of them.
        filled: Which values were filled in, (time, channel); None: none, or it isn't known.
        known: What columns tell in advance; None: there are none.
    """

    name: str | int
    values: "np.ndarray"
    start: int = 0
    times: "pd.DatetimeIndex | None" = None
    place: str = ""
    scaler: "Scaler | None" = None
    number: int | None = None
    filled: "np.ndarray | None" = None
    known: "Known | None" = None
