"""Laws that every forecaster keeps, and what is particular to each."""

import numpy as np
import pytest
import torch

from tests.support.commands import config
from wavesweep.data.scaling import Scaler
from wavesweep.data.splits import Part
from wavesweep.models.configured import Linear
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.forecasting import closed_loop, forecast_part
from wavesweep.models.linear import LinearForecaster
from wavesweep.models.recurrent import LSTMForecaster

KINDS = [
    ("model=tiny",),
    ("model=large", "model.hidden_sizes=[6,4]"),
    ("model=tiny", "model.head_size=3"),
    ("model=tiny", "model.output=increment"),
    ("model=tiny", "model.normalization=layer", "model.dropout=0.5"),
    ("model=tiny", "model.normalization=batch"),
    ("model=tiny", "model.initialization=uniform"),
    ("model=tiny", "model.difference=true"),
    ("model=tiny", "model.difference=true", "model.output=increment"),
    ("model=linear", "model.order=3"),
    ("model=pointwise", "dataset.num_series=1"),
]
SERIES, STEPS, CHANNELS, CONTEXT = 2, 23, 3, 16
START = torch.tensor([0, 4])


def network(*overrides: str) -> Forecaster:
    torch.manual_seed(0)
    built = config(*overrides).model.build(CHANNELS, "float64")
    built.adapt(values())
    if isinstance(built, LinearForecaster):
        built.fit(values())
    if isinstance(built, LSTMForecaster):  # laws of a network that predicts a constant would not say much
        for parameter in built.head.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return built.eval()


def values() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(SERIES, STEPS, CHANNELS)))


@pytest.mark.parametrize("overrides", KINDS, ids=" ".join)
class TestEveryForecaster:
    def test_shapes(self, overrides: tuple[str, ...]) -> None:
        built = network(*overrides)
        assert built.one_step(values(), START).shape == (SERIES, STEPS - built.lead, CHANNELS)
        assert built.closed_loop(values(), START, 5).shape == (SERIES, 5, CHANNELS)

    def test_a_forecast_is_a_prefix_of_a_longer_one(self, overrides: tuple[str, ...]) -> None:
        built = network(*overrides)
        longer = built.closed_loop(values(), START, 7)
        torch.testing.assert_close(built.closed_loop(values(), START, 1), longer[:, :1], rtol=1e-12, atol=1e-12)
        # Not to the last bit: a matrix product may add in another order where a batch has another size.
        torch.testing.assert_close(built.closed_loop(values(), START, 6), longer[:, :6], rtol=1e-12, atol=1e-12)

    def test_the_first_step_of_the_closed_loop_is_a_one_step_forecast(self, overrides: tuple[str, ...]) -> None:
        built = network(*overrides)
        first = built.closed_loop(values()[:, :CONTEXT], START, 1)
        torch.testing.assert_close(first[:, 0], built.one_step(values(), START)[:, CONTEXT - built.lead])

    def test_the_closed_loop_is_one_step_forecasts_fed_back(self, overrides: tuple[str, ...]) -> None:
        built = network(*overrides)
        fed = values()[:, :CONTEXT]
        for _ in range(5):
            extended = torch.cat([fed, torch.zeros(SERIES, 1, CHANNELS)], dim=1)  # the last value is never seen
            fed = torch.cat([fed, built.one_step(extended, START)[:, -1:]], dim=1)
        torch.testing.assert_close(built.closed_loop(values()[:, :CONTEXT], START, 5), fed[:, CONTEXT:])

    def test_one_step_forecasts_never_see_what_they_predict(self, overrides: tuple[str, ...]) -> None:
        built = network(*overrides)
        changed = values()
        changed[:, CONTEXT:] += 100
        before, after = (built.one_step(x, START)[:, : CONTEXT + 1 - built.lead] for x in (values(), changed))
        assert torch.equal(before, after)

    def test_series_do_not_influence_each_other(self, overrides: tuple[str, ...]) -> None:
        built = network(*overrides)
        alone = built.closed_loop(values()[1:], START[1:], 4)
        torch.testing.assert_close(alone, built.closed_loop(values(), START, 4)[1:])

    def test_evaluation_switches_to_eval_mode_and_back(self, overrides: tuple[str, ...]) -> None:
        built = network(*overrides).train()
        identity = Scaler(np.zeros(CHANNELS), np.ones(CHANNELS))
        array = values().numpy()
        part = Part(array, 0, array[:, :CONTEXT], array[:, CONTEXT:], START.numpy())
        first, second = (forecast_part(built, identity, part) for _ in range(2))
        assert np.array_equal(first.one_step, second.one_step)
        assert np.array_equal(first.closed_loop, second.closed_loop)
        assert built.training


def test_scaling_is_undone_in_forecasts() -> None:
    built = network("model=tiny")
    scaler = Scaler(np.array([5.0, -2.0, 0.0]), np.array([10.0, 0.1, 1.0]))
    raw = scaler.unscale(values().numpy())
    expected = scaler.unscale(built.closed_loop(values(), START, 4).detach().numpy())
    np.testing.assert_allclose(closed_loop(built, scaler, raw, START.numpy(), 4), expected)


def test_a_horizon_below_one_is_an_error() -> None:
    identity = Scaler(np.zeros(CHANNELS), np.ones(CHANNELS))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        closed_loop(network("model=tiny"), identity, values().numpy(), START.numpy(), 0)
    with pytest.raises(ValueError, match="at least 3 steps, got 2"):
        closed_loop(network("model=linear", "model.order=3"), identity, values().numpy()[:, :2], START.numpy(), 1)


def test_the_lstm_follows_the_usual_equations() -> None:
    built = network("model=large", "model.hidden_sizes=[6,4]")
    assert isinstance(built, LSTMForecaster)
    state = [(torch.zeros(SERIES, size).double(), torch.zeros(SERIES, size).double()) for size in (6, 4)]
    predictions = []
    for value in values()[:, :-1].unbind(1):
        output = value
        for index, layer in enumerate(built.layers):
            assert isinstance(layer, torch.nn.LSTM)
            w_input, w_hidden, b_input, b_hidden = layer.all_weights[0]
            hidden, cell = state[index]
            gates = output @ w_input.T + b_input + hidden @ w_hidden.T + b_hidden
            enter, forget, candidate, leave = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            output = leave.sigmoid() * cell.tanh()
            state[index] = (output, cell)
        predictions.append(built.head(output))
    torch.testing.assert_close(built.one_step(values(), START), torch.stack(predictions, dim=1))


@pytest.mark.parametrize("difference", ["true", "false"])
def test_folding_the_output_into_the_recurrent_weights_changes_nothing(difference: str) -> None:
    built = network("model=tiny", f"model.difference={difference}")
    assert isinstance(built, LSTMForecaster)
    assert built._folds(values())
    predictions, state = built._read(values())
    folded, plain = (run(predictions[:, -1], state, 50) for run in (built._run_on_folded, built._run_on))
    torch.testing.assert_close(folded, plain, rtol=1e-10, atol=1e-10)
    weights = list(built.parameters())
    ours, theirs = (torch.autograd.grad(out.square().sum(), weights, retain_graph=True) for out in (folded, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_differences_don_t_know_the_level() -> None:
    built = network("model=tiny", "model.difference=true")
    shifted = built.closed_loop(values() + 1000, START, 6)
    torch.testing.assert_close(shifted, built.closed_loop(values(), START, 6) + 1000)


def test_taking_differences_of_a_forecast_undoes_their_adding_up() -> None:
    built = network("model=tiny", "model.difference=true")
    assert isinstance(built, LSTMForecaster)
    predictions, state = built._read(built._inputs(values()))
    predicted = built._run_on(predictions[:, -1], state, 9)
    whole = torch.cat([values(), built.closed_loop(values(), START, 9)], dim=1)
    torch.testing.assert_close(built._inputs(whole)[:, STEPS - 1 :], predicted)


def test_differences_are_taken_in_units_of_the_training_part() -> None:
    built = network("model=tiny", "model.difference=true")
    assert isinstance(built, LSTMForecaster)
    scale = torch.tensor([10.0, 0.1, 3.0])
    forecast = built.closed_loop(values(), START, 6)
    built.adapt(values() * scale)
    torch.testing.assert_close(built.closed_loop(values() * scale, START, 6), forecast * scale)
    built.adapt(torch.ones(SERIES, STEPS, CHANNELS))
    assert torch.equal(built.unit, torch.ones(CHANNELS).double()), "a constant channel has no unit of its own"


def test_orthogonal_initialization() -> None:
    torch.manual_seed(0)
    built = config("model=tiny").model.build(CHANNELS, "float64")
    assert torch.equal(built.closed_loop(values(), START, 3).std(dim=1), torch.zeros(SERIES, CHANNELS).double())
    assert isinstance(built, LSTMForecaster)
    layer = built.layers[0]
    assert isinstance(layer, torch.nn.LSTM)
    _, recurrent, bias, second = layer.all_weights[0]
    for gate in recurrent.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(15, dtype=gate.dtype), atol=1e-6, rtol=0)
    assert (bias + second).detach().chunk(4)[1].tolist() == [1.0] * 15
    assert (bias + second).detach().chunk(4)[0].tolist() == [0.0] * 15


def test_dropout_acts_in_training_alone() -> None:
    built = network("model=tiny", "model.dropout=0.5")
    assert torch.equal(built.one_step(values(), START), built.one_step(values(), START))
    built.train()
    assert not torch.equal(built.one_step(values(), START), built.one_step(values(), START))


def test_a_linear_recurrence_is_found_exactly() -> None:
    phases = torch.arange(60, dtype=torch.float64) / 3 + torch.tensor([[0.0], [1.0]])
    series = torch.sin(phases)[..., None]
    built = LinearForecaster(1, Linear(kind="linear", order=4))
    built.fit(series[:, :30])
    torch.testing.assert_close(built.closed_loop(series[:, :30], START, 30), series[:, 30:], atol=1e-9, rtol=0)
