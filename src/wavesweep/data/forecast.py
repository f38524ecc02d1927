"""The closed-loop forecasts that a model is scored on, as they are configured."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hydra_queue_sweeper.base.errors import shown
from wavesweep.base.schema import ConfigPart, Count

RAREST = 1e-6  # share of what comes, beyond which no quantile is told
Share = Annotated[float, Field(gt=0, lt=1)]


def _check_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    if any(earlier >= later for earlier, later in pairwise(levels)):
        raise ValueError(f"must be shares that ascend, such as [0.1,0.5,0.9], got {shown(levels)}")
    if levels and (levels[0] < RAREST or levels[-1] > 1 - RAREST):
        raise ValueError(
            f"must be from {RAREST:g} to 1 - {RAREST:g}, beyond which no data tell one, got {shown(levels)}"
        )
    return levels


class Forecast(ConfigPart):
    """How far forecasts reach, what they see, and where they begin.

    Attributes:
        horizon: Steps that are forecast; null: derived from the shape and, by time, the seasons, as are the next two.
        context: Observed steps before them.
        stride: Steps between the origins of forecasts, where a series is forecast from several.
        coverage: Share of what comes that intervals shall hold.
        quantiles: Levels of the quantiles that are given out, ascending.
        refit: Whether a linear forecast, where there is no other, is fitted again once it is chosen, to what validated
            it too; how wide its intervals are is told by its errors before.
    """

    horizon: Count | None
    context: Count | None
    stride: Count | None
    coverage: Share
    quantiles: Annotated[tuple[Share, ...], Field(strict=False), AfterValidator(_check_levels)]
    refit: Literal["none", "validation"]

    @property
    def interval(self) -> str:
        """What the intervals are called."""
        return f"{100 * self.coverage:g}% interval"

    @property
    def bounds(self) -> tuple[float, float]:
        """The levels of the quantiles between which an interval of that coverage lies."""
        outside = round((1 - self.coverage) / 2, 12)
        return outside, round(1 - outside, 12)

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels that a loss of quantiles has: those of intervals, the median, and those that are given out."""
        return tuple(sorted({*self.bounds, 0.5, *self.quantiles}))


class ResolvedForecast(Forecast):
    """The same, with nothing left open."""

    horizon: Count
    context: Count
    stride: Count
