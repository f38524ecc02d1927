"""Ridge regression from the last values straight to all steps ahead, chosen by validation."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wavesweep.data.parts import spread_evenly
from wavesweep.models.autoregression import LONGEST, MOST_ROWS, some_channels
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.remembered import remembered

ORDERS = (4, 8, 16, 24, 48, 96, 168, LONGEST)
PENALTIES = tuple(10.0**exponent for exponent in range(-7, 2))
ROWS_A_VALUE = 3  # of training, for each value that is looked at
MOST_STEPS = 24  # of a horizon, evenly spread, that choose
MOST_WEIGHTS = 2 * 10**7


@dataclass(frozen=True)
class Ridge:
    """What a regression looks at.

    Attributes:
        order: How many of the last values of a channel.
        centred: Whether relative to the last of them.
        penalty: Of squared weights, in units of the mean variance of what it looks at.
    """

    order: int
    centred: bool
    penalty: float

    def __str__(self) -> str:
        """Return them in words."""
        centred = ", centred" if self.centred else ""
        return f"the last {self.order} values{centred}, penalty {self.penalty:g}"


@dataclass(frozen=True)
class Moments:
    """Means and covariances of neighbouring values in training series, for each channel.

    Attributes:
        mean: Of the last values, the earliest first, and of those at some steps ahead, (channel, value).
        covariance: Of the last values with all of these, (channel, last value, value).
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, train: Sequence[np.ndarray], order: int, steps: np.ndarray, most_rows: int) -> "Moments":
        """Measure series, (time, channel) each, at so many origins at most, drawn at random.

        Args:
            train: Some longer than `order` and the last of the steps.
            order: How many values before an origin.
            steps: Which ones after it, ascending from 0.
            most_rows: About so many origins.
        """
        taken = np.append(np.arange(order), order + steps)
        starts = [np.arange(max(len(one) - taken[-1], 0)) for one in train]
        share = min(1.0, most_rows / sum(map(len, starts)))
        draws = np.random.default_rng(0)  # at random, since even steps could all fall on the same phase of a season
        if share < 1:
            starts = [np.sort(draws.choice(one, math.ceil(share * len(one)), replace=False)) for one in starts]
        means, covariances = [], []
        for channel in range(train[0].shape[1]):
            both = zip(train, starts, strict=True)
            rows = np.concatenate([values[start[:, None] + taken, channel] for values, start in both])
            means.append(rows.mean(axis=0))
            rows -= means[-1]
            covariances.append(rows[:, :order].T @ rows / len(rows))
        return cls(np.stack(means), np.stack(covariances))

    def weights(self, order: int, penalties: Sequence[float], *, centred: bool) -> Iterator[np.ndarray]:
        """Yield the regressions on the last `order` values, one for each penalty.

        Returns:
            (channel, step, order + 1), the earliest value first and the constant last.
        """
        first, last = self.covariance.shape[1] - order, slice(order - 1, order)
        mean, covariance = self.mean[:, first:], self.covariance[:, first:, first:]
        if centred:
            mean = mean - mean[:, last]
            covariance = covariance - covariance[:, last]
            covariance = covariance - covariance[:, :, last]
        inputs, outputs = covariance[:, :, :order], covariance[:, :, order:]
        roots, directions = np.linalg.eigh(inputs)
        along = directions.swapaxes(1, 2) @ outputs
        variance = np.maximum(roots.mean(axis=1), np.finfo(float).tiny)[:, None]
        for penalty in penalties:
            shrunk = along / (np.maximum(roots, 0) + penalty * variance)[..., None]
            found = (directions @ shrunk).swapaxes(1, 2)
            constant = mean[:, order:] - np.einsum("csv,cv->cs", found, mean[:, :order])
            if centred:
                found[..., -1] = 1 - found[..., :-1].sum(axis=2)
            yield np.concatenate([found, constant[..., None]], axis=2)


def fewest_steps(horizon: int) -> int:
    """Return how long a training series must be for a regression to so many steps ahead to be chosen."""
    return ROWS_A_VALUE * ORDERS[0] + horizon


@remembered
def choose_ridge(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> Ridge | None:
    """Choose by the error on validation what a regression looks at; None where series are too short for any.

    Args:
        train: Series of the training part, each (time, channel), scaled; lengths may differ.
        val: Windows of the validation part, scaled.
        seasons: As `find_seasons` gives them.
    """
    horizon, num_channels = val.truth.shape[1:]
    longest = min(
        val.context.shape[1],
        (max(map(len, train)) - horizon) // ROWS_A_VALUE,
        MOST_WEIGHTS // (horizon * num_channels),
    )
    around = [one for season in seasons for one in (season + 1, 2 * season)]
    orders = sorted(order for order in {*ORDERS, *around} if order <= longest)
    if not orders:
        return None
    train, val = some_channels(train, val)
    steps = spread_evenly(horizon, MOST_STEPS)
    val = val.at_steps(steps)
    rows = max(MOST_ROWS // (2 * train[0].shape[1]), 10 * orders[-1])
    moments = Moments.of(train, orders[-1], steps, rows)
    best, least = Ridge(orders[0], centred=True, penalty=1.0), np.inf
    for order in orders:
        for centred in (True, False):
            each = moments.weights(order, PENALTIES, centred=centred)
            for penalty, weights in zip(PENALTIES, each, strict=True):
                error = val.error(forecast(weights, val.context))
                if error < least:
                    best, least = Ridge(order, centred, penalty), error
    return best


def fit_ridge(train: Sequence[np.ndarray], ridge: Ridge, horizon: int) -> np.ndarray:
    """Fit by least squares with a penalty on squared weights, at 20,000 origins at most.

    Args:
        train: Series, each (time, channel), some longer than order and horizon.
        ridge: What to look at.
        horizon: Steps ahead.

    Returns:
        (channel, step, order + 1), the earliest value first and the constant last.

    Source:
        Hoerl & Kennard (1970), Ridge regression; all steps at once: Taieb et al. (2012); relative to the last value,
        NLinear of Zeng et al. (2023), here in closed form. By covariances, of which one decomposition serves all
        penalties, and parts all orders: scikit-learn's Ridge takes each anew.
    """
    moments = Moments.of(train, ridge.order, np.arange(horizon), MOST_ROWS)
    [weights] = moments.weights(ridge.order, [ridge.penalty], centred=ridge.centred)
    return weights


def forecast(weights: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Forecast all steps from contexts, (window, context, channel): (window, step, channel)."""
    last = context[:, -(weights.shape[2] - 1) :].transpose(2, 0, 1)
    ahead = last @ weights[..., :-1].swapaxes(1, 2) + weights[:, None, :, -1]
    return ahead.transpose(1, 2, 0)


def ridge_regression(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> Baseline | None:
    """Return the regression that does best on validation; None where series are too short for any."""
    ridge = choose_ridge(train, val, seasons)
    return None if ridge is None else fit_regression(train, ridge, val.truth.shape[1])


def fit_regression(train: Sequence[np.ndarray], ridge: Ridge, horizon: int) -> Baseline:
    """Return a given regression, fitted to series, each (time, channel); it forecasts so many steps at most."""
    weights = fit_ridge(train, ridge, horizon)
    return Baseline(
        lambda context, steps: forecast(weights, context)[:, :steps],
        str(ridge),
        lambda series: fit_regression(series, ridge, horizon),
        forecasts_rest=True,
    )
