"""Parts and scaling: nothing is lost, nothing is seen twice."""

import numpy as np
import pytest

from tests.support.parts import composed, config, small
from wavesweep.base.errors import Refused
from wavesweep.data.rows import rows_of
from wavesweep.data.splits import split_by_series
from wavesweep.data.trends import trend_share
from wavesweep.models.configured import Recurrent
from wavesweep.runs.preparation import load_data


def test_series_are_ordered_test_training_validation() -> None:
    filled = small("dataset.split=[4,1,2]", "dataset.validation_series=3")
    observed, continuation = filled.dataset.load(40)
    data = load_data(filled)
    assert data.test is not None
    assert np.array_equal(data.test.observed, observed[:2])
    assert np.array_equal(data.train, observed[2:6])
    assert np.array_equal(data.val.observed, observed[6:])
    assert np.array_equal(data.val.truth, continuation[6:])


def test_the_training_part_holds_no_other_value() -> None:
    filled = small()
    observed, continuation = filled.dataset.load(40)
    changed = observed.copy()
    changed[0] += 7.0  # the test series
    changed[6:] -= 7.0  # the validation series
    before, after = (
        split_by_series(
            np.concatenate(both, axis=1), rows_of(filled.dataset), filled.forecast, washout=12, standardize=True
        )
        for both in ((observed, continuation), (changed, continuation + 1))
    )
    assert np.array_equal(before.train, after.train)
    assert np.array_equal(before.variance, after.variance)
    assert np.array_equal(before.scaler.mean, after.scaler.mean)
    assert not np.array_equal(before.val.observed, after.val.observed)


def test_closed_loop_begins_where_the_observed_series_end() -> None:
    filled = small("forecast.context=15", "forecast.horizon=9")
    observed, continuation = filled.dataset.load(9)
    data = load_data(filled)
    assert np.array_equal(data.val.context, observed[6:, 25:])
    assert np.array_equal(data.val.truth, continuation[6:])
    assert (data.val.start == 25).all()


def test_parts_of_a_single_series_follow_each_other_in_time() -> None:
    filled = config(
        "dataset.num_series=1", "dataset.length=100", "forecast.horizon=6", "forecast.stride=4", "forecast.context=20"
    )
    observed, continuation = filled.dataset.load(6)
    timeline = np.concatenate([observed, continuation], axis=1)[0]
    data = load_data(filled)
    assert data.test is not None
    assert np.array_equal(data.train[0], timeline[:70])
    for part, first, origins in ((data.val, 70, [70, 74, 78]), (data.test, 85, [85, 89, 93, 97])):
        assert part.first_target == first
        assert (part.start + 20).tolist() == origins
        for context, truth, origin in zip(part.context, part.truth, origins, strict=True):
            assert np.array_equal(context, timeline[origin - 20 : origin])
            assert np.array_equal(truth, timeline[origin : origin + 6])
    assert (data.val.start + 20 + 6 <= 85).all(), "validation saw the test part"


def test_scaling_gives_the_training_part_mean_0_and_variance_1() -> None:
    data = load_data(config("dataset=linear_noise"))
    scaled = data.scaler.scale(data.train)
    np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(data.scaler.unscale(scaled), data.train)


def test_raw_units_are_left_alone() -> None:
    data = load_data(config("dataset=linear_noise", "training.standardize=false"))
    assert np.array_equal(data.scaler.scale(data.train), data.train)


def test_constant_training_data_are_refused() -> None:
    with pytest.raises(Refused, match="constant"):
        load_data(composed("dataset=linear_noise", "dataset.num_series=1", "dataset.slope=0"))


def test_a_trend_s_share_is_that_of_a_fitted_line() -> None:
    series = np.random.default_rng(0).normal(size=(2, 7, 3)) + np.arange(7)[:, None]
    left = total = 0.0
    for values in series.transpose(0, 2, 1).reshape(6, 7):
        left += np.square(values - np.polyval(np.polyfit(np.arange(7), values, 1), np.arange(7))).sum()
        total += np.square(values - values.mean()).sum()
    assert trend_share(series) == pytest.approx(1 - left / total)
    assert trend_share(np.ones((2, 7, 3))) == 0


@pytest.mark.parametrize(
    ("overrides", "differences"),
    [
        (("dataset=linear_noise",), True),
        (("dataset=linear_noise", "dataset.noise_per=step"), True),
        (("dataset=sine",), False),
        (("dataset=cos_sin_squared", "seed=1"), False),
        (("dataset=sine", "model.difference=true"), True),
        (("dataset=linear_noise", "model.difference=false"), False),
        (("dataset=linear_noise", "forecast.context=1"), False),
        (("dataset=linear_noise", "training.window=3"), False),
    ],
)
def test_series_that_drift_are_differenced(overrides: tuple[str, ...], differences: bool) -> None:
    model = config(*overrides).model
    assert isinstance(model, Recurrent)
    assert model.difference is differences
