"""Training as it is configured."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from wavesweep.base.schema import ConfigPart, Count, NonNegative, NonNegativeInt, known

FEWEST_ORIGINS = 16
FORECAST = 0.46  # of the time that a step of a window takes in training, it takes in a forecast


def _of_before(standardize: Any) -> Any:
    return "global" if standardize is True else standardize  # as older versions stored it


class Training(ConfigPart):
    """The settings of both stages of training.

    Attributes:
        standardize: Whether the network sees data of mean 0 and variance 1: of all series together, `global`, of each
            `series`, or not; null: of each where they are split by time.
        record_every: Epochs between records; null: as many as leave validation a small part of the time.
        refine_epochs: Null: 40, none where the main stage trains on the forecast that is scored.
        noise_start: Null: 0.3 beside a highway, else 0; `noise_end` alike.
    """

    epochs: Count | None
    refine_epochs: NonNegativeInt | None
    refine_windows: Count
    refine_restart_every: Count
    patience: NonNegativeInt
    record_every: Count | None
    standardize: Annotated[Literal["global", "series", False] | None, BeforeValidator(_of_before)]
    window: NonNegativeInt | None
    batch_size: Count
    washout: NonNegativeInt | None
    noise_start: NonNegative | None
    noise_end: NonNegative | None
    clip_norm: NonNegative
    keep: Literal["best", "last"]
    epoch_figures: Literal["some", "all"]

    @model_validator(mode="after")
    def _fades(self) -> Self:
        first, last = self.noise_start, self.noise_end
        if (first == 0) != (last == 0) or (first is None) != (last is None):
            got = " and ".join("null" if one is None else f"{one:g}" for one in (first, last))
            raise ValueError(
                f"noise_start and noise_end must both be 0, or both be greater, for a fade in equal ratios; got {got}"
            )
        return self


def watched_origins(training: Training, lengths: Sequence[int], window: int) -> int:
    """Return how many forecasts are made of validation data after an epoch, where there are more.

    As many as take about a tenth of the epoch's training, at least 16. They are spread evenly over the series and over
    time, and are the same after each epoch.

    Args:
        training: With the window filled in.
        lengths: Steps of each training series.
        window: Steps of a forecast, context and horizon.
    """
    return max(FEWEST_ORIGINS, int(0.1 * _trained_steps(training, lengths) / (FORECAST * window)))


def epochs_between_records(training: Training, lengths: Sequence[int], window: int) -> int:
    """Return how many epochs of the main stage lie between records: such that forecasts take about a tenth of the time.

    There are at least 30 records, and the same arguments as of `watched_origins`.
    """
    forecast = FORECAST * window * watched_origins(training, lengths, window)
    needed = math.ceil(forecast / (0.1 * _trained_steps(training, lengths)))
    return max(1, min(needed, known(training.epochs) // 30))


def _trained_steps(training: Training, lengths: Sequence[int]) -> int:
    """Return the steps of all windows of an epoch."""
    window = known(training.window)
    return sum(math.ceil(length / window) for length in lengths) * window
