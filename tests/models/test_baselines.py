"""Laws that every baseline keeps, oracles, and series where the answer is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.baselines import fit
from wavesweep.models.autoregression import choose_lags
from wavesweep.models.baseline import Baseline, Windows
from wavesweep.models.simple import best_seasonal_naive, drift, line, seasonal_naive

CONTEXT, HORIZON, CHANNELS, SEASON = 40, 5, 3, 7
NAMES = ("naive", "seasonal_naive", "linear", "smoothing", "drift", "line", "combined")
OF_LONG_SERIES = ("ridge",)


def panel(seed: int = 0, lengths: Sequence[int] = (150, 97)) -> list[np.ndarray]:
    """Return seasonal series of unequal lengths, each (time, channel), scaled."""
    draws = np.random.default_rng(seed)
    series = []
    for length in lengths:
        phases = 2 * np.pi * (np.arange(length)[:, None] / SEASON + np.arange(CHANNELS) / 5)
        values = np.sin(phases) + 0.3 * draws.normal(size=(length, CHANNELS)).cumsum(axis=0)
        series.append((values - values.mean(axis=0)) / values.std(axis=0))
    return series


def windows(series: Sequence[np.ndarray], horizon: int = HORIZON) -> Windows:
    cut = [np.lib.stride_tricks.sliding_window_view(one, CONTEXT + horizon, axis=0).swapaxes(1, 2) for one in series]
    every = np.concatenate(cut)
    return Windows(every[:, :CONTEXT], every[:, CONTEXT:])


TRAIN, VAL, TEST = panel(), windows(panel(1)), windows(panel(2))
BASELINES = fit(TRAIN, VAL, (SEASON,))


def test_all_are_there_and_say_what_was_chosen() -> None:
    assert {*BASELINES} == {*NAMES, *OF_LONG_SERIES}
    assert all(one.note for one in BASELINES.values())
    assert BASELINES["seasonal_naive"].note == "season 7"
    assert {*fit(TRAIN, VAL, ())} == {*NAMES, *OF_LONG_SERIES}
    assert {*fit([one[:16] for one in TRAIN], VAL, ())} == {*NAMES}


@pytest.mark.parametrize("name", NAMES + OF_LONG_SERIES)
class TestEveryBaseline:
    def test_a_shorter_forecast_begins_a_longer_one(self, name: str) -> None:
        steps = HORIZON if name in ("ridge", "combined") else 11
        short, long = (BASELINES[name].forecast(TEST.context, horizon) for horizon in (4, steps))
        assert long.shape == (len(TEST.context), steps, CHANNELS)
        np.testing.assert_allclose(short, long[:, :4], rtol=1e-9, atol=1e-12)

    def test_windows_are_forecast_each_by_itself(self, name: str) -> None:
        together, alone = BASELINES[name].forecast(TEST.context, 4), BASELINES[name].forecast(TEST.context[3:4], 4)
        np.testing.assert_allclose(alone, together[3:4], rtol=1e-9, atol=1e-12)

    def test_the_context_is_left_as_it_was(self, name: str) -> None:
        before = TEST.context.copy()
        BASELINES[name].forecast(TEST.context, 4)
        assert np.array_equal(TEST.context, before)

    def test_it_can_be_fitted_to_other_series(self, name: str) -> None:
        """Which changes what is fitted, and that alone."""
        one = BASELINES[name]
        assert (one.fit is None) == (name in ("naive", "seasonal_naive", "smoothing", "drift"))
        if one.fit:
            again, other = one.fit(TRAIN), one.fit(panel(7))
            assert again.note == other.note == one.note
            expected = one.forecast(TEST.context, 4)
            assert np.array_equal(again.forecast(TEST.context, 4), expected)
            assert not np.allclose(other.forecast(TEST.context, 4), expected)

    def test_it_takes_little(self, name: str) -> None:
        if name in OF_LONG_SERIES:
            return
        """A series of eleven steps, of which some can't be told apart, and a single window."""
        few = [values[:11] for values in panel()]
        val = Windows(VAL.context[:1, -3:], VAL.truth[:1, :1])
        forecast = fit(few, val, ())[name].forecast(TEST.context[:, -3:], 2)
        assert forecast.shape == (len(TEST.context), 2, CHANNELS)
        assert np.isfinite(forecast).all()


@given(st.floats(0.01, 100), st.floats(-100, 100))
@pytest.mark.parametrize("name", ["naive", "seasonal_naive", "drift", "smoothing"])
def test_a_series_in_other_units_is_forecast_in_them(name: str, scale: float, shift: float) -> None:
    forecast = BASELINES[name].forecast
    expected = scale * forecast(TEST.context[:4], 9) + shift
    np.testing.assert_allclose(forecast(scale * TEST.context[:4] + shift, 9), expected, rtol=1e-9, atol=1e-9)


def test_validation_changes_nothing_but_the_choice() -> None:
    other = Windows(VAL.context, VAL.truth + 1e-9)
    for name, one in fit(TRAIN, other, (SEASON,)).items():
        assert one.note == BASELINES[name].note
        expected = BASELINES[name].forecast(TEST.context, 5)
        np.testing.assert_allclose(one.forecast(TEST.context, 5), expected, rtol=0, atol=1e-9 * (name == "combined"))


def test_the_seasonal_naive_forecast_repeats_what_it_saw_last() -> None:
    context = np.array([[[1.0, 9.0], [2.0, 8.0], [3.0, 7.0]]])
    assert seasonal_naive(1).forecast(context, 2).tolist() == [[[3, 7], [3, 7]]]
    assert seasonal_naive(3).forecast(context, 4)[0, :, 0].tolist() == [1, 2, 3, 1]


def test_the_season_repeated_is_the_one_that_does_best() -> None:
    time = np.arange(60)[:, None]
    val = windows([np.sin(2 * np.pi * time / 12) + 0.5 * np.sin(2 * np.pi * time / 3)])
    assert best_seasonal_naive(val, (3, 12)).note == "season 12"
    assert best_seasonal_naive(val, (3, 41)).note == "season 3", "41 steps are more than the context"
    assert best_seasonal_naive(val, ()).note == best_seasonal_naive(val, (41,)).note == "last value"


def test_choices_are_made_for_the_targets() -> None:
    time, draws = np.arange(300)[:, None], np.random.default_rng(0)
    waves = np.sin(2 * np.pi * time / np.array([3, 7])) * np.array([1, 50])
    every = np.hstack([waves, draws.normal(size=(300, 40)).cumsum(axis=0)])
    alone, wide = windows([waves[200:, :1]]), windows([every[200:]])
    target = Windows(wide.context, wide.truth, np.array([0]))
    assert best_seasonal_naive(target, (3, 7)).note == "season 3"
    assert best_seasonal_naive(wide, (3, 7)).note == "season 7"
    assert choose_lags([every[:200]], target, (3,)) == choose_lags([waves[:200, :1]], alone, (3,))
    assert choose_lags([every[:200]], target, (3,)) != choose_lags([every[:200]], wide, (3,))


def test_a_drift_goes_on_by_the_mean_step() -> None:
    assert drift().forecast(np.array([[[1.0], [7.0], [5.0]]]), 3)[0, :, 0].tolist() == [7, 9, 11]
    assert drift().forecast(np.array([[[5.0]]]), 2)[0, :, 0].tolist() == [5, 5]


def test_a_line_pools_its_slope_and_takes_its_level_from_the_context() -> None:
    draws = np.random.default_rng(0)
    slopes = np.array([0.5, -2.0])
    series = [slopes * np.arange(steps)[:, None] + draws.normal(size=2) * 100 for steps in (9, 40)]
    context = (slopes * np.arange(10)[:, None] + 3)[None]
    np.testing.assert_allclose(line(series).forecast(context, 3)[0], slopes * np.arange(10, 13)[:, None] + 3)


def test_a_line_beats_all_on_lines_with_noise() -> None:
    draws = np.random.default_rng(0)
    lines = [1.6 * np.arange(60)[:, None] / 28 + 0.19 * draws.normal(size=(60, 1)) for _ in range(40)]
    train, val, test = [one[:40] for one in lines[:30]], windows(lines[30:35]), windows(lines[35:])
    baselines = fit(train, val, ())
    errors = {name: test.error(one.forecast(test.context, HORIZON)) for name, one in baselines.items()}
    assert min(errors, key=lambda name: errors[name]) == "line"


def test_an_error_is_infinite_where_a_forecast_explodes() -> None:
    zeros = np.zeros((2, 1, 1))
    for value in (np.inf, np.nan, 1e200):
        assert Windows(zeros, zeros).error(zeros + value) == np.inf


def test_windows_are_thinned_evenly() -> None:
    values = np.arange(10.0)[:, None, None]
    thinned = Windows(values, values + 1).thinned(4)
    assert thinned.context.ravel().tolist() == [0, 3, 6, 9]
    assert thinned.truth.ravel().tolist() == [1, 4, 7, 10]
    assert len(Windows(values, values).thinned(99).context) == 10


def test_a_baseline_is_any_function() -> None:
    assert Baseline(lambda context, horizon: context[:, :horizon], "the first").forecast(TEST.context, 2).shape[1] == 2
