"""Exponential smoothing against an oracle, and on series where the answer is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from tests.models.test_baselines import windows
from wavesweep.models.baseline import Windows
from wavesweep.models.smoothing import Smoothing, State, begin, choose_smoothing, smooth

VALUES = np.random.default_rng(0).normal(size=53).cumsum() + np.tile([3.0, 0.0, -1.0, -2.0], 14)[:53]
SEASON = np.array([3.0, 0.5, -1.0, -2.5])
PLAIN = Smoothing(level=0.4, slope=1.0, trend=0.0, damping=1.0, seasonal=0.1, season=1, span=53)


@pytest.mark.parametrize("seasonal", [0.0, 0.2])
@pytest.mark.parametrize(("follows", "damping"), [(0.3, 0.9), (0.3, 1.0), (0.0, 1.0)])
def test_the_recursion_is_that_of_statsmodels(seasonal: float, follows: float, damping: float) -> None:
    options: dict[str, Any] = {"trend": "add", "damped_trend": True, "seasonal": "add", "seasonal_periods": 4}
    start = {"initial_level": 1.5, "initial_trend": 0.2, "initial_seasonal": SEASON}
    model = ETSModel(VALUES, error="add", initialization_method="known", **start, **options)
    oracle: Any = model.smooth([0.4, 0.4 * follows, seasonal, damping])
    chosen = replace(PLAIN, trend=follows, damping=damping, seasonal=seasonal, season=4)
    state = State(np.array([[[1.5]]]), np.array([[[0.2]]]), SEASON[:, None, None, None].copy())
    ahead = np.array(list(smooth(VALUES[None, :, None], 9, [chosen], state))).ravel()
    np.testing.assert_allclose(ahead, oracle.forecast(9), rtol=1e-9)


def test_it_begins_with_a_line_through_the_context_and_its_mean_season() -> None:
    time = np.arange(11)[None, :, None]
    season = np.array([2.0, -3.0, 1.0])
    context = 5.0 + 0.25 * time + np.resize(season, 11)[None, :, None] * [1.0, 2.0]
    context = np.concatenate([context, context + 100])[:, :9]  # three whole seasons
    state = begin(context, [replace(PLAIN, season=3), replace(PLAIN, season=3, slope=0.5)])
    slope = np.polyfit(np.arange(9), context[0], 1)[0]
    np.testing.assert_allclose(state.slope, [[slope, slope], [slope / 2, slope / 2]])
    np.testing.assert_allclose(state.level[0], context.mean(axis=1) - 5 * slope)
    np.testing.assert_allclose(state.season.sum(axis=0), 0, atol=1e-12)
    assert state.season.shape == (3, 2, 2, 2)
    assert not begin(context, [PLAIN]).season.any()


@pytest.mark.parametrize(("follow", "ahead"), [(0.0, 0.0), (0.3, 3.0), (1.0, 10.0)])
def test_without_a_season_the_level_follows_as_fast_as_it_says(follow: float, ahead: float) -> None:
    context = np.array([0.0, 0.0, 0.0, 0.0, 10.0])[None, :, None]
    state = State(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 1)))
    assert [*smooth(context, 1, [replace(PLAIN, level=follow)], state)] == [pytest.approx(ahead)]


@pytest.mark.parametrize("season", [1, 3])
def test_it_is_linear_in_the_values_that_it_looks_at(season: int) -> None:
    chosen = Smoothing(level=0.3, slope=0.5, trend=0.2, damping=0.9, seasonal=0.4, season=season, span=8)
    context = np.random.default_rng(1).normal(size=(5, 11, 2))
    path = chosen.path(4)
    assert path.shape == (4, 8)
    np.testing.assert_allclose(np.einsum("hv,wvc->whc", path, context[:, -8:]), chosen.forecast(context, 4), rtol=1e-9)


def test_the_training_part_tells_what_few_windows_of_validation_do_not() -> None:
    """A value that stays is the validation part of noise around a level, and of a walk."""
    noise = np.random.default_rng(0).normal(size=(300, 1))
    stays = np.concatenate([noise[:40], np.full((6, 1), 2.0)])
    val = Windows(stays[None, :41], stays[None, 41:])
    assert choose_smoothing([noise], val, ()).level <= 0.1
    assert choose_smoothing([noise.cumsum(axis=0)], val, ()).level >= 0.7


def test_a_season_with_a_trend_is_found_exactly() -> None:
    time = np.arange(90)[:, None]
    values = 0.05 * time + np.tile([[2.0], [-1.0], [0.5], [1.0]], (23, 1))[:90]
    cut = windows([values])
    for seasons in ((4,), (3, 4)):
        chosen = choose_smoothing([values], Windows(cut.context[:20], cut.truth[:20]), seasons)
        assert Windows(cut.context[20:], cut.truth[20:]).error(chosen.forecast(cut.context[20:], 5)) < 1e-3
        assert chosen.season == 4
        assert "season 4" in str(chosen)


def test_without_two_whole_seasons_in_what_it_looks_at_there_is_none() -> None:
    values = np.sin(np.arange(90.0))[:, None]
    assert choose_smoothing([values], windows([values]), (21,)).season == 1


def test_it_looks_at_no_more_than_there_is() -> None:
    values = np.random.default_rng(0).normal(size=(30, 1)).cumsum(axis=0)
    val = Windows(values[None, :3], values[None, 3:5])
    assert choose_smoothing([values], val, (7,)).span == 3
    assert choose_smoothing([values[:2]], val, ()).span == 1
