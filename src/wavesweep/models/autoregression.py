"""Linear autoregression: which past values it looks at, chosen by validation, and its fit by least squares."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.remembered import remembered

ORDERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
AROUND_SEASONS = (1, 2, 3, 4, 6, 8, 12, 16)  # orders beside which the same lags a season or two ago are tried
JOINT_ORDERS = (1, 2, 3, 4, 6, 8)
LONGEST = 336
MOST_ROWS = 20_000
MOST_CHANNELS = 8  # that choose, and that are unrolled at once


@dataclass(frozen=True)
class Lags:
    """What an autoregression looks at.

    Attributes:
        lags: Steps back, ascending from 1.
        centred: Whether on values, and for a forecast, relative to the last ones.
        joint: Whether at the past of all channels for each; else at its own.
    """

    lags: tuple[int, ...]
    centred: bool = False
    joint: bool = False

    def __str__(self) -> str:
        """Return them in words."""
        first = [str(lag) for lag in self.lags if lag - 1 not in self.lags]
        last = [str(lag) for lag in self.lags if lag + 1 not in self.lags]
        ranges = ", ".join("-".join(dict.fromkeys(pair)) for pair in zip(first, last, strict=True))
        words = [f"lags {ranges}"]
        if self.centred:
            words.append("centred")
        if self.joint:
            words.append("of all channels")
        return ", ".join(words)


def linear(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> Baseline:
    """Return the autoregression that does best on validation; see `choose_lags`."""
    return fit_autoregression(train, choose_lags(train, val, seasons))


def fit_autoregression(train: Sequence[np.ndarray], lags: Lags) -> Baseline:
    """Return the autoregression that looks at given lags, fitted to series, each (time, channel)."""
    weights = fit_weights(train, lags, MOST_ROWS)
    return Baseline(
        lambda context, horizon: forecast(weights, lags, context, horizon),
        str(lags),
        lambda series: fit_autoregression(series, lags),
        forecasts_rest=True,
    )


@remembered
def choose_lags(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> Lags:
    """Choose by the closed-loop error on validation what an autoregression looks at.

    Args:
        train: Series of the training part, each (time, channel), scaled; lengths may differ.
        val: Windows of the validation part, scaled.
        seasons: As `find_seasons` gives them.
    """
    horizon, num_channels = val.truth.shape[1:]
    jointly = 1 < num_channels <= MOST_CHANNELS
    train, val = some_channels(train, val)
    candidates = fitted(train, val.context.shape[1], seasons, jointly)
    return min(candidates, key=lambda one: val.error(forecast(one[1], one[0], val.context, horizon)))[0]


def some_channels(train: Sequence[np.ndarray], val: Windows) -> tuple[Sequence[np.ndarray], Windows]:
    """Return the channels that choose: all, or some of the targets where there are many."""
    num_channels = val.truth.shape[2]
    if num_channels <= MOST_CHANNELS:
        return train, val
    targets = np.arange(num_channels)[val.targets]
    some = targets[np.linspace(0, len(targets) - 1, min(len(targets), MOST_CHANNELS)).astype(int)]
    chosen = Windows(val.context[..., some], val.truth[..., some], observed=val.observed[..., some])
    return [values[:, some] for values in train], chosen


def fit_weights(train: Sequence[np.ndarray], lags: Lags, most_rows: int | None = None) -> np.ndarray:
    """Fit by least squares; the solution of least norm where several fit equally well.

    Args:
        train: Series, each (time, channel).
        lags: What to look at, less than the steps of the longest series.
        most_rows: About so many steps are fitted, drawn at random; null: all.

    Returns:
        (group, channel, lag · channel + 1), the constant last: a group is a channel, or all of them if `joint`.

    Source:
        Covariance method of linear prediction, Makhoul (1975); least norm keeps the superfluous roots inside the unit
        circle, Kumaresan & Tufts (1982).
    """
    triangles = _triangles(train, lags.lags, lags.joint, most_rows)
    return _solve(triangles, range(len(lags.lags)), lags, train[0].shape[1] if lags.joint else 1)


def forecast(weights: np.ndarray, lags: Lags, context: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast in closed loop, (window, horizon, channel); inf or nan where it explodes.

    Args:
        weights: As `fit_weights` gives them.
        lags: What they belong to.
        context: (window, context, channel), at least the longest lag.
        horizon: Steps.
    """
    groups, size, _ = weights.shape
    past = by_group(context[:, -lags.lags[-1] :], lags.joint).reshape(groups, len(context), -1)
    values = np.empty((groups, len(context), horizon * size))
    with np.errstate(over="ignore", invalid="ignore"):
        for some in (slice(first, first + MOST_CHANNELS) for first in range(0, groups, MOST_CHANNELS)):
            ahead = unrolled(weights[some], lags.lags, horizon)
            values[some] = past[some] @ ahead[..., :-1].swapaxes(1, 2) + ahead[:, None, :, -1]
    return values.reshape(groups, len(context), horizon, size).transpose(1, 2, 0, 3).reshape(len(context), horizon, -1)


def fitted(
    train: Sequence[np.ndarray], context: int, seasons: Sequence[int], jointly: bool
) -> Iterator[tuple[Lags, np.ndarray]]:
    """Fit all autoregressions that a context allows, if wanted also those of all channels; yield them with weights."""
    shortest = min(len(values) for values in train)
    longest = max(1, min(context, (shortest - 1) // 2, max([LONGEST, *(2 * season for season in seasons)])))
    rows, num_channels = sum(len(values) - longest for values in train), train[0].shape[1]
    for joint in (False, True)[: 1 + jointly]:
        sets = _joint_lags(longest, rows // num_channels) if joint else _own_lags(longest, seasons)
        every = sorted({1}.union(*sets))
        triangles = _triangles(train, every, joint, max(MOST_ROWS // (2 * num_channels), 10 * len(every)))
        for lags in (Lags(one, centred, joint) for one in sets for centred in (False, True)):
            yield lags, _solve(triangles, np.searchsorted(every, lags.lags), lags, num_channels if joint else 1)


def _own_lags(longest: int, seasons: Sequence[int]) -> list[tuple[int, ...]]:
    """Return sets of lags: the last ones, also with those around a season or two ago, of the first or all seasons."""
    sets = {tuple(range(1, order + 1)) for order in ORDERS if order <= longest}
    for number, cycles, order in product(range(1, len(seasons) + 1), (1, 2), AROUND_SEASONS):
        ago = [cycle * season for season in seasons[:number] for cycle in range(1, cycles + 1)]
        lags = {*range(1, order + 1), *(one + around for one in ago for around in range(-1, order + 1))} - {0}
        sets.add(tuple(sorted(lags)))
    return sorted(lags for lags in sets if lags[-1] <= longest)


def _joint_lags(longest: int, most: int) -> list[tuple[int, ...]]:
    return [tuple(range(1, order + 1)) for order in JOINT_ORDERS if order <= min(longest, most // 2)]


def _triangles(train: Sequence[np.ndarray], lags: Sequence[int], joint: bool, most_rows: int | None) -> np.ndarray:
    """Return the triangular factor of each group's design, from which every set of its lags can be fitted.

    Returns:
        (group, row, lag · channel + 1 + channel): values at the lags, the constant, the targets.
    """
    first = lags[-1]
    times = [np.arange(first, len(values)) for values in train]
    share = min(1.0, (most_rows or np.inf) / max(sum(map(len, times)), 1))
    draws = np.random.default_rng(0)  # at random, since even steps could all fall on the same phase of a season
    if share < 1:
        times = [np.sort(draws.choice(one, math.ceil(share * len(one)), replace=False)) for one in times]
    back = np.array([*lags, 0])
    taken = np.concatenate([values[one[:, None] - back] for values, one in zip(train, times, strict=True)])
    grouped = by_group(taken, joint)  # (group, row, lag, channel)
    inputs = grouped[:, :, :-1].reshape(*grouped.shape[:2], -1)
    design = np.concatenate([inputs, np.ones_like(inputs[..., :1]), grouped[:, :, -1]], axis=2)
    return np.asarray(np.linalg.qr(design, mode="r"))


def _solve(triangles: np.ndarray, places: Sequence[int] | np.ndarray, lags: Lags, size: int) -> np.ndarray:
    """Return the weights of those of a design's lags that stand at the places given; see `fit_weights`.

    A centred fit is that of differences to the last value, of which the constant and the weights that remain are taken.
    """
    weights = []
    for triangle in triangles:
        inputs, constant, target = np.split(triangle, [-1 - size, -size], axis=1)
        inputs = inputs.reshape(len(triangle), -1, size)[:, places]
        if lags.centred:
            last = inputs[:, 0]
            inputs, target = inputs[:, 1:] - last[:, None], target - last
        design = np.concatenate([inputs.reshape(len(triangle), -1), constant], axis=1)
        solution = np.linalg.lstsq(design, target, rcond=None)[0]
        if lags.centred:
            rest = solution[:-1].reshape(-1, size, size).sum(axis=0)
            solution = np.concatenate([np.eye(size) - rest, solution])
        weights.append(solution.T)
    return np.stack(weights)


def by_group(values: np.ndarray, joint: bool) -> np.ndarray:
    """Return (row, lag, channel) as (group, row, lag, channel of the group)."""
    return values[None] if joint else values.transpose(2, 0, 1)[..., None]


def unrolled(weights: np.ndarray, lags: Sequence[int], horizon: int) -> np.ndarray:
    """Return the closed loop as a linear function of the last values.

    Returns:
        (group, horizon · channel, value + 1): each step ahead by the last values, as many as the longest lag, and by 1.
    """
    (groups, size, _), longest, back = weights.shape, lags[-1], np.array(lags)
    state = np.zeros((groups, longest + horizon, size, longest * size + 1))
    state[:, :longest, :, :-1] = np.eye(longest * size).reshape(longest, size, -1)
    if groups == size == 1:
        _unroll_alone(weights[0, 0], back, state[0, :, 0])
        return state[0, longest:].reshape(1, horizon, -1)
    for step in range(longest, longest + horizon):
        past = state[:, step - back].reshape(groups, len(lags) * size, -1)
        state[:, step] = weights[..., :-1] @ past
        state[:, step, :, -1] += weights[..., -1]
    return state[:, longest:].reshape(groups, horizon * size, -1)


def _unroll_alone(weights: np.ndarray, back: np.ndarray, state: np.ndarray) -> None:
    """Do the same for a single channel, in half the time: (step, value + 1), of which the last values are there."""
    of_past, constant = np.ascontiguousarray(weights[:-1]), weights[-1]
    past = np.empty((len(back), state.shape[1]))
    for step in range(back[-1], len(state)):
        state.take(step - back, axis=0, out=past, mode="clip")  # into `past` itself, which other modes copy
        np.dot(of_past, past, out=state[step])
        state[step, -1] += constant
