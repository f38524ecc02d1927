"""What networks start from: linear autoregression and ridge regression, combined by their errors on validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.models.autoregression import Lags, fit_autoregression, fit_weights, unrolled
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.ridge import ORDERS, Ridge, choose_ridge, fewest_steps, fit_regression, fit_ridge

LEAST_SHARE = 0.03  # of a forecast that is combined with another


@dataclass(frozen=True)
class Start:
    """A forecast of several steps that is linear in the last values.

    Attributes:
        lags: What the autoregression looks at; None: there is none.
        ridge: What the regression looks at; None: there is none.
        share: Of the regression in the forecast; the rest is the autoregression's.
    """

    lags: Lags | None
    ridge: Ridge | None = None
    share: float = 0.0

    @classmethod
    def mixed(cls, lags: Lags | None, ridge: Ridge, share: float) -> "Start":
        """Return the mean of both by their shares, without one that has none."""
        return cls(lags if share < 1 else None, ridge if share else None, share)

    def __str__(self) -> str:
        """Return it in words."""
        if self.ridge is None:
            return f"linear autoregression ({self.lags})"
        if self.lags is None:
            return f"ridge regression ({self.ridge})"
        return f"autoregression ({self.lags}) with {self.share:.0%} of ridge regression ({self.ridge})"

    @property
    def lead(self) -> int:
        """How many of the last values it looks at."""
        return max(self.lags.lags[-1] if self.lags else 0, self.ridge.order if self.ridge else 0)

    @property
    def joint(self) -> bool:
        """Whether it looks at the past of all channels for each."""
        return self.lags is not None and self.lags.joint

    def path(self, train: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        """Fit it to training series, each (time, channel).

        Returns:
            (group, horizon · channel, lead · channel + 1): each step ahead by the last values, the earliest first, and
            by 1; a group is a channel, or all of them where the autoregression looks at all.
        """
        num_channels = train[0].shape[1]
        size = num_channels if self.joint else 1
        by_step = (num_channels // size, horizon, size)
        weights, constants = np.zeros((*by_step, self.lead, size)), np.zeros(by_step)
        if self.lags:
            longest, ahead = self.lags.lags[-1], unrolled(fit_weights(train, self.lags), self.lags.lags, horizon)
            ahead = (1 - self.share) * ahead.reshape(*by_step, -1)
            weights[..., -longest:, :] += ahead[..., :-1].reshape(*by_step, longest, size)
            constants += ahead[..., -1]
        if self.ridge:
            regression = self.share * fit_ridge(train, self.ridge, horizon)
            for channel, own in enumerate(regression):
                group, place = divmod(channel, size)
                weights[group, :, place, -self.ridge.order :, place] += own[:, :-1]
                constants[group, :, place] += own[:, -1]
        path = np.concatenate([weights.reshape(*by_step, -1), constants[..., None]], axis=3)
        return path.reshape(num_channels // size, horizon * size, -1)


def choose_start(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int], lags: Lags | None) -> Start:
    """Choose the regression, and its share, by errors on validation.

    Args:
        train: Series of the training part, each (time, channel), scaled; lengths may differ.
        val: Windows of the validation part, scaled.
        seasons: As `find_seasons` gives them.
        lags: Of the autoregression; None: the regression forecasts alone.

    Raises:
        Refused: If it is to, and series are too short for it.
    """
    ridge, horizon = choose_ridge(train, val, seasons), val.truth.shape[1]
    if ridge is None and lags is None:
        rule = f"{fewest_steps(horizon)} training steps and a context of {ORDERS[0]}"
        got = f"{max(map(len, train))} and {val.context.shape[1]}"
        raise Refused(f"model.start=ridge takes {rule}, got {got}; give model.start=autoregression")
    if ridge is None:
        return Start(lags)
    if lags is None:
        return Start(None, ridge, 1.0)
    share = choose_share(fit_autoregression(train, lags), fit_regression(train, ridge, horizon), val)
    return Start.mixed(lags, ridge, share)


def share_of(other: float, error: float) -> float:
    """Return the share of a forecast in its combination with another one, by the errors of both on validation."""
    return shares_of([other, error])[1]


def shares_of(errors: Sequence[float]) -> list[float]:
    """Return the shares of forecasts in their combination, by the mean squared errors of each on validation.

    Source:
        Bates & Granger (1969), The combination of forecasts, by inverse errors; to the fourth power, which leaves
        little to what is much worse (docs/real-data.md).
    """
    least = min(errors)
    if not 0 < least < np.inf:
        return [float(place == errors.index(least)) for place in range(len(errors))]
    weights = [(error / least) ** -4 for error in errors]
    shares = [weight / sum(weights) for weight in weights]
    kept = [share if share >= LEAST_SHARE else 0.0 for share in shares]
    return shares if kept == shares else [share / sum(kept) for share in kept]


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

    return Baseline(forecast, f"{share:.0%} ridge regression, the rest autoregression", fit, is_regression=True)
