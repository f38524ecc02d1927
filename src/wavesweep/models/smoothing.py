"""Exponential smoothing: a level, a damped trend and a season, all additive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from wavesweep.models.baseline import Baseline, Windows

LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
# The share of the context's slope that a trend begins with, how fast it follows, what a step leaves of it: none, half
# of it (theta) and all of it for ever (a drift), and trends that follow.
TRENDS = ((0, 0, 1), (0.5, 0, 1), (1, 0, 1), (1, 0.05, 1), (0, 0.05, 0.98), (0, 0.2, 0.9), (0, 0.5, 0.8))
SEASONALS = (0.0, 0.05, 0.15, 0.3, 0.6, 1.0)
USUAL_SEASONAL = 0.1
MOST_SERIES = 512


@dataclass
class State:
    """Where smoothing stands, each an array of (…, window, channel).

    Attributes:
        level: Of the series without its season.
        slope: What a step adds to it.
        season: What each step of the season adds, the next one first, (season, …, window, channel).
    """

    level: np.ndarray
    slope: np.ndarray
    season: np.ndarray


def smoothing(val: Windows, seasons: Sequence[int]) -> Baseline:
    """Return the exponential smoothing that does best on validation, parameters for each channel.

    Its own recursion, over all windows and candidates at once: libraries fit one series at a time, anew at each of
    thousands of origins, which takes longer than a network's training.

    Source:
        Hyndman, Koehler, Ord & Snyder (2008), Forecasting with exponential smoothing: ETS(A,Ad,A). Without trend and
        season it is simple exponential smoothing, with half of a line's slope theta: Hyndman & Billah (2003).
    """
    val = val.thinned(max(MOST_SERIES // val.truth.shape[2], 32))
    grid = np.array([(level, *trend, USUAL_SEASONAL) for level, trend in product(LEVELS, TRENDS)], float)
    found = []
    for season in (1, *(one for one in seasons if 2 * one <= val.context.shape[1])):
        parameters, errors = _best(grid[:, None], val, season)  # (channel, parameter), (channel,)
        if season > 1:
            further = np.repeat(parameters[None], len(SEASONALS), axis=0)
            further[..., -1] = np.array(SEASONALS)[:, None]
            parameters, errors = _best(further, val, season)
        found.append((float(errors[val.targets].mean()), season, parameters))
    _, season, parameters = min(found, key=lambda one: one[0])

    def forecast(context: np.ndarray, horizon: int) -> np.ndarray:
        by = parameters.T[:, None]  # (parameter, window, channel)
        return np.stack(list(smooth(context, horizon, by, begin(context, season, by[1]))), axis=1)

    return Baseline(forecast, _describe(parameters, season))


def _describe(parameters: np.ndarray, season: int) -> str:
    level, _, trend, damping, seasonal = (", ".join(f"{one:g}" for one in dict.fromkeys(row)) for row in parameters.T)
    return f"level {level}, trend {trend}, damping {damping}" + f", season {season} by {seasonal}" * (season > 1)


def _best(candidates: np.ndarray, val: Windows, season: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each channel's parameters of the least error, (channel, parameter), and that error, (channel,).

    Args:
        candidates: (candidate, channel, parameter), or of one channel for all.
    """
    horizon, num_channels = val.truth.shape[1:]
    by = candidates.transpose(2, 0, 1)[:, :, None]  # (parameter, candidate, window, channel)
    ahead = smooth(val.context, horizon, by, begin(val.context, season, by[1]))
    share = np.maximum(val.observed.mean(axis=(0, 1)), np.finfo(float).tiny)
    steps = zip(ahead, val.truth.swapaxes(0, 1), (val.observed / share).swapaxes(0, 1), strict=True)
    errors = sum((np.square(step - true) * weight).mean(axis=1) for step, true, weight in steps) / horizon
    winner, channel = errors.argmin(axis=0), np.arange(num_channels)
    every = np.broadcast_to(candidates, (len(candidates), num_channels, candidates.shape[2]))
    return every[winner, channel], errors[winner, channel]


def begin(context: np.ndarray, season: int, share: np.ndarray) -> State:
    """Return the state before a context: a line through it, and the mean of its whole seasons.

    Args:
        context: (window, context, channel), at least a season.
        season: Steps; 1: none.
        share: Of the line's slope to take, to broadcast to (…, window, channel).
    """
    steps, cycles = context.shape[1], context.shape[1] // season
    time = np.arange(steps) - (steps - 1) / 2
    slope = np.einsum("wtc,t->wc", context, time) / max(np.square(time).sum(), 1.0)
    folded = context[:, : cycles * season].reshape(len(context), cycles, season, -1)
    shape = (folded - folded.mean(axis=2, keepdims=True)).mean(axis=1).swapaxes(0, 1)  # (season, window, channel)
    shape = shape - slope * (np.arange(season) - (season - 1) / 2)[:, None, None]
    level = context.mean(axis=1) - share * slope * (steps + 1) / 2
    shape = shape.reshape(season, *(1,) * (level.ndim - 2), *shape.shape[1:])
    return State(level, share * slope, np.broadcast_to(shape, (season, *level.shape)).copy())


def smooth(context: np.ndarray, horizon: int, parameters: np.ndarray, state: State) -> Iterator[np.ndarray]:
    """Go through a context, then yield each step ahead, (…, window, channel).

    Args:
        context: (window, context, channel).
        horizon: Steps.
        parameters: How fast the level follows, a share that counts no more, how fast the trend does relative to the
            level, what a step leaves of it, how fast the season does; each to broadcast to (…, window, channel).
        state: Before the context; its season is changed.
    """
    follow, _, turn, damping, renew = parameters
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
