"""Division by time: each series is cut into stretches; forecasts begin at many origins."""

import math
import statistics
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from hydra_queue_sweeper.base.errors import Refused, shown
from wavesweep.data.dataset import Source, SplitRule
from wavesweep.data.division import Division, Rows, Standardize, as_rows, as_steps
from wavesweep.data.forecast import Forecast, ResolvedForecast
from wavesweep.data.parts import Part
from wavesweep.data.periods import find_seasons
from wavesweep.data.scaling import Scaler, measured

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ORIGINS, MOST_VALUES = 10_000, 10**8  # of forecasts, within a part; in all of their windows, 0.8 GB
HORIZON_WITHOUT_SEASON, USUAL_CONTEXT = 24, 200
SHORT_SEASON = 12  # steps, of which two seasons are forecast
BESIDE_SEASONS = 50  # steps of a context beside all seasons


@dataclass(frozen=True)
class ByTime(Division):
    """Each series is cut into stretches of time; a forecast may see all that lies before its own."""

    part: ClassVar[str] = "part"
    forecasts_once: ClassVar[bool] = False

    @classmethod
    def of(cls, source: Source, split: SplitRule) -> Self:
        """See `Division.of`: by default 70%, 15% and 15%; of series of unequal lengths, fractions alone."""
        if len(set(source.lengths)) == 1:
            all_used = source.knows_continuation
            return cls(source, as_rows(split, source.shape[1], "time steps", rest=0.15, all_used=all_used))
        split = split or (0.7, 0.15, 0.15)
        if not isinstance(split[0], float):
            lengths = f"{min(source.lengths)} to {max(source.lengths)}"
            raise Refused(f"dataset.split must be fractions for series of {lengths} time steps, got {shown(split)}")
        shortest = np.argmin(source.lengths)
        if as_steps(split, source.lengths[shortest]).train < 2:
            rule = f"must leave each series 2 time steps to train on, got {source.lengths[shortest]} in all"
            raise Refused(f"dataset.split {rule} of series {source.names[shortest]}; leave that series out")
        return cls(source, split)

    @property
    def stretches(self) -> list[Rows]:
        """The steps of each series that train, validate and test."""
        return [as_steps(self.split, steps) for steps in self.source.lengths]

    def find_seasons(self) -> tuple[int, ...] | None:
        """See `Division.find_seasons`."""
        return _find_seasons(self)

    def resolve_forecast(self, forecast: Forecast, seasons: tuple[int, ...]) -> ResolvedForecast:
        """See `Division.resolve_forecast`.

        The horizon is what people choose for steps so spaced (see `Source.usual_horizon`); where no time stamps tell
        it, a season, two of less than a dozen steps, or two dozen steps where there is none. It is at most a third of
        each part, so that origins enough are left. The context is 200 steps, or the seasons together and 50
        more. Both are bounded by the shortest series but those of less than half the usual length, which train and are
        not scored, as is the case with all that are too short for what was given. Forecasts begin at every step, as
        long as there are at most 10,000, of 10⁸ values.
        """
        usual = statistics.median(self.source.lengths)
        both = zip(self.stretches, self.source.lengths, strict=True)
        parts = [rows for rows, steps in both if 2 * steps >= usual]
        tested = any(rows.test for rows in self.stretches)
        scored = [min(one.val, one.test) if tested else one.val for one in parts]
        horizon = forecast.horizon
        if horizon is None:
            usual = self.source.usual_horizon
            wanted = _horizon_by_season(seasons) if usual is None else usual[0]
            horizon = max(1, min(wanted, min(scored) // 3))
        _check_fits("forecast.horizon", horizon, "steps of the validation part", [one.val for one in parts])
        if tested:
            _check_fits("forecast.horizon", horizon, "steps of the test part", [one.test for one in parts])
        observed = [one.train for one, steps in zip(parts, scored, strict=True) if steps >= horizon]
        if not observed:
            raise Refused(
                "dataset.split must leave one series as many steps to validate and to test as forecast.horizon, got "
                f"at most {max(scored)} of {horizon}; give longer series"
            )
        context = forecast.context
        if context is None:
            context = min(max(USUAL_CONTEXT, BESIDE_SEASONS + sum(seasons)), *observed)
        _check_fits("forecast.context", context, "observed steps", observed)
        origins = sum(max(one.val, one.test) for one in parts)
        most = max(1, min(MOST_ORIGINS, MOST_VALUES // ((context + horizon) * len(self.source.channels))))
        stride = forecast.stride or math.ceil(origins / most)
        return ResolvedForecast(**{**dict(forecast), "horizon": horizon, "context": context, "stride": stride})

    def training_lengths(self, horizon: int) -> list[int]:
        """See `Division.training_lengths`."""
        return [one.train for one in self.stretches]

    def scored_lengths(self, forecast: ResolvedForecast) -> list[int]:
        """See `Division.scored_lengths`."""
        lengths = self.training_lengths(forecast.horizon)
        return [lengths[number] for number in self._scored_numbers(forecast)]

    def longest_washout(self, window: int, context: int) -> int:
        """See `Division.longest_washout`: forecasts allow no more than half a context."""
        return min(3 * window // 10, context // 2)

    def resolve_standardize(self, given: Standardize | None) -> Standardize:
        """See `Division.resolve_standardize`: of several series each has its own."""
        if given is None:
            return "series" if self.source.shape[0] > 1 else "global"
        return given

    def cut_training(self, timeline: np.ndarray, horizon: int) -> tuple[np.ndarray, ...]:
        """See `Division.cut_training`: a value that was filled in over its end is the last that was observed."""
        return self._cut(timeline, [rows.train for rows in self.stretches])

    def cut_before_test(self, timeline: np.ndarray, horizon: int) -> tuple[np.ndarray, ...]:
        """See `Division.cut_before_test`; what was filled in over its end is as in `cut_training`."""
        return self._cut(timeline, [rows.train + rows.val for rows in self.stretches])

    def _cut(self, timeline: np.ndarray, ends: list[int]) -> tuple[np.ndarray, ...]:
        filled = self.source.filled()
        if filled is None:
            return tuple(one[:end] for one, end in zip(timeline, ends, strict=True))
        both = zip(timeline, _carried_on(timeline, filled), filled, ends, strict=True)
        return tuple(np.where(_at_the_end(mask[:end]), carried[:end], one[:end]) for one, carried, mask, end in both)

    def cut_windows(self, timeline: np.ndarray, forecast: ResolvedForecast, washout: int) -> tuple[Part, Part | None]:
        """See `Division.cut_windows`.

        Each step of validation and test is scored: the last origin of a part is a horizon before its end, whatever the
        stride. How the series go on beyond the last part is not looked at. Values that were filled in are not scored,
        and tell of nothing that came after a context, or in the truth after themselves.

        Raises:
            Refused: If no target of a part was observed.
        """
        context, horizon, stride = forecast.context, forecast.horizon, forecast.stride
        numbers = self._scored_numbers(forecast)
        filled, targets = self.source.filled(), self.source.target_numbers
        carried = None if filled is None else _carried_on(timeline, filled)
        first_steps = self._first_steps()

        def part(name: str, bounds: list[tuple[int, int]]) -> Part:
            origins = [
                np.unique(np.append(np.arange(first, last - horizon, stride), last - horizon)) for first, last in bounds
            ]
            series = np.repeat(numbers, [len(one) for one in origins])
            start = np.concatenate(origins) - context
            steps = (series[:, None], start[:, None] + np.arange(context + horizon))
            windows, scored = timeline[steps], slice(context, context + horizon)
            before, after = windows[:, :context], windows[:, context:]
            apart = int(max(np.diff(one).max(initial=0) for one in origins))
            origin = first_steps[series] + start + context
            plain = Part(before, after, start, series, scored, targets, origin, stride=apart)
            if filled is None or carried is None:
                return plain
            absent, known = filled[steps], carried[steps]
            before = np.where(_at_the_end(absent[:, :context]), known[:, :context], before)
            masked = replace(plain, context=before, truth=known[:, context:], observed=~absent[:, context:])
            return _with_targets(masked, name, self.source.targets)

        stretches = self.stretches
        parts = [stretches[number] for number in numbers]
        val = part("validation", [(one.train, one.train + one.val) for one in parts])
        if not parts[0].test:
            return val, None
        return val, part("test", [(one.train + one.val, sum(one)) for one in parts])

    def as_observed(self, train: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """See `Division.as_observed`.

        Raises:
            Refused: If nothing of a channel was observed.
        """
        filled = self.source.filled()
        if filled is None:
            return train
        known = [np.where(mask[: len(one)], np.nan, one) for mask, one in zip(filled, train, strict=True)]
        for number, channel in enumerate(self.source.channels):
            if all(np.isnan(one[:, number]).all() for one in known):
                raise _unobserved("training", channel)
        return tuple(known)

    def units(self, train: "Sequence[np.ndarray]") -> Scaler:
        """See `Division.units`: of several series each has its own."""
        if len(train) == 1:
            return super().units(train)
        return Scaler.by_series(train, self.source.names, self.source.channels)

    def labels(self, part: Part) -> list[str]:
        """See `Division.labels`: where their forecasts begin, and of which series they are."""
        labels = []
        for series, origin in zip(part.series, part.start + part.context.shape[1], strict=True):
            stamps = self.source.stamps[series]
            begin = f"from step {origin}" if stamps is None else f"from {stamps[origin]}".removesuffix(" 00:00:00")
            labels.append(f"{self.source.names[series]} {begin}" if self.source.shape[0] > 1 else begin)
        return labels

    def _first_steps(self) -> np.ndarray:
        """Return at which step of time each series begins, (series,): 0 where no time stamps that all share tell it."""
        stamps = [one.asi8 for one in self.source.stamps if one is not None]
        unknown = np.zeros(len(self.source.lengths), int)
        if len(unknown) == 1 or len(stamps) < len(unknown):
            return unknown
        steps = np.unique(np.concatenate(stamps))
        first_steps = np.searchsorted(steps, [one[0] for one in stamps])
        of_all = zip(first_steps, stamps, strict=True)
        shared = all(np.array_equal(steps[first : first + len(one)], one) for first, one in of_all)
        return first_steps if shared else unknown

    def _scored_numbers(self, forecast: ResolvedForecast) -> list[int]:
        """Return the numbers of the series that are long enough to be scored."""
        context, horizon = forecast.context, forecast.horizon
        stretches = self.stretches
        tested = any(one.test for one in stretches)
        return [
            number
            for number, one in enumerate(stretches)
            if one.train >= context and one.val >= horizon and (one.test >= horizon or not tested)
        ]


@lru_cache(maxsize=16)  # the jobs of a sweep share it
def _find_seasons(division: ByTime) -> tuple[int, ...]:
    train = division.cut_training(division.source.load(0)[0], 0)
    units = measured(division.units, division.as_observed(train), logs=division.source.dataset.sees_logs)
    targets = division.scaled_targets(train, units)
    return find_seasons(targets, max(map(len, train)) // 2, division.usual_seasons)


def _horizon_by_season(seasons: tuple[int, ...]) -> int:
    """Return the steps that are forecast where no time stamps tell it, and where there is room for them."""
    if not seasons:
        return HORIZON_WITHOUT_SEASON
    return seasons[0] if seasons[0] >= SHORT_SEASON else 2 * seasons[0]


def _check_fits(key: str, value: int, what: str, steps: list[int]) -> None:
    """Refuse what is too long for each series."""
    longest = max(steps, default=0)
    if value > longest:
        of_longest = " of the longest series" if len(steps) > 1 else ""
        raise Refused(f"{key} must be at most the {longest} {what}{of_longest}, got {value}; give less")


def _carried_on(timeline: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Return series, (series, time, channel), where what was filled in is the last value that was observed before.

    A line to what comes later would tell of it. Before the first observed value, they stay as they are.
    """
    place = np.where(filled, 0, np.arange(filled.shape[1])[:, None])
    return np.take_along_axis(timeline, np.maximum.accumulate(place, axis=1), axis=1)


def _at_the_end(filled: np.ndarray) -> np.ndarray:
    """Say which values of stretches, (…, time, channel), were filled in with none observed behind them."""
    return np.logical_and.accumulate(filled[..., ::-1, :], axis=-2)[..., ::-1, :]


def _unobserved(part: str, channels: str) -> Refused:
    must = f"the {part} part must have observed values of {channels:.60}"
    return Refused(f"dataset: {must}, got none but what was filled in; give another dataset.split, or fill in the file")


def _with_targets(part: Part, name: str, targets: "Sequence[str]") -> Part:
    """Return a part without the windows of which no target was observed; refuse one that has no others."""
    some = part.observed[..., part.targets].any(axis=(1, 2))
    if not some.any():
        raise _unobserved(name, ", ".join(targets))
    return part if some.all() else part.only(np.flatnonzero(some))
