"""Quantiles that validation data tell: by hand, by how much lies below them, and around what a network knows."""

import numpy as np
import pandas as pd
import pytest
from utilsforecast.losses import quantile_loss

from wavesweep.evaluation.quantiles import quantile_losses, quantile_offsets, quantiles_of

STEPS, CHANNELS = 4, 2
LEVELS = (0.05, 0.5, 0.8, 0.95)
ALL = np.full(CHANNELS, -np.inf)


def drawn(number: int, seed: int = 0) -> np.ndarray:
    """Return skewed values, (window, horizon, channel)."""
    return np.random.default_rng(seed).exponential(size=(number, STEPS, CHANNELS)) * [1.0, 50.0]


def offsets(base: np.ndarray, truth: np.ndarray, stride: int = 0, levels: tuple[float, ...] = LEVELS) -> np.ndarray:
    every = np.broadcast_to(base, (len(levels), *truth.shape))
    return quantile_offsets(every, truth, every[levels.index(0.5)], np.full(truth.shape, True), levels, stride)


def test_they_are_ranks_by_hand() -> None:
    """Of 30: the first, since 31 · 0.05 = 1.55 is rounded down, the 25th and the last; the median is the forecast."""
    truth = drawn(30)
    found, ranked = offsets(np.ones(CHANNELS), truth), np.sort(truth - 1, axis=0)
    np.testing.assert_allclose(found, [ranked[0], 0 * ranked[0], ranked[24], ranked[29]])


def test_as_much_lies_below_as_their_levels_say() -> None:
    below = np.zeros(4)
    for seed in range(400):
        truth = drawn(41, seed)
        found = quantiles_of(np.zeros((4, STEPS, CHANNELS)), offsets(np.zeros(CHANNELS), truth[1:]), np.ones(2), ALL)
        below += (truth[0] <= found).mean(axis=(1, 2)) / 400
    np.testing.assert_allclose(below[[0, 2, 3]], [0.05, 0.8, 0.95], atol=0.03)


def test_what_a_network_knows_is_kept_and_only_moved() -> None:
    """Of values whose spread differs from window to window, which the network knows but for a factor."""
    draws = np.random.default_rng(0)
    size = draws.choice([0.1, 10.0], (2000, 1, 1))
    truth = size * draws.normal(size=(2000, STEPS, CHANNELS))
    base = np.array([-1.5, 0, 0.8, 1.5])[:, None, None, None] * size + 0 * truth
    found = quantiles_of(base, offsets(base, truth), np.ones(2), ALL)
    assert (np.diff(found, axis=0) >= 0).all()
    np.testing.assert_allclose((truth <= found).mean(axis=(1, 2, 3))[[0, 2, 3]], [0.05, 0.8, 0.95], atol=0.01)
    narrow = found[3, size[:, 0, 0] < 1].mean() - found[0, size[:, 0, 0] < 1].mean()
    assert narrow < 0.5 * (found[3] - found[0]).mean()


def test_overlapping_windows_put_them_further_off() -> None:
    truth = drawn(40)
    apart, overlapping = (offsets(np.ones(CHANNELS), truth, stride) for stride in (0, 1))
    np.testing.assert_array_equal(apart[:, 0], overlapping[:, 0])
    assert (np.abs(overlapping[[0, 2, 3], 1:]) > np.abs(apart[[0, 2, 3], 1:])).all()


def test_windows_that_are_too_few_tell_nothing() -> None:
    assert np.isnan(offsets(np.ones(2), drawn(18))).all(axis=(1, 2)).tolist() == [True, False, False, True]
    assert not np.isnan(offsets(np.ones(2), drawn(19))).any()


def test_what_was_not_observed_tells_nothing() -> None:
    truth, seen = drawn(60), np.full((60, STEPS, CHANNELS), True)
    seen[30:] = False
    changed, base = np.where(seen, truth, 1e9), np.ones((4, *truth.shape))
    found = quantile_offsets(base, changed, base[1], seen, LEVELS, 0)
    np.testing.assert_allclose(found, offsets(np.ones(2), truth[:30]))


def test_none_lies_below_one_of_a_lower_level_nor_below_the_floor() -> None:
    base, moved = np.zeros((4, 3, 1, 1)), np.array([-2.0, 0, np.nan, -1])[:, None, None]
    found = quantiles_of(base, moved, np.ones((3, 1, 1)) * 2, np.array([-3.0]))
    assert found[[0, 1, 3], 0, 0, 0].tolist() == [-3, 0, 0]
    assert np.isnan(found[2]).all()


def test_losses_are_those_of_utilsforecast() -> None:
    truth, quantiles = drawn(30), np.sort(drawn(120, 1).reshape(4, 30, STEPS, CHANNELS), axis=0)
    table = pd.DataFrame({"unique_id": 0, "y": truth.ravel(), **{str(n): quantiles[n].ravel() for n in range(4)}})
    each = [quantile_loss(table, {"m": str(n)}, q=level)["m"].item() for n, level in enumerate(LEVELS)]
    assert quantile_losses(quantiles, truth, LEVELS).mean() == pytest.approx(2 * np.mean(each))
    quantiles[0] = np.nan
    assert quantile_losses(quantiles, truth, LEVELS).mean() == pytest.approx(2 * np.mean(each[1:]))
