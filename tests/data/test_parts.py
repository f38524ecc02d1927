"""Parts and scaling: nothing is lost, nothing is seen twice."""

import numpy as np
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.parts import composed, config, small
from wavesweep.experiment.preparation import load_data
from wavesweep.models.baseline import Windows
from wavesweep.models.facts import Facts
from wavesweep.models.recurrent import Recurrent


def test_series_are_ordered_test_training_validation() -> None:
    data = load_data(small("dataset.split=[4,1,2]", "dataset.validation_series=3"))
    observed, continuation = data.division.source.load(40)
    assert data.test is not None
    assert np.array_equal(data.test.context, observed[:2])
    assert np.array_equal(data.train, observed[2:6])
    assert np.array_equal(data.val.context, observed[6:])
    assert np.array_equal(data.val.truth, continuation[6:])
    assert (data.test.series.tolist(), data.val.series.tolist()) == ([0, 1], [6, 7, 8, 9])


def test_one_step_predictions_of_whole_series_are_scored_behind_the_washout() -> None:
    for overrides, scored in (((), slice(12, 40)), (("training.washout=30",), slice(30, 40))):
        assert load_data(small(*overrides)).val.scored == scored
    assert load_data(small("forecast.context=15", "forecast.horizon=9")).val.scored == slice(15, 24)


def test_closed_loop_begins_where_the_observed_series_end() -> None:
    data = load_data(small("forecast.context=15", "forecast.horizon=9"))
    observed, continuation = data.division.source.load(9)
    assert np.array_equal(data.val.context, observed[6:, 25:])
    assert np.array_equal(data.val.truth, continuation[6:])
    assert (data.val.start == 25).all()


def test_parts_of_a_single_series_follow_each_other_in_time() -> None:
    forecasts = ("forecast.horizon=6", "forecast.stride=4", "forecast.context=20")
    data = load_data(config("dataset.num_series=1", "dataset.length=100", *forecasts))
    [series], _ = data.division.source.load(6)
    assert data.test is not None
    assert np.array_equal(data.train[0], series[:70])
    for part, origins in ((data.val, [70, 74, 78, 79]), (data.test, [85, 89, 93, 94])):
        assert part.scored == slice(20, 26)
        assert (part.start + 20).tolist() == origins
        for context, truth, origin in zip(part.context, part.truth, origins, strict=True):
            assert np.array_equal(context, series[origin - 20 : origin])
            assert np.array_equal(truth, series[origin : origin + 6])
    assert (data.val.start + 20 + 6 <= 85).all(), "validation saw the test part"


def test_a_few_windows_of_a_part_are_evenly_spread_and_a_chunk_follows_the_other() -> None:
    part = load_data(config("dataset.num_series=1", "dataset.length=100", "forecast.horizon=1")).val
    assert [part.spread(count).start.tolist() for count in (1, 2, 4, 99)] == [
        [0], [0, 14], [0, 5, 9, 14], list(range(15))
    ]  # fmt: skip
    assert [len(some.start) for some in part.chunks(4)] == [4, 4, 4, 3]

    def gathered(key: str) -> np.ndarray:
        return np.concatenate([getattr(some, key) for some in part.chunks(4)])

    for key in ("context", "truth", "start", "series"):
        assert np.array_equal(gathered(key), getattr(part, key))


def test_scaling_gives_the_training_part_mean_0_and_variance_1() -> None:
    data = load_data(config("dataset=linear_noise"))
    scaled = data.scaled(data.scaler)
    np.testing.assert_allclose([np.mean(scaled), np.std(scaled)], [0, 1], atol=1e-12)
    np.testing.assert_allclose(data.scaler.unscale(np.array(scaled)), data.train)


def test_raw_units_are_left_alone() -> None:
    data = load_data(config("dataset=linear_noise", "training.standardize=false"))
    assert np.array_equal(data.scaled(data.scaler), data.train)
    assert data.units.std > 1


def test_constant_training_data_are_refused() -> None:
    with pytest.raises(Refused, match="constant"):
        load_data(composed("dataset=linear_noise", "dataset.num_series=1", "dataset.slope=0"))


def test_values_that_are_none_are_refused() -> None:
    with pytest.raises(Refused, match="values must be finite and at most 1e\\+15 in size, got nan"):
        load_data(small("dataset.width=1e-320"))


def test_a_trend_s_share_is_that_of_a_fitted_line() -> None:
    series = np.random.default_rng(0).normal(size=(2, 7, 3)) + np.arange(7)[:, None]
    left = total = 0.0
    for values in series.transpose(0, 2, 1).reshape(6, 7):
        left += np.square(values - np.polyval(np.polyfit(np.arange(7), values, 1), np.arange(7))).sum()
        total += np.square(values - values.mean()).sum()
    val = Windows(series, series)
    assert Facts([*series], val, (), 7, 0).trend_share == pytest.approx(1 - left / total)
    assert Facts([np.ones((7, 3))], val, (), 7, 0).trend_share == 0


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


def test_means_at_the_origins_of_one_series_are_its_values_to_the_last_bit() -> None:
    part = load_data(config("dataset.num_series=1", "dataset.length=100", "forecast.horizon=3")).val
    values = np.random.default_rng(0).normal(size=len(part.start))
    assert part.by_origin(values).tobytes() == values.tobytes()
    assert np.isinf(part.by_origin(np.where(values > 0, np.inf, values))).tolist() == (values > 0).tolist()


def test_series_that_are_split_from_each_other_share_no_origin() -> None:
    part = load_data(small("dataset.validation_series=3")).val
    assert part.by_origin(part.series).tolist() == part.series.tolist() == [6, 7, 8, 9]
    assert part.overlap == 1
