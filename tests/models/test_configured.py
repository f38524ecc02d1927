"""What a model, as it is configured, says that it can do is what its network does; every option is tried."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.support.parts import resolved_model
from wavesweep.config.groups import options
from wavesweep.models.configured import ResolvedModel
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import SQUARED
from wavesweep.models.recurrent_network import RecurrentForecaster

SERIES, STEPS, CHANNELS, HORIZON = 2, 23, 3, 4
START = torch.tensor([0, 4])


def values() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(SERIES, STEPS, CHANNELS)))


def configured(option: str) -> ResolvedModel:
    return resolved_model(values().numpy(), HORIZON, f"model={option}")


def built(model: ResolvedModel) -> Forecaster:
    torch.manual_seed(0)
    network = model.build(CHANNELS, HORIZON, "float64", SQUARED)
    network.adapt([*values()])
    if not model.has_gradient:
        network.fit([*values()])
    for parameter in network.parameters():  # some begin at zero, where nothing can be told
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


@pytest.mark.parametrize("option", options("model"))
class TestEveryOption:
    def test_it_sees_the_past_if_it_says_so(self, option: str) -> None:
        model = configured(option)
        network, changed = built(model), values()
        changed[:, network.lead : -1] += 1
        last, other = (network.one_step(observed, START)[:, -1] for observed in (values(), changed))
        assert torch.equal(last, other) != model.sees_past

    def test_its_closed_loop_feeds_predictions_back_if_it_says_so(self, option: str) -> None:
        """Then its first prediction counts for the second, as the last observed value does for the first."""
        model = configured(option)
        network, changed = built(model), values()
        changed[:, -1] += 1
        ahead, other = (network.closed_loop(observed, START, HORIZON) for observed in (values(), changed))
        assert torch.equal(ahead, other) != model.feeds_back
        observed_too = torch.cat([values(), ahead[:, :1] + model.feeds_back], dim=1)
        further = network.closed_loop(observed_too, START, HORIZON - 1)
        assert torch.allclose(further, ahead[:, 1:]) != model.feeds_back
        as_predicted = torch.cat([values(), ahead[:, :1]], dim=1)
        torch.testing.assert_close(network.closed_loop(as_predicted, START, HORIZON - 1), ahead[:, 1:])

    def test_it_has_a_gradient_or_is_fitted(self, option: str) -> None:
        model = configured(option)
        network = built(model)
        assert any(parameter.requires_grad for parameter in network.parameters()) == model.has_gradient
        assert network.one_step(values(), START).requires_grad == model.has_gradient
        fresh = model.build(CHANNELS, HORIZON, "float64", SQUARED)
        if model.has_gradient:
            with pytest.raises(NotImplementedError):
                fresh.fit([*values()])
        else:
            before = fresh.one_step(values(), START)
            fresh.fit([*values()])
            assert not torch.equal(before, fresh.one_step(values(), START))

    def test_it_can_be_refined_where_a_gradient_reaches_its_closed_loop(self, option: str) -> None:
        model = configured(option)
        ahead = built(model).closed_loop(values(), START, HORIZON)
        assert ahead.requires_grad or not (model.feeds_back and model.has_gradient)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_it_works_in_the_precision_wanted_if_it_is_trained_by_gradient(self, option: str, dtype: str) -> None:
        model = configured(option)
        weights = model.build(CHANNELS, HORIZON, dtype, SQUARED).state_dict()
        precisions = {str(value.dtype) for value in weights.values()}
        assert precisions == {f"torch.{dtype if model.has_gradient else 'float64'}"}

    def test_it_takes_what_it_says_before_a_prediction_and_no_less(self, option: str) -> None:
        network = built(configured(option))
        assert network.one_step(values(), START).shape[1] == STEPS - network.lead
        if network.lead:
            changed = values()
            changed[:, 0] += 1
            first, other = (network.one_step(observed, START)[:, 0] for observed in (values(), changed))
            assert not torch.equal(first, other)


def test_the_options_of_a_recurrent_model_are_keywords_of_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Looked(RecurrentForecaster):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            given.update(options)
            super().__init__(*arguments, **options)

    monkeypatch.setattr("wavesweep.models.recurrent_network.RecurrentForecaster", Looked)
    chosen = {
        "hidden_sizes": (6, 4),
        "head_size": 3,
        "dropout": 0.25,
        "normalization": "layer",
        "difference": True,
        "output": "increment",
        "initialization": "uniform",
    }
    written = {key: str(list(value) if isinstance(value, tuple) else value) for key, value in chosen.items()}
    overrides = (f"model.{key}={value}" for key, value in written.items())
    resolved_model(values().numpy(), HORIZON, "model=small", *overrides).build(2, 1, "float32", SQUARED)
    assert given == {"layer": "LSTM", "loss": SQUARED} | chosen
