"""Means, intervals and paired comparisons."""

import math
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from hydra_queue_sweeper.search.estimates import Estimate, estimate, mean, paired, with_the_wider

ERRORS = [1e-7, 3e-6, 2e-4]


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_mean_is_the_same_in_whatever_order_and_of_one_value_that_value(logarithmic: bool) -> None:
    assert len({mean(list(some), logarithmic=logarithmic) for some in permutations([*ERRORS, 0.1])}) == 1
    assert mean([0.1], logarithmic=logarithmic) == 0.1
    assert mean([1.0, 100.0], logarithmic=logarithmic) == pytest.approx(10 if logarithmic else 50.5)


@pytest.mark.parametrize("logarithmic", [True, False])
def test_an_interval_is_students(logarithmic: bool) -> None:
    scaled = np.log(ERRORS) if logarithmic else np.array(ERRORS)
    low, high = stats.t.interval(0.95, len(scaled) - 1, scaled.mean(), stats.sem(scaled))
    expected = (math.exp(low), math.exp(high)) if logarithmic else (low, high)
    found = estimate(ERRORS, logarithmic=logarithmic)
    assert found[1:] == pytest.approx(expected)
    assert (found.low > 0) == logarithmic  # type: ignore[operator]


def test_one_value_tells_nothing_of_how_sure_it_is() -> None:
    assert estimate([0.3], logarithmic=True) == (0.3, None, None)


def test_an_interval_covers_the_true_mean_of_errors_that_span_decades_in_95_of_100_cases() -> None:
    draws = np.exp(2 * np.random.default_rng(0).standard_normal((2000, 5)))
    found = [estimate(list(values), logarithmic=True) for values in draws]
    covered = [one.low < 1 < one.high for one in found if one.low is not None and one.high is not None]
    assert 0.935 < np.mean(covered) < 0.965


def test_seeds_that_are_hard_for_all_cancel_in_pairs() -> None:
    hard = {"0": 1e-7, "1": 5e-3, "2": 2.0}
    twice = {seed: 2 * value for seed, value in hard.items()}
    ratio = paired(twice, hard, logarithmic=True)
    assert ratio is not None
    assert ratio == pytest.approx((2, 2, 2))
    apart = paired({seed: value + 3 for seed, value in hard.items()}, hard, logarithmic=False)
    assert apart is not None
    assert apart == pytest.approx((3, 3, 3))


def test_pairs_are_of_common_seeds() -> None:
    ratio = paired({"0": 2.0, "1": 8.0, "7": 1e9}, {"0": 1.0, "1": 1.0, "3": 1e-9}, logarithmic=True)
    assert ratio is not None
    assert ratio.value == pytest.approx(4)
    assert paired({"0": 1.0}, {"1": 1.0}, logarithmic=True) is None


def test_ratios_beyond_all_numbers_end_nothing() -> None:
    tiny, huge = {"0": 1e-300, "1": 1e-290}, {"0": 1e300, "1": 1e290}
    low, high = paired(tiny, huge, logarithmic=True), paired(huge, tiny, logarithmic=True)
    assert low is not None
    assert high is not None
    assert (low.value, high.value) == (0, math.inf)


def test_of_two_intervals_of_a_ratio_the_wider_is_that_of_the_larger_quotient() -> None:
    ratio, quotient_of_ten = Estimate(2.0, 1.0, 3.0), Estimate(2.0, 0.5, 5.0)
    of_two, of_six = Estimate(2.0, 1e3, 2e3), Estimate(2.0, 0.5, 3.0)
    assert with_the_wider(ratio, None) == ratio
    assert with_the_wider(ratio, of_two) == ratio, "though its ends lie further apart"
    assert with_the_wider(ratio, of_six) == of_six
    assert with_the_wider(of_six, quotient_of_ten) == quotient_of_ten
    assert with_the_wider(Estimate(2.0), Estimate(2.0, 2.0, 2.0)) == (2, 2, 2), "where one is not known"
    everything = Estimate(2.0, 0.0, math.inf)
    assert with_the_wider(everything, ratio) == everything
    assert with_the_wider(ratio, everything) == everything
