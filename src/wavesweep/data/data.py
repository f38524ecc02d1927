"""The data of a run: the parts of its series, and what scales them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

import numpy as np

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.data.dataset import LARGEST
from wavesweep.data.division import Division, Standardize
from wavesweep.data.effects import MOST_KNOWN, Effects
from wavesweep.data.forecast import ResolvedForecast
from wavesweep.data.parts import Part
from wavesweep.data.periods import find_seasons
from wavesweep.data.scaling import Scaler, measured


@dataclass(frozen=True)
class Data:
    """The parts of a data set.

    Attributes:
        train: The training part of each series, (time, channel), in the units of the data.
        observed: The same with nan where a value was filled in.
        val: What the epoch is chosen by.
        test: What is scored in the end, if there is something.
        units: Of scores: mean and standard deviation of the training part, for each series where each has its own.
        scaler: Between the data and the network.
        seasons: Steps after which the series repeat themselves, the shortest first.
        division: How the series were divided into these parts.
        timeline: What was divided: all series and how they go on, (series, time, channel).
        effects: What is known in advance does to them; None: nothing is known.
        effect: The same of each step of the timeline, (series, time, channel), in the units of the data.
        features: What networks see of that, (series, time, feature), float32; None: nothing, or too much.
    """

    train: tuple[np.ndarray, ...]
    observed: tuple[np.ndarray, ...]
    val: Part
    test: Part | None
    units: Scaler
    scaler: Scaler
    seasons: tuple[int, ...]
    division: Division
    timeline: np.ndarray
    effects: Effects | None = None
    effect: np.ndarray | None = None
    features: np.ndarray | None = None

    def with_effects(self, effects: Effects) -> Self:
        """Return the data with what is known in advance does to them."""
        return replace(self.with_effect(self.effect_of(effects), self._features_of(effects)), effects=effects)

    def _features_of(self, effects: Effects) -> np.ndarray | None:
        of_each = effects.of_each
        if self.timeline[..., 0].size * of_each.number > MOST_KNOWN:
            return None
        return np.stack([of_each.make(one).astype(np.float32) for one in self._inputs])

    @cached_property
    def _inputs(self) -> np.ndarray:
        """Return what is known of each step of the timeline, (series, time, input)."""
        return self.division.source.load_inputs(self.timeline.shape[1] - max(self.division.source.lengths))

    def effect_of(self, effects: Effects, sets: int = 1) -> np.ndarray:
        """Return what effects do to each step of the timeline, (series, time, set · channel), in the units of the data.

        Args:
            effects: Of all channels, or of so many sets of them.
            sets: How many.
        """
        each = enumerate(self._inputs)
        return np.stack([effects.of(one) * np.tile(self.units.of(number).std, sets) for number, one in each])

    def with_effect(self, effect: np.ndarray, features: np.ndarray | None = None) -> Self:
        """Return the data with what is known does to each step, which each part then has.

        Args:
            effect: (series, time, channel), in the units of the data.
            features: What networks see of that, (series, time, feature); None: nothing.
        """
        val, test = (part and part.with_effects(effect, features) for part in (self.val, self.test))
        assert val
        return replace(self, val=val, test=test, effect=effect, features=features)

    @cached_property
    def without_effects(self) -> "Data":
        """The data less what is known in advance does to them: what networks and regressions see."""
        if self.effect is None:
            return self
        test = self.test and self.test.without_effects()
        train, observed = (
            tuple(one - effect[: len(one)] for one, effect in zip(series, self.effect, strict=True))
            for series in (self.train, self.observed)
        )
        return replace(
            self,
            train=train,
            observed=observed,
            val=self.val.without_effects(),
            test=test,
            timeline=self.timeline - self.effect,
            effects=None,
            effect=None,
            features=None,
        )

    @property
    def before_test(self) -> tuple[np.ndarray, ...]:
        """The training and the validation part of each series, (time, channel), in the units of the data."""
        return self.division.cut_before_test(self.timeline, self.val.truth.shape[1])

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the values at each time step."""
        return self.division.source.channels

    @property
    def is_panel(self) -> bool:
        """Whether several series are forecast from many origins, each in units of its own."""
        return self.units.mean.ndim == 2

    @property
    def pooled(self) -> Scaler:
        """The scaler between the data and the network where it is one for all series, else what they give together."""
        if self.scaler.mean.ndim == 1:
            return self.scaler
        pooled = measured(Scaler.pooled, self.observed, logs=self.scaler.sees_logs)
        return replace(pooled, floor=self.scaler.floor)

    @cached_property
    def units_of_rest(self) -> Scaler:
        """The units of what regressions forecast: those of scores or, if the network sees logarithms, of these."""
        if not self.scaler.sees_logs:
            return self.units
        return replace(measured(self.division.units, self.observed, logs=True), floor=self.units.floor)

    def in_logs(self, standardize: Standardize) -> Self:
        """Return the data of a network that sees log(1 + value).

        Args:
            standardize: As `load` takes it.

        Raises:
            Refused: If a value before the test part is below 0.
        """
        floor = self.scaler.floor
        if (floor != 0).any():
            channel = int(np.argmax(floor != 0))
            least = min(one[:, channel].min() for one in self.before_test)
            got = f"{least:g} in column {self.channels[channel]}"
            raise Refused(f"dataset.transform=log1p takes values of at least 0, got {got}; give dataset.transform=none")
        return replace(self, scaler=_scaler(self.division, self.observed, standardize, floor, logs=True))

    def scaled(self, scaler: Scaler) -> list[np.ndarray]:
        """Return the training part of each series, (time, channel), in scaled units."""
        return scaler.scale_each(self.train)

    @property
    def num_features(self) -> int:
        """How many features of each step that is known in advance networks see."""
        return 0 if self.features is None else self.features.shape[2]

    def known_in_training(self) -> list[np.ndarray]:
        """Return what networks know in advance of the training part of each series, as `Part.known` does."""
        if self.features is None or self.effect is None:
            return []
        each = enumerate(zip(self.train, self.effect, self.features, strict=True))
        return [
            np.concatenate([effect[: len(one)] / self.scaler.of(number).std, features[: len(one)]], axis=1)
            for number, (one, effect, features) in each
        ]

    def scored(self, scaler: Scaler) -> list[np.ndarray]:
        """Return the same without what is too short to be scored, which would bound how far baselines look back."""
        return self._without_short(self.scaled(scaler))

    def scored_before_test(self, scaler: Scaler) -> list[np.ndarray]:
        """Return as `scored` what trains and validates."""
        return self._without_short(scaler.scale_each(self.before_test))

    def _without_short(self, series: list[np.ndarray]) -> list[np.ndarray]:
        return [series[number] for number in np.unique(self.val.series)] if self.is_panel else series


def load(
    division: Division,
    forecast: ResolvedForecast,
    *,
    washout: int,
    standardize: Standardize,
    seasons: tuple[int, ...] | None,
) -> Data:
    """Load the series of a data set, and cut them into parts.

    Args:
        division: How.
        forecast: What is forecast of each window.
        washout: The first values of a series whose one-step predictions are not scored.
        standardize: Whether the network sees mean 0 and variance 1: of all series together, `global`, of each
            `series`, or not at all, False.
        seasons: Of the series; None: they are found in the training part.

    Raises:
        Refused: If the data can't be used.
    """
    timeline = load_timeline(division, forecast.horizon)
    train = division.cut_training(timeline, forecast.horizon)
    val, test = division.cut_windows(timeline, forecast, washout)
    observed = division.as_observed(train)
    floor = find_floor(division, timeline, forecast.horizon)
    units = replace(division.units(observed), floor=floor)
    scaler = _scaler(division, observed, standardize, floor, logs=False)
    if seasons is None:
        seasons = find_seasons(division.scaled_targets(train, units), forecast.context, division.usual_seasons)
    return Data(train, observed, val, test, units, scaler, seasons, division, timeline)


def _scaler(
    division: Division, observed: Sequence[np.ndarray], standardize: Standardize, floor: np.ndarray, *, logs: bool
) -> Scaler:
    """Return what scales series, each (time, channel), for the network: see `load`."""
    measure = division.units if standardize == "series" else Scaler.pooled
    scaler = replace(measured(measure, observed, logs=logs), floor=floor)
    if standardize:
        return scaler
    return replace(scaler, mean=np.zeros_like(scaler.mean), std=np.ones_like(scaler.std))


def find_floor(division: Division, timeline: np.ndarray, horizon: int) -> np.ndarray:
    """Return what no forecast goes below, (channel,): 0 where no value before the test part does, else -inf.

    Generated series have none: how they go on is known.
    """
    if division.source.knows_continuation:
        return np.full(timeline.shape[2], -np.inf)
    least = np.min([one.min(axis=0) for one in division.cut_before_test(timeline, horizon)], axis=0)
    return np.where(least >= 0, 0.0, -np.inf)


def load_timeline(division: Division, horizon: int) -> np.ndarray:
    """Load all series and, where that is known, how they go on for a horizon: (series, time, channel).

    Raises:
        Refused: If a value is not finite, or too large.
    """
    with np.errstate(all="ignore"):
        observed, continuation = division.source.load(horizon)
    known = [one[:steps] for one, steps in zip(observed, division.source.lengths, strict=True)]
    largest = np.max([np.abs(values).max(initial=0.0) for values in (*known, continuation)])
    if not largest <= LARGEST:
        raise Refused(
            f"dataset: its values must be finite and at most {LARGEST:g} in size, got {largest:g}; give smaller "
            "parameters or another unit"
        )
    return np.concatenate([observed, continuation], axis=1)


def describe(data: Data) -> list[dict[str, Any]]:
    """Return context, digest and shape of each part, for MLflow's dataset inputs: of its series, or its windows."""
    longest = max(map(len, data.train))
    parts = {"training": (data.train, [len(data.train), longest, len(data.channels)])}
    for name, part in {"validation": data.val, "test": data.test}.items():
        if part:
            seen = np.concatenate([part.context, part.truth], axis=1)[:, : part.scored.stop]
            parts[name] = ((seen,), list(seen.shape))
    return [
        {"context": name, "digest": sha256(b"".join(one.tobytes() for one in values)).hexdigest()[:16], "shape": shape}
        for name, (values, shape) in parts.items()
    ]
