"""The closed-loop forecasts that a model is scored on, as they are configured."""

from typing import Annotated, Literal

from pydantic import Field

from wavesweep.base.schema import ConfigPart, Count


class Forecast(ConfigPart):
    """How far forecasts reach, what they see, and where they begin.

    Attributes:
        horizon: Steps that are forecast; null: derived from the shape and, by time, the seasons, as are the next two.
        context: Observed steps before them.
        stride: Steps between the origins of forecasts, where a series is forecast from several.
        coverage: Share of what comes that intervals shall hold.
        refit: Whether a linear forecast, where there is no other, is fitted again once it is chosen, to what validated
            it too; how wide its intervals are is told by its errors before.
    """

    horizon: Count | None
    context: Count | None
    stride: Count | None
    coverage: Annotated[float, Field(gt=0, lt=1)]
    refit: Literal["none", "validation"]

    @property
    def interval(self) -> str:
        """What the intervals are called."""
        return f"{100 * self.coverage:g}% interval"


class ResolvedForecast(Forecast):
    """The same, with nothing left open."""

    horizon: Count
    context: Count
    stride: Count
