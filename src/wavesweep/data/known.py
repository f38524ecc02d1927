"""What is configured of values before they are learnt: how they are transformed, what the calendar tells, effects."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hydra_queue_sweeper.base.errors import shown
from wavesweep.base.schema import ConfigPart, Positive

Transform = Literal["none", "log1p", "auto"]
CalendarField = Literal["hour", "weekday", "day", "week", "month", "quarter"]


def _check_once(fields: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(fields)) < len(fields):
        raise ValueError(f"must name each once, got {shown(fields)}")
    return fields


Calendar = Annotated[tuple[CalendarField, ...], Field(strict=False), AfterValidator(_check_once)]


class Effect(ConfigPart):
    """One of the regressions on known inputs whose mean is taken.

    Attributes:
        products: Whether inputs act together, each pair of them, or each by itself.
        differences: Whether steps were explained by steps: a level that wanders then hides nothing.
        penalty: Of squared weights, in units of the variance of what they stand before.
        share: Of it in the mean; what is left stands for no effect at all.
    """

    products: bool
    differences: bool
    penalty: Positive
    share: Annotated[float, Field(gt=0, le=1)]


ChosenEffects = Annotated[tuple[Effect, ...], Field(strict=False, max_length=4)]
