"""Exponential smoothing against an oracle, and on series where the answer is known."""

from typing import Any

import numpy as np
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from tests.models.test_baselines import windows
from wavesweep.models.baseline import Windows
from wavesweep.models.smoothing import USUAL_SEASONAL, State, begin, smooth, smoothing

VALUES = np.random.default_rng(0).normal(size=53).cumsum() + np.tile([3.0, 0.0, -1.0, -2.0], 14)[:53]
SEASON = np.array([3.0, 0.5, -1.0, -2.5])


@pytest.mark.parametrize("seasonal", [0.0, 0.2])
@pytest.mark.parametrize(("follows", "damping"), [(0.3, 0.9), (0.3, 1.0), (0.0, 1.0)])
def test_the_recursion_is_that_of_statsmodels(seasonal: float, follows: float, damping: float) -> None:
    options: dict[str, Any] = {"trend": "add", "damped_trend": True, "seasonal": "add", "seasonal_periods": 4}
    start = {"initial_level": 1.5, "initial_trend": 0.2, "initial_seasonal": SEASON}
    model = ETSModel(VALUES, error="add", initialization_method="known", **start, **options)
    oracle: Any = model.smooth([0.4, 0.4 * follows, seasonal, damping])
    parameters = np.array([0.4, 1.0, follows, damping, seasonal])[:, None, None]
    state = State(np.array([[1.5]]), np.array([[0.2]]), SEASON[:, None, None].copy())
    ahead = np.array(list(smooth(VALUES[None, :, None], 9, parameters, state))).ravel()
    np.testing.assert_allclose(ahead, oracle.forecast(9), rtol=1e-9)


def test_it_begins_with_a_line_through_the_context_and_its_mean_season() -> None:
    time = np.arange(11)[None, :, None]
    season = np.array([2.0, -3.0, 1.0])
    context = 5.0 + 0.25 * time + np.resize(season, 11)[None, :, None] * [1.0, 2.0]
    context = np.concatenate([context, context + 100])[:, :9]  # three whole seasons
    state = begin(context, 3, np.array(1.0))
    slope = np.polyfit(np.arange(9), context[0], 1)[0]
    np.testing.assert_allclose(state.slope, [slope, slope])
    np.testing.assert_allclose(state.level, context.mean(axis=1) - 5 * slope)
    np.testing.assert_allclose(state.season.sum(axis=0), 0, atol=1e-12)
    assert state.season.shape == (3, 2, 2)
    np.testing.assert_allclose(begin(context, 1, np.array(0.5)).slope, state.slope / 2)
    assert not begin(context, 1, np.array(0.5)).season.any()


@pytest.mark.parametrize(("follow", "ahead"), [(0.0, 0.0), (0.3, 3.0), (1.0, 10.0)])
def test_without_a_season_the_level_follows_as_fast_as_it_says(follow: float, ahead: float) -> None:
    context = np.array([0.0, 0.0, 0.0, 0.0, 10.0])[None, :, None]
    state = State(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    by = np.array([follow, 0.0, 0.0, 1.0, USUAL_SEASONAL])[:, None, None]
    assert [*smooth(context, 1, by, state)] == [pytest.approx(ahead)]


def test_the_choice_is_for_each_channel() -> None:
    draws = np.random.default_rng(0)
    noise, walk = draws.normal(size=(2, 400, 1))
    level, walking = noise, walk.cumsum(axis=0) / 10
    note = smoothing(windows([np.concatenate([level, walking], axis=1)]), ()).note
    assert note.startswith(("level 0, 1,", "level 0, 0.85,"))


def test_a_season_with_a_trend_is_found_exactly() -> None:
    time = np.arange(90)[:, None]
    values = 0.05 * time + np.tile([[2.0], [-1.0], [0.5], [1.0]], (23, 1))[:90]
    cut = windows([values])
    for seasons in ((4,), (3, 4)):
        baseline = smoothing(Windows(cut.context[:20], cut.truth[:20]), seasons)
        assert Windows(cut.context[20:], cut.truth[20:]).error(baseline.forecast(cut.context[20:], 5)) < 1e-3
        assert "season 4" in baseline.note


def test_without_two_whole_seasons_in_the_context_there_is_none() -> None:
    assert "season" not in smoothing(windows([np.sin(np.arange(90.0))[:, None]]), (21,)).note
