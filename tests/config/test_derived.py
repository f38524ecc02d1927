"""What is derived from the shape of the data, and what is refused because of it."""

import pytest

from tests.support.parts import composed, config, small
from wavesweep.base.errors import Refused
from wavesweep.config.derived import fill_in, find_device, without_effect
from wavesweep.data.generated import Generated
from wavesweep.data.rows import rows_of, splits_by_time
from wavesweep.models.configured import Linear


def test_everything_follows_from_the_shape() -> None:
    filled = small()
    rows = rows_of(filled.dataset)
    assert (rows.train, rows.val, rows.test) == (5, 1, 1)
    assert (filled.forecast.horizon, filled.forecast.context) == (40, 40)
    assert (filled.training.window, filled.training.washout) == (40, 12)
    assert fill_in(filled) == filled


def test_sizes_are_drawn_from_the_seed_unless_given() -> None:
    drawn = ("dataset=cos_sin_squared", "dataset.num_series=null", "dataset.length=null", "dataset.width=null")
    first, again, other = (fill_in(composed(*drawn, f"seed={seed}")).dataset for seed in (0, 0, 1))
    assert first == again
    assert first.shape[0] != other.shape[0]
    for dataset in (first, other):
        assert isinstance(dataset, Generated)
        assert 50 <= (dataset.num_series or 0) < 200
        assert 800 <= (dataset.length or 0) < 1200
        assert 10 <= dataset.model_dump()["width"] < 30
    assert fill_in(composed(*drawn, "dataset.num_series=9")).dataset.shape == (9, first.shape[1])


def test_the_article_splits_95_percent_off_and_validates_on_further_series() -> None:
    dataset = config("experiment=article/cos_sin_squared").dataset
    assert isinstance(dataset, Generated)
    rows, drawn = rows_of(dataset), dataset.num_series or 0
    assert (rows.train, rows.val, rows.test) == (round(0.95 * drawn), 3, drawn - round(0.95 * drawn))
    assert dataset.shape[0] == drawn + 3


def test_a_single_series_is_split_by_time() -> None:
    filled = config("dataset.num_series=1", "dataset.length=100")
    assert splits_by_time(filled.dataset)
    rows = rows_of(filled.dataset)
    assert (rows.train, rows.val, rows.test) == (70, 15, 15)
    assert (filled.forecast.horizon, filled.forecast.context, filled.forecast.stride) == (15, 70, 15)
    assert filled.training.window == 70


REFUSALS = [
    (("dataset.num_series=2",), "dataset.split must leave series to train, to validate and to test on, got 2"),
    (("dataset.num_series=1", "dataset.length=3", "dataset.split=[3,0,0]"), "must leave time steps to train and"),
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


def test_the_order_of_an_autoregression_fits_what_it_sees() -> None:
    for overrides, order in (((), 32), (("forecast.context=20",), 10), (("dataset=linear_noise",), 5)):
        model = config("model=linear", *overrides).model
        assert isinstance(model, Linear)
        assert model.order == order


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
    assert keys <= without_effect(config(*overrides)).keys()
