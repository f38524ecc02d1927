"""What networks that see the last values as they are promise, alone and joined with a start."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from wavesweep.models.autoregression import Lags
from wavesweep.models.baseline import Windows
from wavesweep.models.highway_network import HighwayForecaster
from wavesweep.models.start import Start, shares_of
from wavesweep.models.value_networks import ValueNetworks

CHANNELS, HORIZON, MEMORIES = 2, 3, (2, 5)
START = torch.zeros(4, dtype=torch.long)


def series() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(40, CHANNELS)))


def fresh(**options: Any) -> HighwayForecaster:
    torch.manual_seed(0)
    options = {"memories": MEMORIES} | options
    built = HighwayForecaster(
        CHANNELS, [4], horizon=HORIZON, beside=Start(Lags((1, 3))), memory=9, members=2, **options
    )
    built = built.double()
    built.adapt([series()])
    return built.eval()


def trained(*shares: float) -> HighwayForecaster:
    """Return one whose networks forecast something, and have these shares."""
    built = fresh()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    built.shares.copy_(torch.tensor(shares))
    return built


def contexts(steps: int) -> torch.Tensor:
    return series().unfold(0, steps, 8)[:4].transpose(1, 2)


def windows(forecaster: HighwayForecaster, noise: float) -> Windows:
    """Return windows that go on as a network forecasts, but for noise."""
    context = contexts(12)
    with torch.no_grad():
        truth = forecaster.closed_loop(context, START, HORIZON).numpy()
    return Windows(context.numpy(), truth + noise * np.random.default_rng(2).normal(size=truth.shape))


@pytest.mark.parametrize("sizes", [[4], [3, 5]])
def test_each_member_is_what_torch_computes_with_its_weights(sizes: list[int]) -> None:
    torch.manual_seed(0)
    networks = ValueNetworks(3, 6, CHANNELS, sizes, 7).double()
    for parameter in networks.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    given = contexts(6)
    for member, found in enumerate(networks(given)):
        steps, num_inputs = given, CHANNELS
        for layer, size in zip(networks.layers, sizes, strict=True):
            alone = torch.nn.LSTM(num_inputs, size, batch_first=True).double()
            weights = {"bias_hh_l0": torch.zeros(4 * size)}
            names = {"weight_ih_l0": "inputs", "weight_hh_l0": "recurrent", "bias_ih_l0": "bias"}
            for name, ours in names.items():
                add, keep, show, new = getattr(layer, ours)[member].T.chunk(4)
                weights[name] = torch.cat([add, keep, new, show]).reshape(alone.state_dict()[name].shape)
            alone.load_state_dict(weights)
            steps, num_inputs = alone(steps)[0], size
        expected = steps[:, -1] @ networks.weight[member] + networks.bias[member]
        torch.testing.assert_close(found, expected)


def test_before_training_the_start_alone_forecasts_to_the_last_bit() -> None:
    built, alone, context = fresh(), fresh(memories=()), contexts(12)
    assert torch.equal(built.closed_loop(context, START, 7), alone.closed_loop(context, START, 7))
    assert built.lead == max(MEMORIES) > alone.lead, "else a context might be too short for a memory"


def test_a_network_that_has_the_whole_share_forecasts_alone() -> None:
    context = contexts(12)
    for place, memory in enumerate(MEMORIES):
        built = trained(0, *(float(one == memory) for one in MEMORIES))
        expected = built.direct(context)[place].mean(dim=0)
        torch.testing.assert_close(built.closed_loop(context, START, HORIZON), expected)


def test_beyond_what_trained_the_start_stands_in() -> None:
    """For the networks that have seen a value too large, and where shares are decided too."""
    built, start, context = trained(0, 0.4, 0.6), trained(0, 0, 0), contexts(12)
    largest = float(series().max() + 0.1 * (series().max() - series().min()))
    inside, beyond = context.clone(), context.clone()
    inside[1, -4, 0], beyond[1, -4, 0] = series()[:, 0].max() + 1e-6, largest + 1e-6
    found, alone = (one.closed_loop(beyond, START, HORIZON) for one in (built, start))
    of_two = trained(0, 0.4, 0).closed_loop(beyond, START, HORIZON)
    torch.testing.assert_close(found[1], of_two[1], msg="the memory of five has seen it, that of two has not")
    assert not torch.allclose(found[0], of_two[0])
    assert not torch.allclose(built.closed_loop(inside, START, HORIZON)[1], of_two[1])
    far = context + 100
    assert torch.equal(built.closed_loop(far, START, HORIZON), start.closed_loop(far, START, HORIZON))
    assert not torch.allclose(found, alone)
    with torch.no_grad():
        truth = built.direct(far)[0].mean(dim=0).numpy()
    built.combine(Windows(far.numpy(), truth))
    assert built.parts()["last_2"] == 0


@pytest.mark.parametrize("place", [0, 1])
def test_a_memory_bounds_what_is_seen(place: int) -> None:
    built, context, memory = trained(0, 0.5, 0.5), contexts(12), MEMORIES[place]
    for back, same in ((memory + 1, True), (memory, False)):
        changed = context.clone()
        changed[:, -back] += 1
        assert torch.equal(built.direct(context)[place], built.direct(changed)[place]) == same


def test_a_forecast_is_the_mean_of_its_parts_by_their_shares() -> None:
    context, shares = contexts(12), (0.2, 0.3, 0.1)
    alone = [trained(*np.eye(4)[part, 1:]).closed_loop(context, START, HORIZON) for part in range(4)]
    expected = sum(share * one for share, one in zip((1 - sum(shares), *shares), alone, strict=True))
    torch.testing.assert_close(trained(*shares).closed_loop(context, START, HORIZON), expected)


def test_shorter_forecasts_are_prefixes_and_longer_ones_feed_steps_back() -> None:
    built, context = trained(0.2, 0.3, 0.1), contexts(12)
    longest = built.closed_loop(context, START, 7)
    for horizon in (1, 2, 3, 5):
        assert torch.equal(built.closed_loop(context, START, horizon), longest[:, :horizon])
    again = built.closed_loop(torch.cat([context, longest[:, :HORIZON]], dim=1), START, 4)
    torch.testing.assert_close(longest[:, HORIZON:], again)


def test_one_step_ahead_is_the_first_of_several_from_each_origin() -> None:
    built, values = trained(0.2, 0.3, 0.1), contexts(12)
    each = [built.closed_loop(values[:, :origin], START, HORIZON)[:, 0] for origin in range(built.lead, 12)]
    torch.testing.assert_close(built.one_step(values, START), torch.stack(each, dim=1))
    one_step, closed_loop = built.forecast(values, START, 9, HORIZON)
    torch.testing.assert_close(one_step, torch.stack(each, dim=1)[:, -3:])
    torch.testing.assert_close(closed_loop, built.closed_loop(values[:, :9], START, HORIZON))


class TestCombining:
    def test_what_forecasts_best_has_the_most(self) -> None:
        for part, name in enumerate(["corrected", "last_2", "last_5"]):
            built = trained(*np.eye(3)[part])
            built.combine(windows(built, noise=0.1))
            shares = built.parts()
            assert sum(shares.values()) == pytest.approx(1)
            assert max(shares, key=lambda one: shares[one]) == name

    def test_what_is_no_better_than_the_start_has_none(self) -> None:
        built = trained(0, 0, 0)
        built.combine(windows(built, noise=0.1))
        assert built.parts() == {"start": 1, "corrected": 0, "last_2": 0, "last_5": 0}
        context = contexts(12)
        assert torch.equal(built.closed_loop(context, START, 7), fresh().closed_loop(context, START, 7))

    def test_what_is_hardly_worse_than_the_start_has_none_either(self) -> None:
        built = trained(0, 0, 0)
        for parameter in built.members.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        only_start, corrected = deepcopy(built), deepcopy(built)
        corrected.shares.copy_(torch.tensor([1.0, 0.0, 0.0]))
        context = contexts(12)
        start, other = (one.closed_loop(context, START, HORIZON).detach().numpy() for one in (only_start, corrected))
        val = Windows(context.numpy(), start - 20 * (other - start))  # so its error is 1.05² times the start's
        built.combine(val)
        assert val.error(other) == pytest.approx(1.05**2 * val.error(start))
        assert built.parts()["corrected"] == 0

    def test_a_start_without_a_share_is_told_to_have_none(self) -> None:
        assert trained(0, 1 / 3, 2 / 3).parts()["start"] == trained(0, 0.7315, 0.2685).float().parts()["start"] == 0

    def test_only_targets_and_what_was_observed_count(self) -> None:
        built = trained(0, 1, 0)
        val = windows(built, noise=0.1)
        observed = np.ones(val.truth.shape, bool)
        observed[0] = False
        truth = val.truth.copy()
        truth[0] += 50
        truth[..., 1] -= 50
        built.combine(Windows(val.context, val.truth, np.array([0]), observed))
        expected = built.parts()
        built.combine(Windows(val.context, truth, np.array([0]), observed))
        assert built.parts() == expected

    def test_shares_are_stored_with_the_weights(self) -> None:
        built, other, context = trained(0.2, 0.3, 0.1), fresh(), contexts(12)
        other.load_state_dict(built.state_dict())
        assert torch.equal(other.closed_loop(context, START, 7), built.closed_loop(context, START, 7))


@pytest.mark.parametrize("errors", [[1.0, 2.0, 0.5], [1.0, np.inf, 0.9], [3.0, 3.0, 3.0], [0.0, 1.0, 0.0], [1.0, 0.2]])
def test_shares_sum_to_one_and_follow_errors(errors: list[float]) -> None:
    shares = shares_of(errors)
    assert sum(shares) == pytest.approx(1)
    pairs = [*zip(errors, shares, strict=True)]
    assert all(share >= other for error, share in pairs for worse, other in pairs if error < worse)
    assert all(share == 0 or share >= 0.03 for share in shares)
