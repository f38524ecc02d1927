"""What shapes and data give in the place of `null`, and what is refused because of them."""

import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.commands import SMALL
from tests.support.parts import composed, config, prepared, small
from wavesweep.config.device import find_device
from wavesweep.config.resolve import outline, without_effect
from wavesweep.data.by_series import BySeries
from wavesweep.data.by_time import ByTime
from wavesweep.data.division import Division
from wavesweep.data.generated import Generated
from wavesweep.models.linear import ResolvedLinear


def division(*overrides: str) -> Division:
    return outline(composed(*overrides)).division


def by_series(*overrides: str) -> BySeries:
    found = division(*overrides)
    assert isinstance(found, BySeries)
    return found


def test_everything_follows_from_the_shape() -> None:
    resolved = small()
    assert by_series(*SMALL).rows == (5, 1, 1)
    assert (resolved.forecast.horizon, resolved.forecast.context) == (40, 40)
    assert (resolved.training.window, resolved.training.washout) == (40, 12)


def test_sizes_are_drawn_from_the_seed_unless_given() -> None:
    drawn = ("dataset=cos_sin_squared", "dataset.num_series=null", "dataset.length=null", "dataset.width=null")
    first, again, other = (division(*drawn, f"seed={seed}").source for seed in (0, 0, 1))
    assert first == again
    assert first.shape[0] != other.shape[0]
    for dataset in (first.dataset, other.dataset):
        assert isinstance(dataset, Generated)
        assert 50 <= (dataset.num_series or 0) < 200
        assert 800 <= (dataset.length or 0) < 1200
        assert 10 <= dataset.model_dump()["width"] < 30
    assert division(*drawn, "dataset.num_series=9").source.shape == (9, first.shape[1])


def test_the_article_splits_95_percent_off_and_validates_on_further_series() -> None:
    found = by_series("experiment=article/cos_sin_squared")
    assert isinstance(found.source.dataset, Generated)
    drawn = found.source.dataset.num_series or 0
    assert found.rows == (round(0.95 * drawn), 3, drawn - round(0.95 * drawn))
    assert found.source.shape[0] == drawn + 3


def test_a_single_series_is_split_by_time() -> None:
    found = outline(composed("dataset.num_series=1", "dataset.length=100"))
    assert isinstance(found.division, ByTime)
    assert found.division.stretches == [(70, 15, 15)]
    assert (found.forecast.horizon, found.forecast.context, found.forecast.stride) == (5, 70, 1)
    assert found.training.window == 70


@pytest.mark.parametrize(
    ("season", "length", "horizon", "context"),
    [
        ([], 1000, 24, 200),
        ([12], 1000, 12, 200),
        ([7], 1000, 14, 200),  # two of less than a dozen steps
        ([12, 300], 1000, 12, 362),  # all seasons, and 50 steps
        ([12, 300], 400, 12, 280),  # at most the training part
        ([48], 200, 10, 140),  # at most a third of a part
        ([2], 10, 1, 6),
    ],
)
def test_a_single_series_is_forecast_a_season_ahead_from_every_step(
    season: list[int], length: int, horizon: int, context: int
) -> None:
    by_hand = ("dataset.num_series=1", f"dataset.length={length}", f"dataset.season={season}")
    forecast = outline(composed("dataset=linear_noise", *by_hand)).forecast
    assert (forecast.horizon, forecast.context, forecast.stride) == (horizon, context, 1)


def test_the_seasons_are_those_of_the_training_part() -> None:
    assert config("dataset.num_series=1", "dataset.width=4").dataset.season == (25,)
    assert config("dataset.width=4").dataset.season == (25,)
    assert config("dataset.width=4", "dataset.season=[3,9]").dataset.season == (3, 9)
    assert config("dataset=linear_noise", "dataset.noise_per=step").dataset.season == ()


@pytest.mark.parametrize(
    ("series", "chosen", "standardize"),
    [(7, "null", "global"), (1, "null", "global"), (1, "series", "series"), (7, "false", False)],
)
def test_what_is_standardized_follows_from_the_split(series: int, chosen: str, standardize: str | bool) -> None:
    resolved = small(f"dataset.num_series={series}", f"training.standardize={chosen}")
    assert resolved.training.standardize == standardize


REFUSALS = [
    (("dataset.num_series=2",), "dataset.split must leave series to train, to validate and to test on, got 2"),
    (("dataset.num_series=1", "dataset.length=3", "dataset.split=[3,0,0]"), "must leave time steps to train and"),
    (
        ("dataset.num_series=1", "dataset.length=10", "dataset.split=[1,4,5]"),
        "dataset.split must leave at least 2 time steps to train on, got 1; give a greater length",
    ),
    (("dataset.split=[1,2,3]",), "dataset.split must add up to the 100 series there are, got [1, 2, 3]"),
    (
        ("dataset.num_series=4", "dataset.split=[0.9,0.05,0.05]"),
        "dataset.split must leave no part of the 4 series empty",
    ),
    (("training.window=1001",), "training.window must be from 2 to the 1000 steps of a training series, got 1001"),
    (("training.window=1",), "training.window must be from 2 to the 1000 steps"),
    (("training.window=50", "training.washout=49"), "training.washout must be at most training.window - 2 = 48"),
    (("forecast.context=1001",), "forecast.context must be at most the 1000 observed steps, got 1001"),
    (("model=pointwise",), "model=pointwise sees the time alone, so it takes one series, got 100"),
    (("model=linear", "model.order=1000"), "model.order must be less than the 1000 training steps, got 1000"),
    (("model=linear", "model.order=1000000000"), "model.order must be at most 65536, got 1000000000"),
    (("model=linear", "model.order=6", "forecast.context=5"), "model.order must be at most forecast.context = 5"),
    (("model.difference=true", "training.window=2"), "training.window must be at least 3 with model.difference=true"),
    (("model.difference=true", "forecast.context=1"), "forecast.context must be at least 2 with model.difference=true"),
    (("dataset.num_series=1", "forecast.horizon=151"), "forecast.horizon must be at most the 150 steps of the val"),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSALS, ids=lambda part: str(part)[:60])
def test_what_the_shape_forbids_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(Refused) as refusal:
        config(*overrides)
    assert message in str(refusal.value)


def test_a_device_that_is_not_there_is_refused() -> None:
    for name in ("cuda:99", "mps"):
        with pytest.raises(Refused, match=f"device={name} can't be used .*; choose auto or cpu"):
            find_device(name)


@pytest.mark.parametrize(("there", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_device_auto_is_a_gpu_where_there_is_one(there: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    assert find_device("auto") == device
    assert find_device("cpu") == "cpu"


def linear(*overrides: str) -> ResolvedLinear:
    model = config("model=linear", "dataset.num_series=9", *overrides).model
    assert isinstance(model, ResolvedLinear)
    return model


def test_what_an_autoregression_looks_at_is_chosen_within_the_context() -> None:
    for overrides, most in (((), 500), (("forecast.context=20",), 20)):
        model = linear(*overrides)
        assert model.lags
        assert model.order == model.lags[-1] <= most
    assert linear("model.centred=true").centred


def test_what_an_autoregression_looks_at_can_be_given() -> None:
    model = linear("model.order=3")
    assert (model.order, model.lags, model.centred, model.joint) == (3, (1, 2, 3), False, True)
    assert linear("model.lags=[1,7]", "model.centred=true").model_dump() == {
        "kind": "linear",
        "order": 7,
        "lags": (1, 7),
        "centred": True,
        "joint": True,
    }
    assert linear("model.lags=[1,7]", "model.order=4").lags == (1, 2, 3, 4), "another order of a run that stored both"
    with pytest.raises(Refused, match=r"model.lags must ascend, each once, got .*7, 1"):
        linear("model.lags=[7,1]")


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        ((), {"forecast.stride"}),
        (("optimizer=lbfgs",), {"training.batch_size", "training.clip_norm"}),
        (("training.refine_epochs=0",), {"training.refine_windows", "training.refine_restart_every"}),
        (("model=linear",), {"optimizer", "training.epochs", "training.batch_size"}),
        (("experiment=article/minutes",), {"training.refine_epochs", "training.noise_start", "training.batch_size"}),
    ],
)
def test_what_has_no_effect_is_known(overrides: tuple[str, ...], keys: set[str]) -> None:
    found = prepared(*overrides)
    assert keys <= without_effect(found.config, found.data.division).keys()
