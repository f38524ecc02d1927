"""Recurrent models beside a highway or without one, and what follows for them."""

import numpy as np
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.parts import composed, given, train, trainer
from wavesweep.config.resolve import outline
from wavesweep.experiment.preparation import prepare
from wavesweep.models.autoregression import Lags
from wavesweep.models.configured import Model
from wavesweep.models.highway_network import HighwayForecaster
from wavesweep.models.losses import SQUARED
from wavesweep.models.recurrent import Recurrent

GENERATED = ("dataset.num_series=7", "dataset.length=40", "dataset.width=3")


def noise(num_series: int = 1, steps: int = 120) -> list[np.ndarray]:
    return [*np.random.default_rng(0).normal(size=(num_series, steps, 2))]


def recurrent(model: Model) -> Recurrent:
    assert isinstance(model, Recurrent)
    return model


def settled(*overrides: str) -> Recurrent:
    return recurrent(outline(given(noise(), *overrides)).model)


@pytest.mark.parametrize(("num_series", "panel"), [(1, False), (4, True)])
def test_series_that_end_and_are_split_by_time_have_a_highway(num_series: int, *, panel: bool) -> None:
    found = outline(given(noise(num_series), panel=panel))
    model = recurrent(found.model)
    assert (model.highway, model.members, model.memory, model.relative) == (True, 4, 32, True)
    assert (model.dropout, model.difference) == (0.2, False)
    assert found.optimizer.lr == 3e-3
    training = found.training
    assert (training.window, training.washout, training.refine_epochs, training.noise_start) == (64, 6, 0, 0.3)


@pytest.mark.parametrize("generated", [GENERATED, ("dataset.num_series=1", "dataset.length=200")])
def test_generated_ones_have_none(generated: tuple[str, ...]) -> None:
    found = outline(composed(*generated))
    model = recurrent(found.model)
    assert (model.highway, model.members, model.dropout) == (False, 1, 0.0)
    assert found.optimizer.lr == 1e-2
    assert (found.training.refine_epochs, found.training.noise_start) == (40, 0)
    assert recurrent(outline(composed(*generated, "model.highway=true")).model).members == 4


def test_series_that_are_split_from_each_other_have_none() -> None:
    assert not recurrent(outline(given(noise(num_series=7))).model).highway


@pytest.mark.parametrize("asked", ["model.difference=true", "model.output=increment"])
def test_what_a_highway_does_not_go_with_is_refused_or_takes_its_place(asked: str) -> None:
    assert not settled(asked).highway
    with pytest.raises(Refused) as refused:
        settled(asked, "model.highway=true")
    rule = "model.highway=true must stand with model.difference=false and model.output=value"
    assert str(refused.value) == f"{rule}, got {asked}; leave one of them out"


@pytest.mark.parametrize("data", [GENERATED, None])
def test_without_a_highway_there_is_a_single_network(data: tuple[str, ...] | None) -> None:
    asked = ("model.members=2", "model.highway=false")
    with pytest.raises(Refused, match=r"^model.members must be 1 without a highway, got 2; give"):
        outline(composed(*data, *asked) if data else given(noise(), *asked))


@pytest.mark.parametrize(("horizon", "highway"), [(16, True), (17, False)])
def test_there_is_room_for_lags_beside_a_horizon_of_a_third(horizon: int, *, highway: bool) -> None:
    short = given(noise(), f"forecast.horizon={horizon}", split=(50, 35, 35))
    model = recurrent(prepare(short).config.model)  # which chooses lags, and refuses none
    assert (model.highway, bool(model.lags)) == (highway, highway)


def test_a_highway_that_could_not_be_trained_is_refused() -> None:
    asked = (
        "model.highway=true",
        "model.lags=[1,30]",
        "training.washout=4",
        "forecast.context=30",
        "training.epochs=1",
    )
    most = 50 - 30 - 3
    fits = prepare(given(noise(), *asked, f"forecast.horizon={most}", split=(50, 35, 35)))
    assert train(trainer(fits.config))[-1].loss > 0
    too_far = given(noise(), *asked, f"forecast.horizon={most + 1}", split=(50, 35, 35))
    rule = r"^forecast.horizon must be at most 17 with model.highway=true, got 18: of the 50 training steps, 30 are"
    with pytest.raises(Refused, match=rule):
        prepare(too_far)


def test_what_is_given_stays() -> None:
    asked = ("model.members=1", "model.memory=7", "model.relative=false", "model.dropout=0", "model.lags=[1,3]")
    asked += ("optimizer.lr=0.5",)
    found = outline(given(noise(), *asked))
    model = recurrent(found.model)
    assert (model.members, model.memory, model.relative, model.dropout, model.lags) == (1, 7, False, 0, (1, 3))
    assert (found.training.window, found.optimizer.lr) == (14, 0.5)
    assert recurrent(prepare(given(noise(), *asked)).config.model).lags == (1, 3)


def test_lags_are_refused_where_they_reach_too_far() -> None:
    with pytest.raises(Refused, match=r"^model.lags must be less than the 84 training steps, got 84$"):
        settled("model.lags=[1,84]")
    with pytest.raises(Refused, match=r"^model.lags must be at most forecast.context = 5, got 6$"):
        settled("model.lags=[6]", "forecast.context=5")


def test_preparing_again_changes_nothing() -> None:
    for config in (composed(*GENERATED), given(noise()), given(noise(), "model.highway=false")):
        once = prepare(config).config
        assert prepare(once).config == once


def test_what_it_looks_at_is_chosen_and_built() -> None:
    config = prepare(given(noise(), "model.members=2", "model.memory=5", "forecast.horizon=3")).config
    network, model = config.model.build(2, 3, "float64", SQUARED), recurrent(config.model)
    assert isinstance(network, HighwayForecaster)
    assert model.lags
    assert network.beside.lags == Lags(model.lags, centred=bool(model.centred), joint=bool(model.joint))
    assert (len(network.members), network.memory, network.horizon, network.relative) == (2, 5, 3, True)
