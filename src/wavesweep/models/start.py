"""What networks start from: linear autoregression and ridge regression, combined by their errors on validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.models.autoregression import Lags, fit_autoregression, fit_weights, unrolled
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.ridge import Ridge, choose_ridge, fit_regression, fit_ridge

LEAST_SHARE = 0.03  # of a forecast that is combined with another


@dataclass(frozen=True)
class Start:
    """A forecast of several steps that is linear in the last values.

    Attributes:
        lags: What the autoregression looks at.
        ridge: What the regression looks at; None: there is none.
        share: Of the regression in the forecast; the rest is the autoregression's.
    """

    lags: Lags
    ridge: Ridge | None = None
    share: float = 0.0

    def __str__(self) -> str:
        """Return it in words."""
        if self.ridge is None:
            return f"linear autoregression ({self.lags})"
        if self.share == 1:
            return f"ridge regression ({self.ridge})"
        return f"autoregression ({self.lags}) with {self.share:.0%} of ridge regression ({self.ridge})"

    @property
    def lead(self) -> int:
        """How many of the last values it looks at."""
        return max(self.lags.lags[-1], self.ridge.order) if self.ridge else self.lags.lags[-1]

    def path(self, train: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        """Fit it to training series, each (time, channel).

        Returns:
            (group, horizon · channel, lead · channel + 1): each step ahead by the last values, the earliest first, and
            by 1; a group is a channel, or all of them where the autoregression looks at all.
        """
        ahead = unrolled(fit_weights(train, self.lags), self.lags.lags, horizon)
        if self.ridge is None:
            return ahead
        groups, size = len(ahead), train[0].shape[1] // len(ahead)
        by_step = ahead.reshape(groups, horizon, size, -1)
        path = np.zeros((groups, horizon, size, self.lead * size + 1))
        if self.share < 1:  # else it may explode
            path[..., -by_step.shape[3] :] = (1 - self.share) * by_step
        regression = self.share * fit_ridge(train, self.ridge, horizon)
        for channel, weights in enumerate(regression):
            group, place = divmod(channel, size)
            own = path[group, :, place]
            own[:, :-1].reshape(horizon, self.lead, size)[:, -self.ridge.order :, place] += weights[:, :-1]
            own[:, -1] += weights[:, -1]
        return path.reshape(groups, horizon * size, -1)


def choose_start(
    train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int], lags: Lags, *, alone: bool
) -> Start:
    """Choose the regression, and its share, by errors on validation.

    Args:
        train: Series of the training part, each (time, channel), scaled; lengths may differ.
        val: Windows of the validation part, scaled.
        seasons: As `find_seasons` gives them.
        lags: Of the autoregression.
        alone: Whether the regression forecasts alone.

    Raises:
        Refused: If it is to, and series are too short for it.
    """
    ridge = choose_ridge(train, val, seasons)
    if ridge is None:
        if alone:
            raise Refused("model.start=ridge takes longer series or a shorter horizon; give model.start=autoregression")
        return Start(lags)
    share = 1.0
    if not alone:
        regression = fit_regression(train, ridge, val.truth.shape[1])
        share = choose_share(fit_autoregression(train, lags), regression, val)
    return Start(lags, ridge, share) if share else Start(lags)


def share_of(other: float, error: float) -> float:
    """Return the share of a forecast in its combination with another one, by the errors of both on validation.

    Args:
        other: Mean squared error of the other forecast.
        error: That of the forecast.

    Source:
        Bates & Granger (1969), The combination of forecasts, by inverse errors; to the fourth power, which leaves
        little to what is much worse (docs/real-data.md).
    """
    least = min(other, error)
    if not 0 < least < np.inf:
        return float(error < other)
    weight, weight_of_other = (error / least) ** -4, (other / least) ** -4
    share = weight / (weight + weight_of_other)
    if share < LEAST_SHARE:
        return 0.0
    return 1.0 if share > 1 - LEAST_SHARE else share


def choose_share(autoregression: Baseline, ridge: Baseline, val: Windows) -> float:
    """Return the share of a regression in its combination with an autoregression, by errors on validation windows."""
    horizon = val.truth.shape[1]
    return share_of(*(val.error(one.forecast(val.context, horizon)) for one in (autoregression, ridge)))


def combined(autoregression: Baseline, ridge: Baseline, val: Windows) -> Baseline:
    """Return an autoregression and a regression combined by their errors on validation."""
    return _mean(autoregression, ridge, choose_share(autoregression, ridge, val))


def _mean(first: Baseline, second: Baseline, share: float) -> Baseline:
    def forecast(context: np.ndarray, horizon: int) -> np.ndarray:
        if share in (0, 1):  # what explodes has none
            return (first, second)[int(share)].forecast(context, horizon)
        return (1 - share) * first.forecast(context, horizon) + share * second.forecast(context, horizon)

    def fit(series: Sequence[np.ndarray]) -> Baseline:
        assert first.fit
        assert second.fit
        return _mean(first.fit(series), second.fit(series), share)

    return Baseline(forecast, f"{share:.0%} ridge regression, the rest autoregression", fit)
