"""The interval of a comparison covers what is true, however few the windows are."""

import math

import numpy as np
import pytest

from wavesweep.evaluation.comparison import compare, is_beyond_noise

TRUE = 1 - 0.9 / 1.0244  # of the errors below


def errors(windows: int, horizon: int, seed: int, memory: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return squared errors of two forecasts that err alike, averaged over horizons that overlap."""
    draws = np.random.default_rng(seed).normal(size=(2, windows + horizon + 99))
    for step in range(1, draws.shape[1]):
        draws[:, step] = memory * draws[:, step - 1] + math.sqrt(1 - memory**2) * draws[:, step]
    shared, own = draws[:, 100:]
    each = np.square(0.9 * shared + 0.3 * own), np.square(0.8 * shared + 0.62 * own)
    mine, others = (np.lib.stride_tricks.sliding_window_view(one, horizon).mean(axis=1) for one in each)
    return mine, others


def interval(mine: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Return the interval of a comparison that has one, of horizons of 10 steps."""
    found = compare(mine, others, 10)[1]
    assert found is not None
    return found


@pytest.mark.parametrize(("windows", "horizon"), [(30, 10), (300, 24)])
@pytest.mark.parametrize("memory", [0.0, 0.7])
def test_it_covers_the_truth_in_19_of_20_cases(windows: int, horizon: int, memory: float) -> None:
    cases = [compare(*errors(windows, horizon, seed, memory), horizon)[1] for seed in range(200)]
    covered = np.mean([case is not None and case[0] <= TRUE <= case[1] for case in cases])
    assert covered > 0.9


def test_an_interval_around_0_tells_no_difference() -> None:
    mine, others = errors(300, 10, seed=0)
    (low, high), (other_low, other_high) = interval(mine, 3 * others), interval(3 * others, mine)
    assert 0 < low < high < 1
    assert other_low < other_high < 0
    np.testing.assert_allclose([1 - low, 1 - high], [1 / (1 - other_high), 1 / (1 - other_low)], rtol=0.05)
    assert compare(mine, mine, 10) == (0, (0, 0))


def test_the_unit_of_errors_does_not_matter() -> None:
    mine, others = errors(60, 10, seed=1)
    assert compare(mine, others, 10)[0] == pytest.approx(1 - mine.mean() / others.mean())
    assert interval(mine, others) == pytest.approx(interval(1e-9 * mine, 1e-9 * others))


@pytest.mark.parametrize("windows", [1, 2, 19])
def test_few_windows_tell_no_interval(windows: int) -> None:
    mine, others = errors(windows, 10, seed=0)
    assert compare(mine, others, 10) == (1 - mine.mean() / others.mean(), None)


def test_what_exploded_or_was_exact_can_be_compared() -> None:
    fine, exploded, exact = np.ones(50), np.full(50, np.inf), np.zeros(50)
    assert compare(exploded, fine, 1) == (-math.inf, None)
    assert compare(fine, exploded, 1)[0] == 1
    assert compare(fine, exact, 1) == (-math.inf, None)
    assert compare(exact, fine, 1) == (1, None)


@pytest.mark.parametrize("gain", [-1.1, 0.0, 0.9, 1.1])
@pytest.mark.parametrize("horizon", [1, 10])
def test_noise_ends_with_the_interval_that_a_tenth_lies_beyond_on_each_side(gain: float, horizon: int) -> None:
    mine, others = errors(300, horizon, seed=2)
    found, bounds = compare(mine, others, horizon, 0.8)
    assert bounds is not None
    ratio, highest = 1 - found, 1 - bounds[0]
    shifted = others * ratio * (highest / ratio) ** gain
    assert is_beyond_noise(mine, shifted, horizon) == (gain > 1)


@pytest.mark.parametrize(("windows", "better"), [(25, 0.12), (300, 0.6)])
def test_of_equal_forecasts_a_tenth_lies_beyond_noise_and_of_better_ones_more(windows: int, better: float) -> None:
    """However many there are: a standard error would let 5% through of few, 16% of many."""
    equal, gained = [], []
    for seed in range(500):
        shared, *own = np.random.default_rng(seed).normal(size=(3, windows + 9))
        each = np.lib.stride_tricks.sliding_window_view([0.8 * shared + 0.6 * one for one in own], 10, axis=1)
        mine, others = np.square(each).mean(axis=2)
        equal.append(is_beyond_noise(mine, others, 10))
        gained.append(is_beyond_noise(0.8 * mine, others, 10))
    assert 0.07 < np.mean(equal) < 0.13
    assert np.mean(gained) > better


def test_without_an_interval_nothing_lies_beyond_noise() -> None:
    mine, others = errors(300, 10, seed=0)
    assert is_beyond_noise(0.1 * mine, others, 10)
    assert not is_beyond_noise(0.1 * mine[:19], others[:19], 10)
    assert not is_beyond_noise(np.zeros(300), others, 10)
    assert not is_beyond_noise(mine, mine, 10)
    assert not is_beyond_noise(np.full(300, np.nan), others, 10)
