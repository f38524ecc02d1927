"""Training as it is configured."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import model_validator

from wavesweep.base.schema import AnyMember, ConfigPart, Count, NonNegative, NonNegativeInt
from wavesweep.models.losses import LossName
from wavesweep.training.optimizers import Optimizer, ResolvedOptimizer

FEWEST_ORIGINS = 16
SHARE_OF_FORECASTS = 0.1  # of the time that training takes
FORECAST = 0.46  # of the time that a step of a window takes in training, it takes in a forecast
FEWEST_RECORDS = 30


class Training(ConfigPart):
    """The settings of both stages of training, as they are written.

    Attributes:
        loss: What both stages minimise.
        refiner: The optimizer of the second stage.
        standardize: Whether the network sees data of mean 0 and variance 1: of all series together, `global`, of each
            `series`, or not; null: of each where they are divided by time.
        record_every: Epochs between records; null: as many as leave validation a small part of the time.
        refine_epochs: Null: 40, none where the main stage trains on the forecast that is scored.
        noise_start: Null: 0.3 beside a highway, else 0; `noise_end` alike.
    """

    epochs: Count | None
    loss: LossName
    refiner: Annotated[Optimizer, AnyMember()]
    refine_epochs: NonNegativeInt | None
    refine_windows: Count
    refine_restart_every: Count
    patience: NonNegativeInt
    record_every: Count | None
    standardize: Literal["global", "series", False] | None
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


class ResolvedTraining(Training):
    """The same, with nothing left open."""

    epochs: Count
    refiner: Annotated[ResolvedOptimizer, AnyMember()]
    refine_epochs: NonNegativeInt
    record_every: Count
    standardize: Literal["global", "series", False]
    window: Count
    washout: NonNegativeInt
    noise_start: NonNegative
    noise_end: NonNegative


def watched_origins(training_window: int, lengths: Sequence[int], window: int) -> int:
    """Return how many forecasts are made of validation data after an epoch, where there are more.

    As many as take about a tenth of the epoch's training, at least 16. They are spread evenly over the series and
    over time, and are the same after each epoch.

    Args:
        training_window: Steps of a training window.
        lengths: Steps of each training series.
        window: Steps of a forecast, context and horizon.
    """
    steps = _trained_steps(training_window, lengths)
    return max(FEWEST_ORIGINS, int(SHARE_OF_FORECASTS * steps / (FORECAST * window)))


def epochs_between_records(training_window: int, epochs: int, lengths: Sequence[int], window: int) -> int:
    """Return how many epochs of the main stage lie between records: such that forecasts take about a tenth of the time.

    There are at least 30 records.

    Args:
        training_window: Steps of a training window.
        epochs: Of the main stage.
        lengths: Steps of each training series.
        window: Steps of a forecast, context and horizon.
    """
    forecast = FORECAST * window * watched_origins(training_window, lengths, window)
    needed = math.ceil(forecast / (SHARE_OF_FORECASTS * _trained_steps(training_window, lengths)))
    return max(1, min(needed, epochs // FEWEST_RECORDS))


def _trained_steps(window: int, lengths: Sequence[int]) -> int:
    """Return the steps of all windows of an epoch."""
    return sum(math.ceil(length / window) for length in lengths) * window
