"""What networks start from: autoregression, ridge regression and smoothing, combined by their errors on validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wavesweep.models.autoregression import Lags, fit_autoregression, fit_weights, unrolled
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.ridge import Ridge, choose_ridge, fit_regression, fit_ridge
from wavesweep.models.smoothing import Smoothing, as_baseline, choose_smoothing

LEAST_SHARE = 0.03  # of a forecast that is combined with others
MOST_STEPS = 2000  # of all that trains, beyond which what is fitted needs no smoothing beside it
ROUNDING = 1e-9  # below which nothing is left of a sum of shares


@dataclass(frozen=True)
class Start:
    """A forecast of several steps that is linear in the last values: the mean of up to three, by their shares.

    Attributes:
        lags: What the autoregression looks at, which has what the others leave; None: there is none.
        ridge: What the regression looks at; None: there is none.
        smoothing: How the last values are smoothed; None: they are not.
        shares: Of regression and smoothing; 0 of what is not there.
    """

    lags: Lags | None
    ridge: Ridge | None = None
    smoothing: Smoothing | None = None
    shares: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def mixed(
        cls, lags: Lags | None, ridge: Ridge | None, smoothing: Smoothing | None, shares: tuple[float, float]
    ) -> "Start":
        """Return the mean of all by their shares, without those that have none."""
        has_lags = 1 - sum(shares) > ROUNDING
        return cls(lags if has_lags else None, ridge if shares[0] else None, smoothing if shares[1] else None, shares)

    def __str__(self) -> str:
        """Return it in words."""
        if self.name == "linear":
            return f"linear autoregression ({self.lags})"
        if self.name == "ridge":
            return f"ridge regression ({self.ridge})"
        if self.name == "smoothing":
            return f"exponential smoothing ({self.smoothing})"
        parts = []
        if self.ridge:
            parts.append(f"{self.shares[0]:.0%} of ridge regression ({self.ridge})")
        if self.smoothing:
            parts.append(f"{self.shares[1]:.0%} of exponential smoothing ({self.smoothing})")
        others = " and ".join(parts)
        return f"autoregression ({self.lags}) with {others}" if self.lags else others

    @property
    def name(self) -> str:
        """The baseline that it is, by its name in `BASELINES`."""
        parts = {"linear": self.lags, "ridge": self.ridge, "smoothing": self.smoothing}
        there = [name for name, part in parts.items() if part]
        return there[0] if len(there) == 1 else "combined"

    @property
    def lead(self) -> int:
        """How many of the last values it looks at."""
        lags = self.lags.lags[-1] if self.lags else 0
        return max(lags, self.ridge.order if self.ridge else 0, self.smoothing.span if self.smoothing else 0)

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
            ahead = (1 - sum(self.shares)) * ahead.reshape(*by_step, -1)
            weights[..., -longest:, :] += ahead[..., :-1].reshape(*by_step, longest, size)
            constants += ahead[..., -1]
        for channel, own in enumerate(self._of_itself(train, horizon)):
            group, place = divmod(channel, size)
            weights[group, :, place, self.lead + 1 - own.shape[1] :, place] += own[:, :-1]
            constants[group, :, place] += own[:, -1]
        path = np.concatenate([weights.reshape(*by_step, -1), constants[..., None]], axis=3)
        return path.reshape(num_channels // size, horizon * size, -1)

    def _of_itself(self, train: Sequence[np.ndarray], horizon: int) -> np.ndarray:
        """Return what each channel's own past tells by regression and smoothing, (channel, step, value + 1)."""
        longest = max(self.ridge.order if self.ridge else 0, self.smoothing.span if self.smoothing else 0)
        weights = np.zeros((train[0].shape[1], horizon, longest + 1))
        if self.ridge:
            weights[..., -self.ridge.order - 1 :] += self.shares[0] * fit_ridge(train, self.ridge, horizon)
        if self.smoothing:
            weights[..., -self.smoothing.span - 1 : -1] += self.shares[1] * self.smoothing.path(horizon)
        return weights


def choose_start(
    train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int], lags: Lags, *, best: bool = False
) -> Start:
    """Choose regression and smoothing, and the share of each, by errors on validation; smoothing of short series alone.

    Args:
        train: Series of the training part, each (time, channel), scaled; lengths may differ.
        val: Windows of the validation part, scaled.
        seasons: As `find_seasons` gives them.
        lags: Of the autoregression.
        best: Whether the best of the three forecasts alone.
    """
    ridge, smoothing = choose_ridge(train, val, seasons), None
    forecasts = {"linear": fit_autoregression(train, lags)}
    if ridge:
        forecasts["ridge"] = fit_regression(train, ridge, val.truth.shape[1])
    if takes_smoothing(train):
        smoothing = choose_smoothing(train, val, seasons)
        forecasts["smoothing"] = as_baseline(smoothing)
    shares = dict(zip(forecasts, choose_shares([*forecasts.values()], val), strict=True))
    if best:
        largest = max(shares, key=lambda name: shares[name])
        shares = {largest: 1.0}
    return Start.mixed(lags, ridge, smoothing, (shares.get("ridge", 0.0), shares.get("smoothing", 0.0)))


def takes_smoothing(train: Sequence[np.ndarray]) -> bool:
    """Say whether smoothing is combined with what is fitted to series, each (time, channel)."""
    return sum(map(len, train)) <= MOST_STEPS


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


def choose_shares(forecasts: Sequence[Baseline], val: Windows) -> list[float]:
    """Return the shares of forecasts in their combination, by the errors of each on validation windows."""
    return shares_of([val.error(one.forecast(val.context, val.truth.shape[1])) for one in forecasts])


def combined(forecasts: Mapping[str, Baseline], val: Windows) -> Baseline:
    """Return forecasts combined by their errors on validation.

    Args:
        forecasts: By what they are called.
        val: Windows of the validation part.
    """
    shares = choose_shares([*forecasts.values()], val)
    return _mean({name: (share, forecasts[name]) for name, share in zip(forecasts, shares, strict=True) if share})


def _mean(parts: Mapping[str, tuple[float, Baseline]]) -> Baseline:
    """Return the mean of forecasts by their shares."""

    def forecast(context: np.ndarray, horizon: int) -> np.ndarray:
        return np.sum([share * one.forecast(context, horizon) for share, one in parts.values()], axis=0)

    def fit(series: Sequence[np.ndarray]) -> Baseline:
        fitted = {name: one.fit(series) if one.fit else one for name, (_, one) in parts.items()}
        return _mean({name: (share, fitted[name]) for name, (share, _) in parts.items()})

    note = ", ".join(f"{share:.0%} {name}" for name, (share, _) in parts.items())
    return Baseline(forecast, note, fit, forecasts_rest=True)
