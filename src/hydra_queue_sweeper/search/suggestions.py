"""What a program's `custom_search_space` is given, to add dimensions to a proposal that depend on its other values."""

from collections.abc import Sequence
from typing import Any

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hydra_queue_sweeper.base.overrides import written
from hydra_queue_sweeper.search.seeds import is_seed
from hydra_queue_sweeper.search.space import Dimension, Interval


class Suggestions:
    """Takes suggestions as a trial of Optuna's does, and keeps what was added.

    Args:
        trial: Optuna's, which has been asked for all other dimensions.
        chosen: Their values by their keys, as they are written in overrides.

    Attributes:
        number: Of the configuration, from 0.
        params: The values so far, by their keys.
        further: The dimensions that were added.
        texts: The values of these by their keys, as they are written in overrides.
    """

    def __init__(self, trial: optuna.Trial, chosen: dict[str, str]) -> None:
        self.number = trial.number
        self.params: dict[str, Any] = {key: _value(text) for key, text in chosen.items()}
        self.further: list[Dimension] = []
        self.texts: dict[str, str] = {}
        self._trial = trial
        self._taken = set(chosen)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number between two others."""
        return self._suggest(Dimension(name, interval=Interval(low, high, integer=False, log=log, step=step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number between two others."""
        return self._suggest(Dimension(name, interval=Interval(low, high, integer=True, log=log, step=step)))

    def suggest_categorical(self, name: str, choices: Sequence[bool | int | float | str | None]) -> Any:
        """Return one of several values."""
        return self._suggest(Dimension(name, tuple(map(written, choices))), choices)

    def _suggest(self, dimension: Dimension, choices: Sequence[Any] = ()) -> Any:
        key = dimension.key
        if key in self._taken:
            raise ValueError(f"{key} is swept already")
        if is_seed(key):
            raise ValueError("each configuration runs on all seeds, so they are listed, such as seed=0,1,2")
        number = self._trial._suggest(key, distribution(dimension))
        if key not in self.texts:
            self.further.append(dimension)
            self.texts[key] = as_text(dimension, number)
            self.params[key] = choices[int(number)] if choices else number
        return self.params[key]


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return how Optuna draws values: of a list, their places in it; a range has an order."""
    interval = dimension.interval
    if interval is None:
        last = len(dimension.values) - 1
        return IntDistribution(0, last) if dimension.ordered else CategoricalDistribution(range(last + 1))
    if interval.integer:
        return IntDistribution(int(interval.low), int(interval.high), log=interval.log, step=int(interval.step or 1))
    return FloatDistribution(interval.low, interval.high, log=interval.log, step=interval.step)


def as_text(dimension: Dimension, number: float) -> str:
    """Return the value that Optuna's number means, as it is written in overrides."""
    if dimension.interval is None:
        return dimension.values[int(number)]
    return dimension.interval.written(number)


def as_number(dimension: Dimension, text: str) -> float:
    """Return the number that a value is to Optuna."""
    if dimension.interval is None:
        return dimension.values.index(text)
    return int(text) if dimension.interval.integer else float(text)


def _value(text: str) -> Any:
    """Return the value that is written in an override."""
    [override] = OverridesParser.create().parse_overrides([f"key={text}"])
    value = override.value()
    return value.text if isinstance(value, QuotedString) else value
