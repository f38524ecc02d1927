"""Regressions on what is known in advance, combined by the errors of an autoregression of what they leave."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Self

import numpy as np

from wavesweep.data.data import Data
from wavesweep.data.effects import MOST_ROWS as ROWS_AT_ONCE
from wavesweep.data.effects import Effects, Features
from wavesweep.data.known import Effect
from wavesweep.models.autoregression import LONGEST, Lags, fit_weights, forecast
from wavesweep.models.baseline import MOST_WINDOWS, Windows

PENALTIES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
SHARPNESS, LEAST_SHARE = 8, 0.03
MOST_FEATURES = 2000
MOST_ROWS, ROWS_THAT_CHOOSE = 20_000, 5_000
ORDERS = (1, 3, 8, 24)  # of the autoregressions that choose, beside those of the seasons
ROUNDING = 1e-9  # below which a feature does not vary


def fit_effects(data: Data, given: Sequence[Effect] | None) -> Effects:
    """Fit to the training part what is known in advance does to each channel, in units of scores.

    Four regressions are tried: on each input by itself or on all pairs of them too, of values on values or of steps on
    steps, each with the penalty that is best on validation. Their mean is taken, with that of none at all, by (mean
    squared error)^-8, without those of less than 3%: the errors are those of an autoregression of what is left.

    Args:
        data: Whose source knows something in advance.
        given: The regressions; None: they are chosen.

    Source:
        Means weighted by errors: Bates & Granger (1969), The combination of forecasts; a regression with autoregressive
        errors: Cochrane & Orcutt (1949). What each part does stands in docs/data.md.
    """
    source = data.division.source
    lengths = [len(one) for one in data.train]
    inputs = [one[:length] for one, length in zip(source.load_inputs(0), lengths, strict=True)]
    features = Features.of(np.concatenate(inputs), len(source.dataset.calendar_fields))
    training = Training(features, data.units.scale_each(data.train), inputs)
    if given is None:
        given = _choose(data, training)
    of_mean = replace(features, products=any(one.products for one in given))
    weights = np.zeros((of_mean.number + 1, len(data.channels)))
    for one in given:
        fitted = training.moments(one.products, one.differences).weights(one.penalty)
        weights[: len(fitted) - 1] += one.share * fitted[:-1]
        weights[-1] += one.share * fitted[-1]
    return Effects(of_mean, weights, tuple(given))


def _choose(data: Data, training: "Training") -> list[Effect]:
    """Choose the penalty of each regression, and the share of each in their mean."""
    data = replace(data, val=data.val.spread(MOST_WINDOWS), test=None)  # those that `_error` looks at
    found: list[tuple[float, Effect]] = []
    for products, differences in product((False, True), repeat=2):
        features = replace(training.features, products=products)
        if products and (len(features.knots) < 2 or features.number > MOST_FEATURES):
            continue
        moments = training.moments(products, differences)
        effects = Effects(features, np.concatenate([moments.weights(one) for one in PENALTIES], axis=1))
        of_penalties = np.split(data.effect_of(effects, len(PENALTIES)), len(PENALTIES), axis=2)
        errors = [_error(data.with_effect(one)) for one in of_penalties]
        best = int(np.argmin(errors))
        chosen = Effect(products=products, differences=differences, penalty=PENALTIES[best], share=1.0)
        found.append((errors[best], chosen))
    none = _error(data)
    least = max(min([none, *(error for error, _ in found)]), np.finfo(float).tiny)
    worth = np.array([(least / max(error, least)) ** SHARPNESS for error in (none, *(error for error, _ in found))])
    worth[worth < LEAST_SHARE * worth.sum()] = 0.0
    shares = (worth / worth.sum())[1:]
    return [
        one.model_copy(update={"share": float(share)}) for share, (_, one) in zip(shares, found, strict=True) if share
    ]


def _error(data: Data) -> float:
    """Return the least error on validation windows of autoregressions of what effects leave."""
    rest = data.without_effects
    train, val = rest.scored(data.units), Windows.of(rest.val, data.units)
    horizon = val.truth.shape[1]
    longest = max(1, min(val.context.shape[1], (min(map(len, train)) - 1) // 2, LONGEST))
    errors = []
    for order in sorted({min(order, longest) for order in (*ORDERS, *(season + 1 for season in data.seasons))}):
        lags = Lags(tuple(range(1, order + 1)))
        errors.append(val.error(forecast(fit_weights(train, lags, ROWS_THAT_CHOOSE), lags, val.context, horizon)))
    return min(errors)


@dataclass(frozen=True)
class Training:
    """What regressions are fitted to.

    Attributes:
        features: Of each input by itself.
        series: Each (time, channel), scaled.
        inputs: What is known of each step of them, (time, input).
        measured: The moments so far, by whether they are of pairs of inputs, and of steps.
    """

    features: Features
    series: Sequence[np.ndarray]
    inputs: Sequence[np.ndarray]
    measured: dict[tuple[bool, bool], "Moments"] = field(default_factory=dict)

    def moments(self, products: bool, differences: bool) -> "Moments":
        """Return the moments of values, or of their steps, at 20,000 of them at most, drawn at random."""
        kind = (products, differences)
        if kind not in self.measured:
            self.measured[kind] = self._measure(replace(self.features, products=products), differences)
        return self.measured[kind]

    def _measure(self, features: Features, differences: bool) -> "Moments":
        values, inputs = np.concatenate(self.series), np.concatenate(self.inputs)
        lengths = [len(one) for one in self.series]
        begins = np.cumsum([0, *lengths[:-1]])
        first = int(differences)  # a step needs a value before it
        rows = np.concatenate([begin + np.arange(first, length) for begin, length in zip(begins, lengths, strict=True)])
        if len(rows) > MOST_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
        return Moments.of(features, values, inputs, rows, differences)


@dataclass(frozen=True)
class Moments:
    """Means and covariances of features with each other and with channels, of values or of their steps.

    Attributes:
        mean: Of values of features and channels, (feature + channel,).
        covariance: Of features with both, (feature, feature + channel).
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(
        cls, features: Features, values: np.ndarray, inputs: np.ndarray, rows: np.ndarray, differences: bool
    ) -> Self:
        """Measure some rows of values, (row, channel), and inputs, (row, input), a few thousand at once."""
        number = features.number
        size = number + values.shape[1]
        level, total, products = np.zeros(size), np.zeros(size), np.zeros((number, size))
        for first in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[first : first + ROWS_AT_ONCE]
            both = np.concatenate([features.make(inputs[some]), values[some]], axis=1)
            level += both.sum(axis=0)
            if differences:
                both -= np.concatenate([features.make(inputs[some - 1]), values[some - 1]], axis=1)
            total += both.sum(axis=0)
            products += both[:, :number].T @ both
        covariance = products / len(rows)
        if not differences:
            mean = total / len(rows)
            covariance -= mean[:number, None] * mean
        return cls(level / len(rows), covariance)

    def weights(self, penalty: float) -> np.ndarray:
        """Return a regression with a penalty on squared weights, (feature + 1, channel), the constant last."""
        number = len(self.covariance)
        std = np.sqrt(np.maximum(np.diagonal(self.covariance), 0.0))
        varies = np.flatnonzero(std > ROUNDING)
        size = std[varies, None]
        correlations = self.covariance[np.ix_(varies, varies)] / (size * size.T)
        with_channels = self.covariance[varies, number:] / size
        weights = np.zeros((number + 1, self.covariance.shape[1] - number))
        weights[varies] = np.linalg.solve(correlations + penalty * np.eye(len(varies)), with_channels) / size
        weights[-1] = self.mean[number:] - self.mean[:number] @ weights[:-1]
        return weights
