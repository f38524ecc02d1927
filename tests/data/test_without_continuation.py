"""Data sets of which nobody knows how they go on, as those of files: what is forecast is held back from them."""

import numpy as np
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.parts import given
from wavesweep.config.resolve import outline
from wavesweep.data.by_series import BySeries
from wavesweep.data.by_time import ByTime
from wavesweep.data.parts import Part
from wavesweep.experiment.preparation import load_data

SINGLE = np.arange(300.0).reshape(1, 100, 3)
"""One series of 100 steps; each value occurs once, so that it is known again wherever it stands."""
SEVERAL = np.arange(840.0).reshape(7, 40, 3)


def of(part: Part | None) -> Part:
    assert part is not None
    return part


def scored(part: Part) -> set[float]:
    """Return the values that a part's predictions are compared with: of one step, and in closed loop."""
    both = np.concatenate([part.context, part.truth], axis=1)
    return {*part.truth.flat, *both[:, part.scored].flat}


class TestByTime:
    def test_everything_follows_from_the_shape(self) -> None:
        found = outline(given(SINGLE))
        assert isinstance(found.division, ByTime)
        assert found.division.stretches == [(70, 15, 15)]
        assert (found.forecast.horizon, found.forecast.context, found.forecast.stride) == (5, 70, 1)
        assert (found.training.window, found.training.washout) == (64, 6)

    @pytest.mark.parametrize("horizon", [1, 4, 15])
    def test_no_part_is_scored_on_another_s_steps(self, horizon: int) -> None:
        data = load_data(given(SINGLE, f"forecast.horizon={horizon}", "forecast.stride=4", "forecast.context=20"))
        val, test = data.val, of(data.test)
        assert np.array_equal(data.train, SINGLE[:, :70])
        if horizon >= 4:
            assert scored(val) == {*SINGLE[:, 70:85].flat}
            assert scored(test) == {*SINGLE[:, 85:].flat}
        assert not {*val.context.flat} & scored(test)
        for part, first, last in ((val, 70, 85), (test, 85, 100)):
            origins = sorted({*range(first, last - horizon + 1, 4), last - horizon})
            assert np.array_equal(part.start + 20, origins)
            for context, truth, origin in zip(part.context, part.truth, origins, strict=True):
                assert np.array_equal(context, SINGLE[0, origin - 20 : origin])
                assert np.array_equal(truth, SINGLE[0, origin : origin + horizon])

    def test_without_a_test_part_validation_has_all_the_rest(self) -> None:
        data = load_data(given(SINGLE, split=(80, 20, 0)))
        assert data.test is None
        assert scored(data.val) == {*SINGLE[:, 80:].flat}

    @pytest.mark.parametrize(
        ("split", "horizon", "message"),
        [
            (
                None,
                16,
                "forecast.horizon must be at most the 15 steps of the validation part, got 16; give less",
            ),
            (
                (70, 20, 10),
                11,
                "forecast.horizon must be at most the 10 steps of the test part, got 11; give less",
            ),
            (
                (80, 20, 0),
                21,
                "forecast.horizon must be at most the 20 steps of the validation part, got 21; give less",
            ),
        ],
    )
    def test_a_horizon_beyond_what_is_known_is_refused(
        self, split: tuple[int, int, int] | None, horizon: int, message: str
    ) -> None:
        outline(given(SINGLE, f"forecast.horizon={horizon - 1}", split=split))
        with pytest.raises(Refused) as refusal:
            outline(given(SINGLE, f"forecast.horizon={horizon}", split=split))
        assert str(refusal.value) == message


class TestBySeries:
    def test_everything_follows_from_the_shape(self) -> None:
        found = outline(given(SEVERAL))
        assert isinstance(found.division, BySeries)
        assert found.division.rows == (5, 1, 1)
        assert (found.forecast.horizon, found.forecast.context) == (10, 30)
        assert (found.training.window, found.training.washout) == (30, 9)

    def test_no_part_sees_another_s_series_nor_what_is_forecast(self) -> None:
        data = load_data(given(SEVERAL, "forecast.horizon=6", "forecast.context=20", split=(3, 2, 2)))
        val, test = data.val, of(data.test)
        assert np.array_equal(data.train, SEVERAL[2:5, :34])
        for part, numbers in ((test, [0, 1]), (val, [5, 6])):
            assert np.array_equal(part.context, SEVERAL[numbers, 14:34])
            assert np.array_equal(part.truth, SEVERAL[numbers, 34:])
            assert part.start.tolist() == [14, 14]
            assert part.series.tolist() == numbers
            assert scored(part) == {*part.truth.flat}

    def test_each_has_no_scale_of_its_own(self) -> None:
        """The series that are tested train nothing, so nothing tells theirs."""
        with pytest.raises(Refused, match="standardize must be global or false where series are split from each other"):
            outline(given(SEVERAL, "training.standardize=series"))

    def test_windows_and_orders_fit_what_is_left_to_train_on(self) -> None:
        for overrides, message in (
            (("training.window=31",), "training.window must be from 2 to the 30 steps of a training series, got 31"),
            (("forecast.context=31",), "forecast.context must be at most the 30 observed steps, got 31"),
            (("model=linear", "model.order=30"), "model.order must be less than the 30 training steps, got 30"),
        ):
            with pytest.raises(Refused) as refusal:
                outline(given(SEVERAL, *overrides))
            assert str(refusal.value) == message
        outline(given(SEVERAL, "training.window=30", "forecast.context=30"))
        outline(given(SEVERAL, "model=linear", "model.order=29"))

    def test_a_horizon_beyond_what_is_known_is_refused(self) -> None:
        outline(given(SEVERAL, "forecast.horizon=38"))
        with pytest.raises(Refused) as refusal:
            outline(given(SEVERAL, "forecast.horizon=40"))
        assert str(refusal.value) == "forecast.horizon must be less than the 40 steps of a series, got 40"
        with pytest.raises(Refused, match="must leave at least 2 time steps to train on, got 1"):
            outline(given(SEVERAL, "forecast.horizon=39"))
