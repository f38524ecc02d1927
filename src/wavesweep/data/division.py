"""How the series of a data set are divided into parts that train, validate and test."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

from hydra_queue_sweeper.base.errors import Refused, shown
from wavesweep.data.dataset import Counts, Fractions, Observed, Source, SplitRule
from wavesweep.data.forecast import Forecast, ResolvedForecast
from wavesweep.data.scaling import Scaler

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from wavesweep.data.parts import Part

Standardize = Literal["global", "series", False]


class Rows(NamedTuple):
    """Numbers of rows that train, validate and test; a row is a series, or a time step."""

    train: int
    val: int
    test: int


@dataclass(frozen=True)
class Division(ABC):
    """How series are divided into parts; what is forecast, scored and drawn of them follows from it.

    Attributes:
        source: Where the series come from.
        split: Rows, or fractions, that train, validate and test.
        part: What pictures call a part.
        forecasts_once: Whether each series is forecast once, from its end; else from many origins.
    """

    source: Source
    split: Counts | Fractions

    part: ClassVar[str]
    forecasts_once: ClassVar[bool]

    @classmethod
    @abstractmethod
    def of(cls, source: Source, split: SplitRule) -> Self:
        """Return the division of series by a rule; None: derived from their shape.

        Raises:
            Refused: If a part that is needed would be empty, or the counts don't add up.
        """

    def find_seasons(self) -> tuple[int, ...] | None:
        """Find the seasons of the training part; None where they say nothing of forecasts, and are found later."""
        return None

    @abstractmethod
    def resolve_forecast(self, forecast: Forecast, seasons: tuple[int, ...]) -> ResolvedForecast:
        """Return a forecast with what the shape of the parts and the seasons tell in the place of `null`.

        Raises:
            Refused: If it does not fit into the parts.
        """

    @abstractmethod
    def training_lengths(self, horizon: int) -> list[int]:
        """Return the steps of each series that train."""

    def scored_lengths(self, forecast: ResolvedForecast) -> list[int]:
        """Return the same of those series that are long enough to be scored."""
        return self.training_lengths(forecast.horizon)

    @abstractmethod
    def longest_washout(self, window: int, context: int) -> int:
        """Return how many of the first values of a training window a loss may leave out by default."""

    @abstractmethod
    def resolve_standardize(self, given: Standardize | None) -> Standardize:
        """Return whether the network sees data of mean 0 and variance 1, and of what; null: derived.

        Raises:
            Refused: If that can't be with this division.
        """

    @abstractmethod
    def cut_training(self, timeline: "np.ndarray", horizon: int) -> "tuple[np.ndarray, ...]":
        """Return the training part of each series, (time, channel), given all of them, (series, time, channel)."""

    @abstractmethod
    def cut_before_test(self, timeline: "np.ndarray", horizon: int) -> "tuple[np.ndarray, ...]":
        """Return what trains and validates, of each series (time, channel), given all of them as above."""

    @abstractmethod
    def cut_windows(
        self, timeline: "np.ndarray", forecast: ResolvedForecast, washout: int
    ) -> "tuple[Part, Part | None]":
        """Return the windows of validation and of test, if there is a test part.

        Args:
            timeline: All series and how they go on, (series, time, channel).
            forecast: What is forecast of each window.
            washout: The first values of a series whose one-step predictions are not scored.
        """

    def as_observed(self, train: "tuple[np.ndarray, ...]") -> "tuple[np.ndarray, ...]":
        """Return training parts, (time, channel) each, with nan where a value was filled in."""
        return train

    def units(self, train: "Sequence[np.ndarray]") -> Scaler:
        """Return the scaling of scores that training parts, (time, channel) each, as observed, give: one for all.

        Raises:
            Refused: If a channel is constant.
        """
        return Scaler.pooled(train)

    def scaled_targets(self, train: "Sequence[np.ndarray]", units: Scaler) -> "list[np.ndarray]":
        """Return the targets of training parts, (time, target) each, in the units of scores."""
        return [values[:, self.source.target_numbers] for values in units.scale_each(train)]

    @property
    def usual_seasons(self) -> tuple[int, ...] | None:
        """The seasons that the distance of steps suggests (see `find_seasons`)."""
        usual = self.source.usual_seasons
        return None if usual is None else tuple(usual)

    @abstractmethod
    def labels(self, part: "Part") -> list[str]:
        """Return what tells the windows of a part apart."""

    def ends(self, timeline: "np.ndarray", context: int) -> list[Observed]:
        """Return the last observed steps of each series, at most so many, without what scales them."""
        ends = []
        source = self.source
        filled = source.filled()
        for number, (name, length, stamps) in enumerate(zip(source.names, source.lengths, source.stamps, strict=True)):
            start = max(length - context, 0)
            times = None if stamps is None else stamps[start:]
            mask = None if filled is None else filled[number, start:length]
            known = source.known[number]
            if known is not None:
                known = replace(known, values=known.values[start:])
            ends.append(Observed(name, timeline[number, start:length], start, times, filled=mask, known=known))
        return ends

    def check_size(self, horizon: int) -> None:
        """Refuse more than 10⁹ values, 8 GB."""
        num_series, steps = self.source.shape[0], max(self.source.lengths)
        values = num_series * (steps + horizon) * len(self.source.channels)
        if values > 10**9:
            raise Refused(
                f"dataset: {num_series} series of {steps} steps and {horizon} to forecast are "
                f"{values:.1e} values, and must be at most 1e9; lower num_series, length or forecast.horizon"
            )


def as_steps(split: Counts | Fractions, total: int) -> Rows:
    """Return how many of so many rows each part gets."""
    if not isinstance(split[0], float):
        train, val, test = split
        return Rows(int(train), int(val), int(test))
    first = round(split[0] * total)
    second = round((split[0] + split[1]) * total)
    return Rows(first, second - first, total - second)


def as_rows(split: SplitRule, total: int, unit: str, *, rest: float, all_used: bool, num_validating: int = 0) -> Rows:
    """Return how many rows each part gets, derived or as given.

    Args:
        split: As configured; None: derived.
        total: Rows in all.
        unit: What rows are.
        rest: Share of the rows that validate, and that test, where it is derived.
        all_used: Whether rows that are counted must add up to all there are.
        num_validating: Further rows, that only validate.

    Raises:
        Refused: If a part that is wanted would be empty, or the counts don't add up.
    """
    if split is None:
        others = max(1, round(rest * total))
        if total - 2 * others < 1:
            raise Refused(
                f"dataset.split must leave {unit} to train, to validate and to test on, got {total} in all; "
                "give more, or three row counts, the last of which may be 0"
            )
        return Rows(total - 2 * others, others, others)
    rows = as_steps(split, total)
    if isinstance(split[0], float):
        if any(part == 0 < fraction for part, fraction in zip(rows, split, strict=True)):
            raise Refused(
                f"dataset.split must leave no part of the {total} {unit} empty, got {shown(split)}, which gives "
                f"{shown(tuple(rows))}; give more {unit}, or three row counts"
            )
    elif sum(rows) > total or (all_used and sum(rows) < total):
        rule = "add up to" if all_used else "add up to at most"
        raise Refused(
            f"dataset.split must {rule} the {total} {unit} there are, got {shown(split)}; give other row counts, "
            "fractions, or null"
        )
    if rows.train < 1 or rows.val + num_validating < 1:
        raise Refused(f"dataset.split must leave {unit} to train and to validate on, got {shown(tuple(rows))}")
    return rows
