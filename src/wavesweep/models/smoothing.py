"""Exponential smoothing: a level, a damped trend and a season, all additive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from wavesweep.data.parts import spread_evenly
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.remembered import remembered

LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
# The share of the values' slope that a trend begins with, how fast it follows, what a step leaves of it: none, half
# of it (theta) and all of it for ever (a drift), and trends that follow.
TRENDS = ((0, 0, 1), (0.5, 0, 1), (1, 0, 1), (1, 0.05, 1), (0, 0.05, 0.98), (0, 0.2, 0.9), (0, 0.5, 0.8))
SEASONALS = (0.0, 0.05, 0.15, 0.3, 0.6, 1.0)
USUAL_SEASONAL = 0.1
MOST_SERIES, FEWEST_WINDOWS = 256, 16  # windows of all channels, of the training part and of validation each
CYCLES, FEWEST_VALUES = 4, 32  # that it looks at


@dataclass(frozen=True)
class Smoothing:
    """How a level, a trend and a season follow the last values.

    Attributes:
        level: How fast the level follows an error.
        slope: The share of the values' own slope that the trend begins with.
        trend: How fast the trend follows, relative to the level.
        damping: What a step leaves of the trend.
        seasonal: How fast the season follows.
        season: Steps of it; 1: none.
        span: How many of the last values it looks at, at least a season.
    """

    level: float
    slope: float
    trend: float
    damping: float
    seasonal: float
    season: int
    span: int

    def __str__(self) -> str:
        """Return it in words."""
        season = f", season {self.season} by {self.seasonal:g}" if self.season > 1 else ""
        return f"level {self.level:g}, trend {self.trend:g}, damping {self.damping:g}{season}"

    def forecast(self, context: np.ndarray, horizon: int) -> np.ndarray:
        """Forecast from contexts, (window, context, channel), so many steps, (window, horizon, channel)."""
        seen = context[:, -self.span :]
        steps = smooth(seen, horizon, [self], begin(seen, [self]))
        return np.stack([step[0] for step in steps], axis=1)

    def path(self, horizon: int) -> np.ndarray:
        """Return what it is of the last values, the earliest first, since it is linear in them: (step, value)."""
        return self.forecast(np.eye(self.span)[..., None], horizon)[..., 0].T


@dataclass
class State:
    """Where smoothing stands, by several candidates: each an array of (candidate, window, channel).

    Attributes:
        level: Of the series without its season.
        slope: What a step adds to it.
        season: What each step of the season adds, the next one first, (season, candidate, window, channel).
    """

    level: np.ndarray
    slope: np.ndarray
    season: np.ndarray


@remembered
def choose_smoothing(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> Smoothing:
    """Return the smoothing that forecasts training and validation windows best, the same of all channels.

    It has nothing to fit, so that the training part tells which is best too: validation alone, where it is short, likes
    what happens to follow its trend.

    Args:
        train: Series of the training part, each (time, channel), scaled; lengths may differ.
        val: Windows of the validation part, scaled.
        seasons: As `find_seasons` gives them.

    Source:
        Hyndman, Koehler, Ord & Snyder (2008), Forecasting with exponential smoothing: ETS(A,Ad,A). Without trend and
        season it is simple exponential smoothing, with half of a line's slope theta: Hyndman & Billah (2003). Over all
        windows and candidates at once: libraries fit one series at a time, anew at each of thousands of origins, which
        takes longer than a network's training.
    """
    context, horizon = val.context.shape[1], val.truth.shape[1]
    span = max(CYCLES * max(seasons, default=1), FEWEST_VALUES)
    span = max(1, min(span, context, (max(map(len, train)) - horizon) // 2))
    windows = _windows(train, val, span)
    found = []
    for season in (1, *(one for one in seasons if 2 * one <= span)):
        grid = [Smoothing(level, *trend, USUAL_SEASONAL, season, span) for level, trend in product(LEVELS, TRENDS)]
        best, error = _best(grid, windows)
        if season > 1:
            best, error = _best([replace(best, seasonal=seasonal) for seasonal in SEASONALS], windows)
        found.append((error, season, best))
    return min(found, key=lambda one: one[:2])[2]


def smoothing(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> Baseline:
    """Return the exponential smoothing that is chosen: see `choose_smoothing`."""
    return as_baseline(choose_smoothing(train, val, seasons))


def as_baseline(chosen: Smoothing) -> Baseline:
    """Return smoothing as a baseline; it is not fitted."""
    return Baseline(chosen.forecast, str(chosen), forecasts_rest=True)


def _windows(train: Sequence[np.ndarray], val: Windows, span: int) -> Windows:
    """Return windows of the training part, evenly spread, and of validation, each after so many values."""
    horizon, num_channels = val.truth.shape[1:]
    most = max(MOST_SERIES // num_channels, FEWEST_WINDOWS)
    val = val.thinned(most)
    ends = np.cumsum([max(len(one) - span - horizon + 1, 0) for one in train])
    chosen = spread_evenly(ends[-1], most) if ends[-1] else np.array([], int)
    numbers = np.searchsorted(ends, chosen, side="right")
    firsts = chosen - np.append(0, ends)[numbers]
    places = zip(numbers, firsts, strict=True)
    windows = [train[number][first : first + span + horizon] for number, first in places]
    return Windows(
        np.stack([*(one[:span] for one in windows), *val.context[:, -span:]]),
        np.stack([*(one[span:] for one in windows), *val.truth]),
        val.targets,
        np.stack([*np.ones((len(windows), horizon, num_channels), bool), *val.observed]),
    )


def _best(candidates: Sequence[Smoothing], windows: Windows) -> tuple[Smoothing, float]:
    """Return the candidate of one season whose mean squared error of the targets is least, and that error."""
    ahead = smooth(windows.context, windows.truth.shape[1], candidates, begin(windows.context, candidates))
    steps = zip(ahead, windows.truth.swapaxes(0, 1), windows.observed.swapaxes(0, 1), strict=True)
    errors = np.zeros(len(candidates))
    for step, true, seen in steps:
        errors += (np.square(step - true) * seen)[..., windows.targets].sum(axis=(1, 2))
    errors /= max(windows.observed[..., windows.targets].sum(), 1)
    return candidates[int(errors.argmin())], float(errors.min())


def begin(context: np.ndarray, candidates: Sequence[Smoothing]) -> State:
    """Return the states before a context: a line through it, and the mean of its whole seasons.

    Args:
        context: (window, context, channel), at least a season.
        candidates: All of one season.
    """
    season, share = candidates[0].season, _each(candidates, "slope")
    steps, cycles = context.shape[1], context.shape[1] // season
    time = np.arange(steps) - (steps - 1) / 2
    slope = np.einsum("wtc,t->wc", context, time) / max(np.square(time).sum(), 1.0)
    folded = context[:, : cycles * season].reshape(len(context), cycles, season, -1)
    shape = (folded - folded.mean(axis=2, keepdims=True)).mean(axis=1).swapaxes(0, 1)  # (season, window, channel)
    shape = shape - slope * (np.arange(season) - (season - 1) / 2)[:, None, None]
    level = context.mean(axis=1) - share * slope * (steps + 1) / 2
    return State(level, share * slope, np.broadcast_to(shape[:, None], (season, *level.shape)).copy())


def smooth(context: np.ndarray, horizon: int, candidates: Sequence[Smoothing], state: State) -> Iterator[np.ndarray]:
    """Go through a context, then yield each step ahead, (candidate, window, channel).

    Args:
        context: (window, context, channel).
        horizon: Steps.
        candidates: How level, trend and season follow.
        state: Before the context; its season is changed.
    """
    follow, turn, damping, renew = (_each(candidates, key) for key in ("level", "trend", "damping", "seasonal"))
    level, slope, season = state.level, state.slope, state.season
    for step in range(context.shape[1] + horizon):
        slope = slope * damping
        level = level + slope
        phase = season[step % len(season)]
        if step >= context.shape[1]:
            yield level + phase
            continue
        error = context[:, step] - level - phase
        level = level + follow * error
        slope = slope + follow * turn * error
        if len(season) > 1:  # else it would be a second level
            phase += renew * error


def _each(candidates: Sequence[Smoothing], key: str) -> np.ndarray:
    """Return a value of each candidate, to broadcast to (candidate, window, channel)."""
    return np.array([getattr(one, key) for one in candidates], float)[:, None, None]
