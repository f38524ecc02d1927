"""Training as it is configured."""

from typing import Literal, Self

from pydantic import model_validator

from wavesweep.base.schema import ConfigPart, Count, NonNegative, NonNegativeInt


class Training(ConfigPart):
    """The settings of both stages of training."""

    epochs: Count | None
    refine_epochs: NonNegativeInt
    refine_windows: Count
    refine_restart_every: Count
    patience: NonNegativeInt
    record_every: Count
    standardize: bool
    window: NonNegativeInt | None
    batch_size: Count
    washout: NonNegativeInt | None
    noise_start: NonNegative
    noise_end: NonNegative
    clip_norm: NonNegative
    keep: Literal["best", "last"]
    epoch_figures: Literal["some", "all"]

    @model_validator(mode="after")
    def _fades(self) -> Self:
        if (self.noise_start == 0) != (self.noise_end == 0):
            raise ValueError(
                "noise_start and noise_end must both be 0, or both be greater, for a fade in equal ratios; "
                f"got {self.noise_start:g} and {self.noise_end:g}"
            )
        return self
