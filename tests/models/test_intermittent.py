"""Baselines of series that mostly stand still: by hand, as laws, and when there are some."""

import numpy as np
import pytest

from tests.support.baselines import fit
from wavesweep.models import intermittent
from wavesweep.models.baseline import Windows
from wavesweep.models.intermittent import are_intermittent, fit_intermittent

NAMES = ("mean", "croston", "tsb")
CONTEXT, HORIZON, CHANNELS = 60, 5, 2


def demands(seed: int, steps: int = 400) -> np.ndarray:
    """Return demands at a third of the steps, (time, channel)."""
    draws = np.random.default_rng(seed)
    return (draws.random((steps, CHANNELS)) < 0.35) * draws.integers(1, 9, (steps, CHANNELS)).astype(float)


def windows(series: np.ndarray) -> Windows:
    every = np.lib.stride_tricks.sliding_window_view(series, CONTEXT + HORIZON, axis=0).swapaxes(1, 2)
    return Windows(every[:, :CONTEXT], every[:, CONTEXT:])


VAL, TEST = windows(demands(1)), windows(demands(2))
BASELINES = fit_intermittent(VAL)


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_it_is_one_value_for_all_steps_and_does_not_depend_on_other_windows(self, name: str) -> None:
        forecast = BASELINES[name].forecast(TEST.context, 9)
        assert forecast.shape == (len(TEST.context), 9, CHANNELS)
        assert (forecast == forecast[:, :1]).all()
        np.testing.assert_array_equal(BASELINES[name].forecast(TEST.context[3:4], 9), forecast[3:4])

    def test_other_units_change_nothing(self, name: str) -> None:
        expected = 7 * BASELINES[name].forecast(TEST.context, 2) - 3
        np.testing.assert_allclose(BASELINES[name].forecast(7 * TEST.context - 3, 2), expected)

    def test_without_a_demand_none_is_forecast(self, name: str) -> None:
        assert (BASELINES[name].forecast(np.full((1, CONTEXT, CHANNELS), 2.0), 3) == 2).all()

    def test_it_says_what_was_chosen(self, name: str) -> None:
        assert BASELINES[name].note
        assert BASELINES[name].fit is None


def test_by_hand() -> None:
    """Sizes of 4 and 2, in five steps; after the third step, then after two more."""
    demand = np.array([0.0, 0, 4, 0, 2])[None, :, None]
    size, apart = 3 + 0.5 * (4 - 3), 2.5 + 0.5 * (3 - 2.5)
    size, apart = size + 0.5 * (2 - size), apart + 0.5 * (2 - apart)
    assert intermittent._croston(demand, 0.5).item() == pytest.approx(0.75 * size / apart)
    probability = 0.4
    for there in (0, 0, 1, 0, 1):
        probability += 0.2 * (there - probability)
    assert intermittent._tsb(demand, 0.5, 0.2).item() == pytest.approx(size * probability)
    for estimate in (intermittent._croston(demand, 0.0), intermittent._tsb(demand, 0.0, 0.0)):
        assert estimate.item() == pytest.approx(demand.mean()), "what never follows stays the mean"


def test_a_demand_that_ends_is_forgotten_by_tsb_alone() -> None:
    demand = np.concatenate([demands(3, 60), np.zeros((200, CHANNELS))])[None]
    before = demand[:, :60]
    assert (intermittent._tsb(demand, 0.1, 0.1) < 1e-6 * before.mean()).all()
    scale = demand.mean(axis=1) / before.mean(axis=1)  # of the means that both begin with
    assert (intermittent._croston(demand, 0.1) > 0.5 * scale * before.mean(axis=1)).all()


def test_rates_are_chosen_on_validation() -> None:
    """Where the probability jumps up and down for long, it is followed; where it stays, nothing is."""
    draws = np.random.default_rng(0)
    moving = np.repeat([0.1, 0.9] * 4, 100)[:, None]
    demand = (draws.random((800, 1)) < moving).astype(float)
    assert fit_intermittent(windows(demand))["tsb"].note in ("size 0, probability 0.1", "size 0, probability 0.2")
    steady = (draws.random((4000, 1)) < 0.3).astype(float)
    assert fit_intermittent(windows(steady))["tsb"].note in ("size 0, probability 0", "size 0, probability 0.02")


def test_they_are_there_where_series_mostly_stand_still() -> None:
    draws = np.random.default_rng(0)
    for share, there in ((0.2, False), (0.3, True)):
        series = np.where(draws.random((2000, 1)) < share, 0.0, draws.exponential(size=(2000, 1)))
        scaled = (series - series.mean()) / series.std()
        assert are_intermittent([scaled], slice(None)) == there
        found = fit([scaled[:300]], windows(scaled[300:]), ())
        assert ([*found][-3:] == [*NAMES]) == there
    both = np.hstack([series, draws.normal(size=series.shape)])
    assert are_intermittent([both], np.array([0]))
    assert not are_intermittent([both], np.array([1]))
    assert not are_intermittent([both], slice(None)), "in the mean"


def test_on_random_demands_they_beat_what_repeats() -> None:
    found = fit([demands(0)], VAL, ())
    errors = {name: TEST.error(one.forecast(TEST.context, HORIZON)) for name, one in found.items()}
    assert max(errors[name] for name in NAMES) < 0.6 * min(errors["naive"], errors["seasonal_naive"], errors["drift"])
