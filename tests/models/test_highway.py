"""What networks beside a linear autoregression promise: it is where they begin, and all that they are trained on."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from wavesweep.models.autoregression import Lags, fit_weights, forecast
from wavesweep.models.highway_network import MOST_STEPS, HighwayForecaster
from wavesweep.models.start import Start

CHANNELS, HORIZON, MEMORY = 3, 4, 9
LENGTHS = (23, 31)
START = torch.zeros(2, dtype=torch.long)
LAGS = {"own": Lags((1, 2, 5)), "joint": Lags((1, 3), joint=True), "centred": Lags((1, 2), centred=True)}


def series(scale: float = 1.0) -> list[np.ndarray]:
    draws = np.random.default_rng(1)
    return [scale * draws.normal(size=(length, CHANNELS)).cumsum(axis=0) for length in LENGTHS]


def fresh(lags: Lags, *, memory: int = MEMORY, scale: float = 1.0, **options: Any) -> HighwayForecaster:
    torch.manual_seed(0)
    options = {"relative": True} | options
    built = HighwayForecaster(CHANNELS, [5], horizon=HORIZON, beside=Start(lags), memory=memory, **options).double()
    built.adapt([*map(torch.from_numpy, series(scale))])
    return built.eval()


def trained(lags: Lags, **options: Any) -> HighwayForecaster:
    """Return one whose corrections are no longer 0."""
    built = fresh(lags, **options)
    for parameter in built.members.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built


def contexts(steps: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([one[:steps] for one in series()]))


def alone(built: HighwayForecaster, number: int) -> HighwayForecaster:
    """Return one that has a single one of the members."""
    other = deepcopy(built)
    other.members = torch.nn.ModuleList([other.members[number]])
    return other


def ahead(built: HighwayForecaster, values: torch.Tensor, first: int) -> torch.Tensor:
    return built.ahead(values, built.inputs(values), START, first)


@pytest.mark.parametrize("lags", LAGS.values(), ids=LAGS)
class TestHighway:
    @pytest.mark.parametrize("initialization", ["orthogonal", "uniform"])
    def test_before_training_it_is_linear_autoregression(self, lags: Lags, initialization: str) -> None:
        built, context = fresh(lags, members=2, initialization=initialization), contexts(20)
        weights = fit_weights(series(), lags)
        by_hand = forecast(weights, lags, context.numpy(), 3 * HORIZON)
        found = built.closed_loop(context, START, 3 * HORIZON)
        np.testing.assert_allclose(found.detach().numpy(), by_hand, rtol=1e-9, atol=1e-9)
        one_step = [forecast(weights, lags, context[:, :end].numpy(), 1)[:, 0] for end in range(built.lead, 20)]
        np.testing.assert_allclose(
            built.one_step(context, START).detach().numpy(), np.stack(one_step, axis=1), rtol=1e-9, atol=1e-9
        )

    @pytest.mark.parametrize("washout", [0, 3])
    def test_training_sees_the_closed_loop_of_each_member_from_each_origin(self, lags: Lags, washout: int) -> None:
        built = trained(lags, members=2)
        values = contexts(built.before + MEMORY + HORIZON - 1)
        first = built.lead + washout
        found = ahead(built, values, first)
        origins = range(first, values.shape[1] - HORIZON + 1)
        for number, of_member in enumerate(found):
            member = alone(built, number)
            expected = [member.closed_loop(values[:, :origin], START, HORIZON) for origin in origins]
            torch.testing.assert_close(of_member, torch.stack(expected, dim=1))
        assert not torch.allclose(found[0], found[1])

    def test_the_forecast_is_the_members_mean(self, lags: Lags) -> None:
        built, context = trained(lags, members=3), contexts(20)
        each = [alone(built, number).closed_loop(context, START, HORIZON) for number in range(3)]
        torch.testing.assert_close(built.closed_loop(context, START, HORIZON), torch.stack(each).mean(dim=0))
        steps = [alone(built, number).one_step(context, START) for number in range(3)]
        torch.testing.assert_close(built.one_step(context, START), torch.stack(steps).mean(dim=0))

    def test_no_prediction_sees_what_follows_its_origin(self, lags: Lags) -> None:
        built, values, origin = trained(lags, members=2), contexts(20), 12
        changed = values.clone()
        changed[:, origin:] += 100
        known = slice(0, origin - built.lead + 1)
        one, other = (ahead(built, seen, built.lead) for seen in (values, changed))
        assert torch.equal(one[:, :, known], other[:, :, known])
        assert not torch.isclose(one, other)[:, :, known.stop :].any()

    def test_no_forecast_sees_further_back_than_its_memory(self, lags: Lags) -> None:
        built, values = trained(lags), contexts(20)
        last = 20 - built.before - MEMORY
        for at, same in ((last - 1, True), (last, False)):
            changed = values.clone()
            changed[:, at] += 1
            found = [built.closed_loop(seen, START, 2 * HORIZON) for seen in (values, changed)]
            assert torch.equal(*found) == same

    def test_fewer_origins_are_predicted_the_same(self, lags: Lags) -> None:
        built, values = trained(lags, members=2), contexts(20)
        every = ahead(built, values, built.lead + 1)
        for spacing in (2, 3, 7, 50):
            built.spacing = spacing
            torch.testing.assert_close(ahead(built, values, built.lead + 1), every[:, :, ::spacing])

    def test_a_scale_passes_through(self, lags: Lags) -> None:
        built, scaled, context = fresh(lags), fresh(lags, scale=8), contexts(20)
        one, other = (x.closed_loop(factor * context, START, 9) for x, factor in ((built, 1), (scaled, 8)))
        torch.testing.assert_close(8 * one, other, rtol=1e-9, atol=1e-9)
        inputs, same = (x.inputs(f * context) for x, f in ((built, 1), (scaled, 8)))
        torch.testing.assert_close(inputs, same, rtol=1e-9, atol=1e-9)

    def test_networks_see_errors_in_units_of_those_of_the_training_part(self, lags: Lags) -> None:
        built = fresh(lags, relative=False)
        seen = [built.inputs(torch.from_numpy(one)[None])[0] for one in series()]
        for one, values in zip(seen, series(), strict=True):
            assert torch.equal(one[:, :CHANNELS], torch.from_numpy(values[built.before :]))
            assert (one[0, CHANNELS:] == 0).all(), "nothing was forecast before"
        errors = torch.cat([one[1:, CHANNELS:] for one in seen])
        torch.testing.assert_close(errors.square().mean(dim=0), torch.ones(CHANNELS).double())

    @pytest.mark.parametrize("memory", [1, 2, 9])
    def test_networks_see_values_relative_to_the_last_ones(self, lags: Lags, memory: int) -> None:
        built, context = fresh(lags, memory=memory), contexts(20)
        seen, count = built.inputs(context)[:, :, :CHANNELS], min(memory, built.lead)
        for number, end in enumerate(range(built.lead, 21)):
            last = context[:, end - count : end].numpy()
            spread = np.sqrt(last.var(axis=1) + (built.unit.numpy() / 10) ** 2)
            np.testing.assert_allclose(seen[:, number], (last[:, -1] - last.mean(axis=1)) / spread, atol=1e-9)
        level = torch.tensor([[[1e3, -7.0, 0.3]]])
        torch.testing.assert_close(built.inputs(context + level)[:, :, :CHANNELS], seen, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("channels", "horizon"), [(1, 7), (3, 24), (5, 41), (20, 24)])
def test_long_forecasts_of_many_channels_are_trained_from_fewer_origins(channels: int, horizon: int) -> None:
    spacing = HighwayForecaster(channels, [2], horizon=horizon, beside=Start(Lags((1,))), memory=3).spacing
    assert channels * horizon / spacing <= MOST_STEPS
    assert spacing == 1 or channels * horizon / (spacing - 1) > MOST_STEPS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_errors_of_rounding_have_no_unit(dtype: torch.dtype) -> None:
    """Else networks would see it as large as other errors, and anything else beyond all measure."""
    wave = torch.arange(40)[:, None] * torch.tensor([0.3, 0.7, 0.0])
    values = (100 * torch.cos(wave.double())).to(dtype)
    values[:, 1] += 1e-2 * torch.from_numpy(np.random.default_rng(0).normal(size=40))
    built = HighwayForecaster(CHANNELS, [2], horizon=1, beside=Start(Lags((1, 2))), memory=3).to(dtype)
    built.adapt([values])
    assert built.unit[[0, 2]].tolist() == [1, 1]
    assert 1e-3 < built.unit[1] < 0.1
