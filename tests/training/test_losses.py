"""What is minimised is the loss that was chosen, also where it takes several outputs a value."""

import numpy as np
import pytest

from tests.support.parts import given, go, gradient_descent, kept_network, leave_undrawn, losses, small, train
from tests.support.two_outputs import TWO_OUTPUTS
from wavesweep.config.config import Config
from wavesweep.evaluation.forecasting import forecast_part, quantiles_of_part
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.preparation import prepare
from wavesweep.models.forecaster import evaluating
from wavesweep.models.losses import LOSSES, Quantile
from wavesweep.training.closures import prediction_loss
from wavesweep.workspace.directory import RunDirectory

STAGES = ("training.epochs=8", "training.refine_epochs=4", "training.refine_restart_every=4")
SHORT = (*STAGES, "training.refine_epochs=1")


@pytest.mark.parametrize("name", LOSSES)
def test_training_lowers_the_loss_that_was_chosen_in_both_stages(name: str) -> None:
    resolved = small(f"training.loss={name}", "optimizer=lbfgs", "optimizer.max_iter=3", *STAGES)
    subject, recorded, by_hand = gradient_descent(resolved), [], []
    main = subject.main
    assert main.fixed_windows
    measured = prediction_loss(subject.network, main.fixed_windows, resolved.training.washout, resolved.loss)
    for record in subject.run(lambda _: False):
        recorded.append(record.loss)
        with evaluating(subject.network):
            by_hand.append(measured().item())
    assert recorded[:8] == by_hand[:8]
    assert recorded[7] < 0.7 * recorded[0]
    assert recorded[11] < recorded[8], "of the closed loop"


def test_they_train_to_different_weights() -> None:
    found = [losses(train(gradient_descent(small(f"training.loss={name}", *SHORT)))) for name in LOSSES]
    assert len({*map(tuple, found)}) == len(LOSSES)
    assert found[0] == losses(train(gradient_descent(small(*SHORT)))), "the first is the default"


def noise() -> list[np.ndarray]:
    return [*np.random.default_rng(0).normal(size=(1, 40, 2)).cumsum(axis=1)]


def wave(*overrides: str) -> Config:
    return small(*SHORT, "dataset.length=20", *overrides)


NETWORKS = {
    "recurrent": lambda: wave(),
    "differenced": lambda: wave("model.difference=true"),
    "incremental": lambda: wave("model.output=increment"),
    "differenced, incremental": lambda: wave("model.difference=true", "model.output=increment"),
    "two channels": lambda: given(noise(), *SHORT, "model.hidden_sizes=[5]", "model.highway=false"),
    "highway": lambda: given(noise(), *SHORT, "model.hidden_sizes=[5]", "model.highway=true", "forecast.horizon=3"),
    "pointwise": lambda: wave("model=pointwise", "dataset.num_series=1"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loss_of_two_outputs_a_value_trains_what_forecasts_points(
    name: str, directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_undrawn(monkeypatch)
    monkeypatch.setitem(LOSSES, "squared", TWO_OUTPUTS)
    found = prepare(NETWORKS[name]())
    result = go(found.config, directory)
    assert not result.diverged
    recorded = [row["train/loss"] for row in directory.read_metrics() if "epoch" in row]
    assert recorded[7] < recorded[0]
    network, scaler = kept_network(found.config, directory)
    assert network.loss is TWO_OUTPUTS
    forecasts = forecast_part(network, scaler, found.data.val)
    assert forecasts.closed_loop.shape == found.data.val.truth.shape
    assert np.isfinite(forecasts.closed_loop).all()
    assert forecasts.one_step.shape[2] == len(found.data.channels)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loss_of_quantiles_trains_the_median_with_those_that_are_asked_for(name: str) -> None:
    config = NETWORKS[name]()
    training = config.training.model_copy(update={"loss": "quantile"})
    forecast = config.forecast.model_copy(update={"quantiles": (0.2, 0.5)})
    found = prepare(config.model_copy(update={"training": training, "forecast": forecast}))
    subject = make_trainer(found.config, found.data)
    assert isinstance(subject.network.loss, Quantile)
    assert subject.network.loss.levels == (0.05, 0.2, 0.5, 0.95)
    recorded = losses(train(subject))
    assert min(recorded[1:8]) < recorded[0]
    assert forecast_part(subject.network, found.data.scaler, found.data.val).closed_loop.shape == (
        found.data.val.truth.shape
    )


def test_networks_of_quantiles_begin_at_the_linear_forecast_that_they_stand_beside() -> None:
    """Which is the median, and every other quantile too."""
    made = [
        given(noise(), *SHORT, "model.hidden_sizes=[5]", "forecast.horizon=3", "model.highway=true", loss)
        for loss in ("training.loss=quantile", "training.loss=squared")
    ]
    ahead = []
    for found in map(prepare, made):
        network = make_trainer(found.config, found.data).network
        ahead.append(forecast_part(network, found.data.scaler, found.data.val).closed_loop)
    np.testing.assert_array_equal(*ahead)


def test_the_median_of_a_network_s_quantiles_is_its_forecast() -> None:
    stages = (*SHORT, "model.hidden_sizes=[5]", "model.highway=true", "forecast.horizon=3")
    found = prepare(given(noise(), *stages, "training.loss=quantile", "forecast.quantiles=[0.3]"))
    subject = make_trainer(found.config, found.data)
    train(subject)
    quantiles = quantiles_of_part(subject.network, found.data.scaler, found.data.val)
    assert quantiles is not None
    assert (np.diff(quantiles, axis=0) >= 0).all()
    assert (quantiles[-1] > quantiles[0]).any()
    ahead = forecast_part(subject.network, found.data.scaler, found.data.val).closed_loop
    np.testing.assert_allclose(quantiles[found.config.forecast.levels.index(0.5)], ahead, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["recurrent", "two channels", "pointwise"])
def test_networks_that_know_them_a_step_ahead_at_most_give_none(name: str) -> None:
    config = NETWORKS[name]()
    training = config.training.model_copy(update={"loss": "quantile"})
    found = prepare(config.model_copy(update={"training": training}))
    network = make_trainer(found.config, found.data).network
    assert quantiles_of_part(network, found.data.scaler, found.data.val) is None
