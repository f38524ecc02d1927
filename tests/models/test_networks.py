"""Laws that every forecaster keeps, and what is particular to each."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.two_outputs import TWO_OUTPUTS
from wavesweep.data.parts import Part
from wavesweep.data.scaling import Scaler
from wavesweep.evaluation.forecasting import closed_loop, forecast_part
from wavesweep.models.autoregression import Lags
from wavesweep.models.forecaster import Forecaster, evaluating
from wavesweep.models.highway_network import HighwayForecaster
from wavesweep.models.linear_network import LinearForecaster
from wavesweep.models.losses import SQUARED, Loss
from wavesweep.models.pointwise_network import PointwiseForecaster
from wavesweep.models.recurrent_network import RecurrentForecaster
from wavesweep.models.start import Start

SERIES, STEPS, CHANNELS, CONTEXT = 2, 23, 3, 16
START = torch.tensor([0, 4])
LAYERS = ("LSTM", "GRU")
VARIANTS: dict[str, dict[str, Any]] = {
    "one layer": {},
    "unequal layers": {"hidden_sizes": [6, 4]},
    "head": {"head_size": 3},
    "increment": {"output": "increment"},
    "layer norm, dropout": {"hidden_sizes": [6, 4], "normalization": "layer", "dropout": 0.5},
    "batch norm": {"normalization": "batch"},
    "uniform": {"initialization": "uniform"},
    "difference": {"difference": True},
    "difference, increment": {"difference": True, "output": "increment"},
}
HIGHWAYS: dict[str, dict[str, Any]] = {
    "own channels": {},
    "joint, head": {"lags": Lags((1, 2, 3), joint=True), "head_size": 3},
    "gaps, members": {"lags": Lags((1, 2, 5), centred=True), "members": 2, "hidden_sizes": [6, 4]},
    "GRU, layer norm, dropout": {"layer": "GRU", "normalization": "layer", "dropout": 0.5},
    "four ahead": {"horizon": 4, "members": 2, "relative": True},
    "four ahead, joint, gaps": {"horizon": 4, "lags": Lags((1, 3, 4), joint=True)},
}


def recurrent(layer: str, hidden_sizes: Sequence[int] = (15,), **options: Any) -> RecurrentForecaster:
    """Build a network whose predictions vary: laws of one that predicts a constant would not say much."""
    torch.manual_seed(0)
    built = RecurrentForecaster(CHANNELS, hidden_sizes, layer=layer, **options).double()
    built.adapt([*values()])
    for parameter in built.head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built.eval()


def highway(
    hidden_sizes: Sequence[int] = (6,),
    *,
    horizon: int = 1,
    lags: Lags = Lags((1, 2)),  # noqa: B008  it is frozen
    memory: int = 2 * STEPS,
    **options: Any,
) -> HighwayForecaster:
    """Build one whose corrections vary; it remembers all that tests let it see."""
    torch.manual_seed(0)
    built = HighwayForecaster(
        CHANNELS, hidden_sizes, horizon=horizon, beside=Start(lags), memory=memory, **options
    ).double()
    built.adapt([*values()])
    for member in built._networks():
        for parameter in member.head.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return built.eval()


def linear(order: int = 3) -> LinearForecaster:
    built = LinearForecaster(CHANNELS, Lags(tuple(range(1, order + 1)), joint=True))
    built.fit([*values()])
    return built


def pointwise(loss: Loss = SQUARED) -> PointwiseForecaster:
    torch.manual_seed(0)
    return PointwiseForecaster(CHANNELS, 13, loss).double()


TRAINED: dict[str, Callable[..., Forecaster]] = {"pointwise": pointwise}
TRAINED |= {
    f"{layer} {name}": partial(recurrent, layer, **options) for layer in LAYERS for name, options in VARIANTS.items()
}
TRAINED |= {f"highway, {name}": partial(highway, **options) for name, options in HIGHWAYS.items()}
KINDS: dict[str, Callable[[], Forecaster]] = {"linear": linear, **TRAINED}
TWO = {name: partial(build, loss=TWO_OUTPUTS) for name, build in TRAINED.items()}
"""Those that an optimizer trains, by a loss of two outputs a value."""
ALL = KINDS | {f"{name}, two outputs a value": build for name, build in TWO.items()}


def values() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(SERIES, STEPS, CHANNELS)))


@pytest.mark.parametrize("build", ALL.values(), ids=ALL)
class TestEveryForecaster:
    def test_shapes(self, build: Callable[[], Forecaster]) -> None:
        built = build()
        assert built.one_step(values(), START).shape == (SERIES, STEPS - built.lead, CHANNELS)
        assert built.closed_loop(values(), START, 5).shape == (SERIES, 5, CHANNELS)

    def test_a_forecast_is_a_prefix_of_a_longer_one(self, build: Callable[[], Forecaster]) -> None:
        built = build()
        longer = built.closed_loop(values(), START, 7)
        torch.testing.assert_close(built.closed_loop(values(), START, 1), longer[:, :1], rtol=1e-12, atol=1e-12)
        # Not to the last bit: a matrix product may add in another order where a batch has another size.
        torch.testing.assert_close(built.closed_loop(values(), START, 6), longer[:, :6], rtol=1e-12, atol=1e-12)

    def test_the_first_step_of_the_closed_loop_is_a_one_step_forecast(self, build: Callable[[], Forecaster]) -> None:
        built = build()
        first = built.closed_loop(values()[:, :CONTEXT], START, 1)
        torch.testing.assert_close(first[:, 0], built.one_step(values(), START)[:, CONTEXT - built.lead])

    def test_the_closed_loop_is_one_step_forecasts_fed_back(self, build: Callable[[], Forecaster]) -> None:
        """And of a network that predicts several steps at once, as many of its steps."""
        built = build()
        fed = values()[:, :CONTEXT]
        for _ in range(5):
            if built.horizon == 1:
                extended = torch.cat([fed, torch.zeros(SERIES, 1, CHANNELS)], dim=1)  # the last value is never seen
                ahead = built.one_step(extended, START)[:, -1:]
            else:
                ahead = built.closed_loop(fed, START, built.horizon)
            fed = torch.cat([fed, ahead], dim=1)
        horizon = 5 * built.horizon
        torch.testing.assert_close(built.closed_loop(values()[:, :CONTEXT], START, horizon), fed[:, CONTEXT:])

    def test_one_step_forecasts_never_see_what_they_predict(self, build: Callable[[], Forecaster]) -> None:
        built = build()
        changed = values()
        changed[:, CONTEXT:] += 100
        before, after = (built.one_step(x, START)[:, : CONTEXT + 1 - built.lead] for x in (values(), changed))
        assert torch.equal(before, after)

    def test_series_do_not_influence_each_other(self, build: Callable[[], Forecaster]) -> None:
        built = build()
        alone = built.closed_loop(values()[1:], START[1:], 4)
        torch.testing.assert_close(alone, built.closed_loop(values(), START, 4)[1:])

    def test_evaluation_switches_to_eval_mode_and_back(self, build: Callable[[], Forecaster]) -> None:
        built = build().train()
        identity = Scaler(np.zeros(CHANNELS), np.ones(CHANNELS))
        array = values().numpy()
        part = Part(
            array[:, :CONTEXT],
            array[:, CONTEXT:],
            START.numpy(),
            np.arange(SERIES),
            slice(5, STEPS),
            np.arange(CHANNELS),
            START.numpy() + CONTEXT,
        )
        first, second = (forecast_part(built, identity, part) for _ in range(2))
        assert np.array_equal(first.one_step, second.one_step)
        assert np.array_equal(first.closed_loop, second.closed_loop)
        assert built.training
        assert first.one_step.shape == (SERIES, STEPS - max(5, built.lead), CHANNELS)
        scored = slice(max(5, built.lead) - built.lead, None)
        with evaluating(built):
            torch.testing.assert_close(
                torch.from_numpy(first.one_step), built.one_step(values(), START)[:, scored], rtol=1e-10, atol=1e-10
            )

    @pytest.mark.parametrize("seen", [CONTEXT, CONTEXT + 1, STEPS])
    def test_both_forecasts_at_once_are_those_of_each(self, build: Callable[[], Forecaster], seen: int) -> None:
        built, horizon = build(), STEPS - CONTEXT
        for context in (max(built.lead, 1), 7, CONTEXT):
            one_step, ahead = built.forecast(values()[:, :seen], START, context, horizon)
            alone = built.closed_loop(values()[:, :context], START, horizon)
            torch.testing.assert_close(one_step, built.one_step(values()[:, :seen], START), rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(ahead, alone, rtol=1e-10, atol=1e-10)

    def test_windows_are_forecast_the_same_in_chunks(
        self, build: Callable[[], Forecaster], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        array = np.concatenate([values().numpy(), 2 * values().numpy(), -values().numpy()])[:5]
        start, number, scored = np.arange(5) * 7, np.array([0, 1, 0, 1, 1]), slice(CONTEXT, STEPS)
        targets = np.arange(CHANNELS)
        part = Part(array[:, :CONTEXT], array[:, CONTEXT:], start, number, scored, targets, start + CONTEXT)
        units = Scaler(np.array([[1.0, 2, 3], [0, -1, 9]]), np.array([[1.0, 0.1, 7], [2, 3, 1]]))
        built = build()
        together = forecast_part(built, units, part)
        monkeypatch.setattr("wavesweep.evaluation.forecasting.MOST_WINDOWS", 2)
        apart = forecast_part(built, units, part)
        np.testing.assert_allclose(apart.one_step, together.one_step, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(apart.closed_loop, together.closed_loop, rtol=1e-9, atol=1e-9)


def test_scaling_is_undone_in_forecasts() -> None:
    built = recurrent("LSTM")
    scaler = Scaler(np.array([5.0, -2.0, 0.0]), np.array([10.0, 0.1, 1.0]))
    raw = scaler.unscale(values().numpy())
    expected = scaler.unscale(built.closed_loop(values(), START, 4).detach().numpy())
    np.testing.assert_allclose(closed_loop(built, scaler, raw, START.numpy(), 4), expected)


def test_a_horizon_below_one_is_an_error() -> None:
    identity = Scaler(np.zeros(CHANNELS), np.ones(CHANNELS))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        closed_loop(recurrent("LSTM"), identity, values().numpy(), START.numpy(), 0)
    with pytest.raises(ValueError, match="at least 3 time steps, got 2"):
        closed_loop(linear(order=3), identity, values().numpy()[:, :2], START.numpy(), 1)


def lstm_cell(
    value: torch.Tensor, state: tuple[torch.Tensor, ...], weights: list[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    (hidden, cell), (w_input, w_hidden, b_input, b_hidden) = state, weights
    enter, forget, candidate, leave = (value @ w_input.T + b_input + hidden @ w_hidden.T + b_hidden).chunk(4, dim=1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def gru_cell(
    value: torch.Tensor, state: tuple[torch.Tensor, ...], weights: list[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    (hidden, _), (w_input, w_hidden, b_input, b_hidden) = state, weights
    reset, update, candidate = (value @ w_input.T + b_input).chunk(3, dim=1)
    reset_by, update_by, candidate_by = (hidden @ w_hidden.T + b_hidden).chunk(3, dim=1)
    kept = (update + update_by).sigmoid()
    new = (candidate + (reset + reset_by).sigmoid() * candidate_by).tanh()
    return (1 - kept) * new + kept * hidden, hidden


@pytest.mark.parametrize(("layer", "cell"), [("LSTM", lstm_cell), ("GRU", gru_cell)], ids=LAYERS)
def test_a_recurrent_layer_follows_the_usual_equations(
    layer: str, cell: Callable[..., tuple[torch.Tensor, ...]]
) -> None:
    built = recurrent(layer, hidden_sizes=[6, 4])
    state: list[tuple[torch.Tensor, ...]]
    state = [(torch.zeros(SERIES, size).double(), torch.zeros(SERIES, size).double()) for size in (6, 4)]
    predictions = []
    for value in values()[:, :-1].unbind(1):
        output = value
        for index, module in enumerate(built.layers):
            assert isinstance(module, torch.nn.RNNBase)
            state[index] = cell(output, state[index], module.all_weights[0])
            output = state[index][0]
        predictions.append(built.head(output))
    torch.testing.assert_close(built.one_step(values(), START), torch.stack(predictions, dim=1))


@pytest.mark.parametrize("difference", [True, False])
def test_folding_the_output_into_the_recurrent_weights_changes_nothing(*, difference: bool) -> None:
    built = recurrent("LSTM", difference=difference)
    assert built._folds(values())
    predictions, state = built._read(values())
    folded, plain = (run(predictions[:, -1], state, 50) for run in (built._run_on_folded, built._run_on))
    torch.testing.assert_close(folded, plain, rtol=1e-10, atol=1e-10)
    weights = list(built.parameters())
    ours, theirs = (torch.autograd.grad(out.square().sum(), weights, retain_graph=True) for out in (folded, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_only_an_lstm_of_one_plain_layer_is_folded() -> None:
    folding = {
        f"{layer} {name}": recurrent(layer, **options)._folds(values())
        for layer in LAYERS
        for name, options in VARIANTS.items()
    }
    assert {name for name, folds in folding.items() if folds} == {"LSTM one layer", "LSTM uniform", "LSTM difference"}


@pytest.mark.parametrize("layer", LAYERS)
class TestDifferences:
    def test_they_don_t_know_the_level(self, layer: str) -> None:
        built = recurrent(layer, difference=True)
        shifted = built.closed_loop(values() + 1000, START, 6)
        torch.testing.assert_close(shifted, built.closed_loop(values(), START, 6) + 1000)

    def test_taking_them_of_a_forecast_undoes_their_adding_up(self, layer: str) -> None:
        built = recurrent(layer, difference=True)
        predictions, state = built._read(built._inputs(values()))
        predicted = built._run_on(predictions[:, -1], state, 9)
        whole = torch.cat([values(), built.closed_loop(values(), START, 9)], dim=1)
        torch.testing.assert_close(built._inputs(whole)[:, STEPS - 1 :], predicted)

    def test_they_are_taken_in_units_of_the_training_part(self, layer: str) -> None:
        built = recurrent(layer, difference=True)
        scale = torch.tensor([10.0, 0.1, 3.0])
        forecast = built.closed_loop(values(), START, 6)
        built.adapt([*(values() * scale)])
        torch.testing.assert_close(built.closed_loop(values() * scale, START, 6), forecast * scale)
        built.adapt([torch.ones(STEPS, CHANNELS)])
        assert torch.equal(built.unit, torch.ones(CHANNELS).double()), "a constant channel has no unit of its own"


@pytest.mark.parametrize(("layer", "gates"), [("LSTM", 4), ("GRU", 3)], ids=LAYERS)
def test_orthogonal_initialization(layer: str, gates: int) -> None:
    torch.manual_seed(0)
    built = RecurrentForecaster(CHANNELS, [15, 7], layer=layer).double()
    assert torch.equal(built.closed_loop(values(), START, 3).std(dim=1), torch.zeros(SERIES, CHANNELS).double())
    for module, size in zip(built.layers, (15, 7), strict=True):
        assert isinstance(module, torch.nn.RNNBase)
        _, weights, bias, second = module.all_weights[0]
        assert weights.shape == (gates * size, size)
        for gate in weights.chunk(gates):
            torch.testing.assert_close(gate @ gate.T, torch.eye(size, dtype=gate.dtype), atol=1e-6, rtol=0)
        biases = [gate.tolist() for gate in (bias + second).detach().chunk(gates)]
        expected = [[0.0] * size for _ in range(gates)]
        if layer == "LSTM":
            expected[1] = [1.0] * size  # it forgets little at first
        assert biases == expected


@pytest.mark.parametrize("layer", LAYERS)
def test_uniform_initialization_is_torch_s(layer: str) -> None:
    torch.manual_seed(0)
    built = RecurrentForecaster(CHANNELS, [5], layer=layer, initialization="uniform")
    torch.manual_seed(0)
    theirs = getattr(torch.nn, layer)(CHANNELS, 5, batch_first=True)
    assert all(
        torch.equal(ours, other) for ours, other in zip(built.layers.parameters(), theirs.parameters(), strict=True)
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_dropout_acts_in_training_alone(layer: str) -> None:
    built = recurrent(layer, dropout=0.5)
    assert torch.equal(built.one_step(values(), START), built.one_step(values(), START))
    built.train()
    assert not torch.equal(built.one_step(values(), START), built.one_step(values(), START))


def test_a_linear_recurrence_is_found_exactly() -> None:
    phases = torch.arange(60, dtype=torch.float64) / 3 + torch.tensor([[0.0], [1.0]])
    series = torch.sin(phases)[..., None]
    built = LinearForecaster(1, Lags((1, 2, 3, 4)))
    built.fit([*series[:, :30]])
    torch.testing.assert_close(built.closed_loop(series[:, :30], START, 30), series[:, 30:], atol=1e-9, rtol=0)
