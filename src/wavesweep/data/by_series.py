"""Division by series: some train, some validate, some test; each is forecast once, from its end."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.data.dataset import Source, SplitRule
from wavesweep.data.division import Division, Rows, Standardize, as_rows, as_steps
from wavesweep.data.forecast import Forecast, ResolvedForecast
from wavesweep.data.parts import Part


@dataclass(frozen=True)
class BySeries(Division):
    """Whole series train, validate or test, in the article's order: test, training, validation."""

    part: ClassVar[str] = "series"
    forecasts_once: ClassVar[bool] = True

    @classmethod
    def of(cls, source: Source, split: SplitRule) -> Self:
        """See `Division.of`: a tenth of the series validates and tests each."""
        others = source.num_validating
        total = source.shape[0] - others
        return cls(source, as_rows(split, total, "series", rest=0.1, all_used=True, num_validating=others))

    @property
    def rows(self) -> Rows:
        """How many series each part has; those that only validate are counted in."""
        train, val, test = as_steps(self.split, self.source.shape[0])
        return Rows(train, val + self.source.num_validating, test)

    def resolve_forecast(self, forecast: Forecast, seasons: tuple[int, ...]) -> ResolvedForecast:
        """See `Division.resolve_forecast`: as many steps again, or the last quarter of each series."""
        steps, goes_on = self.source.shape[1], self.source.knows_continuation
        horizon = forecast.horizon
        if horizon is None:
            horizon = steps if goes_on else max(1, steps // 4)
        if not goes_on and horizon >= steps:
            raise Refused(f"forecast.horizon must be less than the {steps} steps of a series, got {horizon}")
        observed = steps if goes_on else steps - horizon
        context = forecast.context or observed
        if context > observed:
            raise Refused(f"forecast.context must be at most the {observed} observed steps, got {context}")
        stride = forecast.stride or horizon
        return ResolvedForecast(**{**dict(forecast), "horizon": horizon, "context": context, "stride": stride})

    def training_lengths(self, horizon: int) -> list[int]:
        """See `Division.training_lengths`: what is forecast of series that end is held back, and trains nothing."""
        held_back = 0 if self.source.knows_continuation else horizon
        return [self.source.shape[1] - held_back] * self.rows.train

    def longest_washout(self, window: int, context: int) -> int:
        """See `Division.longest_washout`: three tenths; 60 of 200 steps let an LSTM find the phase of a wave."""
        return 3 * window // 10

    def resolve_standardize(self, given: Standardize | None) -> Standardize:
        """See `Division.resolve_standardize`: those series that are tested have no training part of their own."""
        if given == "series":
            raise Refused(
                "training.standardize must be global or false where series are split from each other, got series: "
                "those that are tested have no training part that tells their scale"
            )
        return "global" if given is None else given

    def cut_training(self, timeline: np.ndarray, horizon: int) -> tuple[np.ndarray, ...]:
        """See `Division.cut_training`."""
        first = self.rows.test
        return tuple(timeline[first : first + self.rows.train, : timeline.shape[1] - horizon])

    def cut_before_test(self, timeline: np.ndarray, horizon: int) -> tuple[np.ndarray, ...]:
        """See `Division.cut_before_test`."""
        return (*self.cut_training(timeline, horizon), *timeline[self.rows.test + self.rows.train :])

    def cut_windows(self, timeline: np.ndarray, forecast: ResolvedForecast, washout: int) -> tuple[Part, Part | None]:
        """See `Division.cut_windows`.

        One-step predictions are scored within a context that is all of a series; of a shorter one, which may be all
        that a network needs before it predicts, on the steps that are forecast.
        """
        rows, context = self.rows, forecast.context
        start = timeline.shape[1] - forecast.horizon - context
        scored = slice(washout, context) if start == 0 else slice(context, timeline.shape[1] - start)
        targets = self.source.target_numbers

        def part(series: slice) -> Part:
            numbers = np.arange(len(timeline))[series]
            windows = timeline[series, start:]
            starts = np.full(len(numbers), start)
            apart = forecast.horizon * np.arange(len(numbers))  # drawn one by one, they share no events
            return Part(windows[:, :context], windows[:, context:], starts, numbers, scored, targets, apart)

        val = part(slice(rows.test + rows.train, None))
        return val, part(slice(0, rows.test)) if rows.test else None

    def labels(self, part: Part) -> list[str]:
        """See `Division.labels`: their numbers."""
        return [f"window {number + 1}" for number in range(len(part.start))]
