"""Prediction intervals: what they promise, by simulation, and their scores against an oracle."""

import numpy as np
import pandas as pd
import pytest
from utilsforecast.losses import coverage, quantile_loss

from wavesweep.evaluation.intervals import (
    fewest_windows,
    half_widths,
    independent_windows,
    interval_scores,
    lowest_by_chance,
    own_half_widths,
    reach,
)

STEPS, CHANNELS = 7, 3


def errors(number: int, seed: int = 0) -> np.ndarray:
    """Return errors that differ in size by step and channel, (window, horizon, channel)."""
    sizes = np.arange(1, STEPS + 1)[:, None] * [1.0, 100.0, 0.01]
    return sizes * np.random.default_rng(seed).standard_t(3, size=(number, STEPS, CHANNELS))


def known_widths(drawn: np.ndarray, share: float = 0.9, stride: int = 0) -> np.ndarray:
    found = half_widths(drawn, np.full(drawn.shape, True), share, stride)
    assert found is not None
    return found


def widths(number: int, share: float = 0.9, stride: int = 0) -> np.ndarray:
    return known_widths(errors(number), share, stride)


@pytest.mark.parametrize(("number", "share"), [(9, 0.9), (25, 0.9), (4, 0.8)])
def test_of_exchangeable_windows_they_cover_what_they_promise(number: int, share: float) -> None:
    """A step ahead, of each channel, and hardly more: by one rank in n + 1. Later steps may cover more."""
    held = np.zeros((STEPS, CHANNELS))
    for seed in range(600):
        drawn = errors(number + 1, seed)
        held += (np.abs(drawn[0]) <= known_widths(drawn[1:], share)) / 600
    assert (held > share - 0.04).all()
    assert (held[0] < share + 1 / (number + 1) + 0.04).all()


@pytest.mark.parametrize("number", [20, 40])
def test_overlapping_windows_of_a_random_walk_are_worth_fewer(number: int) -> None:
    horizon, held = number // 4, {0: 0.0, 1: 0.0}
    for seed in range(300):
        walk = np.random.default_rng(seed).normal(size=4 * number).cumsum()
        ahead = np.arange(number)[:, None] + np.arange(1, horizon + 1)
        moves = (walk[ahead] - walk[:number, None])[..., None]
        later = (walk[ahead + 2 * number] - walk[2 * number : 3 * number, None])[..., None]
        for stride in held:
            held[stride] += (np.abs(later) <= known_widths(moves, stride=stride)).mean() / 300
    assert held[0] < held[1] - 0.01
    assert 0.87 < held[1] < 0.93


def test_they_are_a_rank_by_hand() -> None:
    drawn = errors(30)
    by_hand = np.sort(np.abs(drawn), axis=0)[27]  # the 28th of 30: 31 · 0.9 = 27.9
    np.testing.assert_allclose(widths(30), np.maximum.accumulate(by_hand), rtol=1e-12)
    assert widths(30).shape == (STEPS, CHANNELS)


def test_they_grow_with_coverage_and_the_steps_ahead_and_with_overlap() -> None:
    assert (widths(200, 0.5) < widths(200, 0.8)).all()
    assert (widths(200, 0.8) < widths(200, 0.95)).all()
    assert (np.diff(widths(20), axis=0) >= 0).all()
    first, *later = widths(20, stride=1) / widths(20)
    assert np.allclose(first, 1), "a step ahead, windows share nothing"
    assert (np.diff([first, *later], axis=0) >= 0).all()
    assert (later[-1] > 1.1).all()
    assert np.allclose((widths(20, stride=5) / widths(20))[:5], 1)


def test_they_are_in_the_units_of_the_errors() -> None:
    np.testing.assert_allclose(known_widths(10 * errors(30), stride=1), 10 * widths(30, stride=1))
    swapped = known_widths(-errors(30)[..., [2, 0, 1]], stride=1)
    np.testing.assert_array_equal(swapped, widths(30, stride=1)[:, [2, 0, 1]])


@pytest.mark.parametrize(("number", "share"), [(8, 0.9), (3, 0.8), (998, 0.999)])
def test_too_few_windows_claim_nothing(number: int, share: float) -> None:
    too_few, enough = errors(number), errors(number + 1)
    assert half_widths(too_few, np.full(too_few.shape, True), share, 0) is None
    assert half_widths(enough, np.full(enough.shape, True), share, 0) is not None
    assert fewest_windows(share) == number + 1


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_forecasts_that_explode_claim_nothing(value: float) -> None:
    drawn = errors(30)
    drawn[:2, 3, 1] = value
    assert half_widths(drawn, np.full(drawn.shape, True), 0.9, 1) is not None, "rarer than what may lie outside"
    drawn[:4, 3, 1] = value
    assert half_widths(drawn, np.full(drawn.shape, True), 0.9, 1) is None


def test_windows_that_share_almost_all_their_steps_have_a_width() -> None:
    assert widths(9, stride=1).max() < 3 * widths(9).max()


class TestOfOneSeriesOfAPanel:
    @pytest.mark.parametrize(("number", "size"), [(9, 1.0), (9, 5.0), (40, 0.2), (40, 5.0)])
    def test_they_cover_what_they_promise_whatever_the_size_of_its_errors(self, number: int, size: float) -> None:
        """Beside 20 series that err by 1, whose widths cover half of the large errors, and all of the small ones."""
        held = np.zeros(2)
        for seed in range(200):
            draws = np.random.default_rng(seed).normal(size=(23, number, STEPS, 1))
            every = np.concatenate([*draws[:20], size * draws[20]])
            of_all = known_widths(every)
            mine = own_half_widths(size * draws[20], np.full(draws[20].shape, True), 0.9, 0, of_all)
            assert mine is not None
            assert (np.diff(mine, axis=0) >= 0).all()
            held += [(size * np.abs(draws[21]) <= wide).mean() / 200 for wide in (mine, of_all)]
        assert 0.84 < held[0] < (0.96 if size > 0.5 else 0.99)
        assert abs(held[0] - 0.9) < abs(held[1] - 0.9) or size == 1

    def test_they_are_the_more_its_own_the_more_windows_it_has(self) -> None:
        """Where those of all are ten times as wide; the last steps, whose windows overlap most, the least."""
        away = []
        for number in (10, 40, 1000):
            own, seen = widths(number, stride=1), np.full((number, STEPS, CHANNELS), True)
            mine = own_half_widths(errors(number), seen, 0.9, 1, 10 * own)
            assert mine is not None
            away.append(np.log10(mine / own))
            assert (np.diff(away[-1], axis=0) > 0).all()
        np.testing.assert_allclose([one[0, 0] for one in away], [2 / 12, 2 / 42, 2 / 1002])
        assert (np.diff(away, axis=0) < 0).all()

    def test_too_few_of_its_windows_tell_nothing(self) -> None:
        drawn = errors(8)
        assert own_half_widths(drawn, np.full(drawn.shape, True), 0.9, 1, widths(30)) is None

    def test_where_it_or_all_stand_still_the_others_tell(self) -> None:
        still, of_all = np.zeros((20, STEPS, CHANNELS)), widths(30)
        seen = np.full(still.shape, True)
        np.testing.assert_array_equal(own_half_widths(still, seen, 0.9, 1, of_all), of_all)
        mine = own_half_widths(errors(20), seen, 0.9, 1, np.zeros_like(of_all))
        np.testing.assert_array_equal(mine, widths(20, stride=1))


def test_independent_windows_are_as_many_where_none_overlap() -> None:
    number = np.full((4, 2), 30)
    np.testing.assert_array_equal(independent_windows(number, 0), number)
    np.testing.assert_array_equal(independent_windows(number, 4), number)
    fewer = independent_windows(number, 1)[:, 0]
    np.testing.assert_allclose(fewer, [30, 30 * 6 / 9, 30 * 9 / 19, 30 * 12 / 33])


def test_what_chance_explains_is_seldom_called_more() -> None:
    """Of windows that overlap, in one case of a hundred at most; where errors have doubled, nearly always."""
    horizon, number, called = 6, 120, np.zeros(2)
    worth = independent_windows(np.full((horizon, 1), number), 1)[:, 0]
    lowest = lowest_by_chance(0.9, worth, worth)
    by_hand = 0.9 - 2.33 * np.mean([np.sqrt(0.09 * 2 / n) for n in worth])
    assert lowest == pytest.approx(by_hand)
    for seed in range(300):
        walk = np.random.default_rng(seed).normal(size=2 * number + 20).cumsum()
        ahead = np.arange(number)[:, None] + np.arange(1, horizon + 1)
        moves = (walk[ahead] - walk[:number, None])[..., None]
        later = (walk[number + ahead] - walk[number : 2 * number, None])[..., None]
        half = known_widths(moves, stride=1)
        called += [(np.abs(size * later) <= half).mean() < lowest for size in (1, 2)]
    assert called[0] <= 5
    assert called[1] > 270


class TestReach:
    def test_intervals_end_at_the_least_value_there_may_be(self) -> None:
        ahead, half = np.array([[[0.5, 9.0]], [[4.0, 0.0]]]), np.array([[1.0, 2.0]])  # two windows of a step
        below, above = reach(half, ahead)
        assert (ahead - below).tolist() == [[[0, 7]], [[3, 0]]]
        np.testing.assert_array_equal(above, np.broadcast_to(half, ahead.shape))

    def test_where_all_have_room_they_are_of_all_windows(self) -> None:
        assert reach(widths(30), np.full((5, STEPS, CHANNELS), np.inf)).shape == (2, STEPS, CHANNELS)
        np.testing.assert_array_equal(reach(widths(30), np.full((5, STEPS, CHANNELS), 1e9))[0], widths(30))

    def test_what_is_not_known_is_not_told(self) -> None:
        half = np.array([[1.0], [np.nan]])
        below, above = reach(half, np.array([[[0.5], [0.5]]]))
        np.testing.assert_array_equal(below, [[[0.5], [np.nan]]])
        np.testing.assert_array_equal(above, half[None])


class TestScores:
    def test_each_window_may_have_its_own_width(self) -> None:
        """As those of a panel's series do: scores are means over windows."""
        drawn, seen = errors(40, seed=1), np.full((40, STEPS, CHANNELS), True)
        several = np.stack([widths(30), 2 * widths(30)])
        both = interval_scores(drawn, seen, np.stack([several[np.arange(40) // 20]] * 2), 0.9)
        each = [
            interval_scores(drawn[at], seen[at], np.stack([half, half]), 0.9)
            for at, half in zip((slice(20), slice(20, 40)), several, strict=True)
        ]
        assert both == pytest.approx(np.mean(each, axis=0))
        same = interval_scores(drawn, seen, np.broadcast_to(widths(30), (2, *drawn.shape)), 0.9)
        assert same == pytest.approx(interval_scores(drawn, seen, np.stack([widths(30)] * 2), 0.9))

    def test_they_are_those_of_utilsforecast(self) -> None:
        """The interval score is the two bounds' quantile losses, weighed by what may lie outside."""
        drawn, below, above = errors(40, seed=1), widths(30), 2 * widths(30)
        share, width, score = interval_scores(drawn, np.full(drawn.shape, True), np.stack([below, above]), 0.9)
        low, high = -above + 0 * drawn, below + 0 * drawn  # of the error, which falls where the truth rises
        table = pd.DataFrame({"unique_id": 0, "y": drawn.ravel(), "m-lo-90": low.ravel(), "m-hi-90": high.ravel()})
        assert share == pytest.approx(coverage(table, ["m"], level=90)["m"].item())
        below = quantile_loss(table, {"m": "m-lo-90"}, q=0.05)["m"].item()
        above = quantile_loss(table, {"m": "m-hi-90"}, q=0.95)["m"].item()
        assert score == pytest.approx((below + above) * 2 / 0.1)
        assert width == pytest.approx((high - low).mean())

    def test_by_hand(self) -> None:
        drawn = np.array([[[0.5, -3.0]], [[2.0, 1.0]]])  # two windows of a step, two channels
        scored = interval_scores(drawn, np.full(drawn.shape, True), np.array([[[1.0, 2.0]]] * 2), 0.8)
        assert scored == pytest.approx((0.5, 3.0, 3 + 10 * (1 + 1) / 4))

    def test_a_forecast_that_explodes_lies_outside(self) -> None:
        drawn = errors(4)
        drawn[0] = np.nan
        with np.errstate(all="raise"):
            assert (
                interval_scores(drawn, np.full(drawn.shape, True), np.full((2, STEPS, CHANNELS), 1e9), 0.9)[0] == 0.75
            )
