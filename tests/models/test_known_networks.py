"""What networks that see what is known in advance promise, alone and joined with a start."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from wavesweep.models.autoregression import Lags
from wavesweep.models.baseline import Windows
from wavesweep.models.highway_network import ROWS, HighwayForecaster
from wavesweep.models.known_networks import KnownNetworks
from wavesweep.models.losses import SQUARED, Loss, Quantile
from wavesweep.models.start import Start
from wavesweep.training import windows as cut
from wavesweep.training.closures import direct_loss

CHANNELS, FEATURES, HORIZON, LAGS, CONTEXT = 2, 3, 5, (2, 7), 14
START = torch.zeros(4, dtype=torch.long)
QUANTILES = Quantile((0.1, 0.5, 0.9))


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, size=shape))


VALUES = drawn(4, CONTEXT, CHANNELS, seed=0)
KNOWN = drawn(4, CONTEXT + 2 * HORIZON + 1, CHANNELS + FEATURES, seed=1)


def fresh(loss: Loss = SQUARED, **options: Any) -> HighwayForecaster:
    torch.manual_seed(0)
    options = {"known": LAGS, "num_features": FEATURES} | options
    beside = Start(Lags((1, 3)))
    built = HighwayForecaster(
        CHANNELS, [4], horizon=HORIZON, beside=beside, memory=3, members=2, loss=loss, **options
    ).double()
    built.adapt([drawn(60, CHANNELS, seed=2)])
    return built.eval()


def trained(share: float, loss: Loss = SQUARED) -> HighwayForecaster:
    """Return one whose networks of what is known forecast something, and have this share."""
    built = fresh(loss)
    assert built.of_known
    for parameter in built.of_known.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    built.shares.copy_(torch.tensor([0.0, share]))
    return built


@pytest.mark.parametrize("first", [7, 9, CONTEXT])
def test_each_sees_of_a_step_what_is_said(first: int) -> None:
    torch.manual_seed(0)
    networks = KnownNetworks(3, LAGS, CHANNELS, FEATURES, 4, 6, HORIZON).double()
    for parameter in networks.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    features = KNOWN[..., CHANNELS:]
    found = networks(VALUES, features, first, HORIZON)
    assert found.shape == (3, 4, CONTEXT + 1 - first, HORIZON, 6)
    for member, window, origin, ahead in product(range(3), range(4), range(first, CONTEXT + 1), range(HORIZON)):
        there = origin + ahead
        seen = [features[window, there], VALUES[window, origin - 2 : origin].T.flatten()]
        seen.append(torch.tensor([(ahead + 1) / HORIZON]))
        for lag in LAGS:
            before = max(step for step in range(there % lag, origin, lag))
            seen += [
                features[window, before],
                VALUES[window, before],
                VALUES[window, origin - lag : origin].mean(dim=0),
            ]
        units = torch.cat(seen)
        for weight, bias in zip(networks.weights, networks.biases, strict=True):
            units = (units @ weight[member] + bias[member, 0]).relu()
        expected = units @ networks.weight[member] + networks.bias[member, 0]
        torch.testing.assert_close(found[member, window, origin - first, ahead], expected)


def test_before_training_the_start_alone_forecasts_to_the_last_bit() -> None:
    alone = fresh(known=(), num_features=0)
    assert torch.equal(fresh().closed_loop(VALUES, START, 7, KNOWN), alone.closed_loop(VALUES, START, 7))


@pytest.mark.parametrize("loss", [SQUARED, QUANTILES])
def test_they_see_values_with_effects_and_forecast_what_these_leave(loss: Loss) -> None:
    built = trained(1.0, loss)
    assert built.of_known
    effects, features = KNOWN.split([CHANNELS, FEATURES], dim=2)
    outputs = built.of_known(VALUES + effects[:, :CONTEXT], features, CONTEXT, HORIZON)[:, :, 0]
    points = loss.point(loss.in_order(outputs).mean(dim=0))
    expected = points - effects[:, CONTEXT : CONTEXT + HORIZON]
    torch.testing.assert_close(built.closed_loop(VALUES, START, HORIZON, KNOWN), expected)
    quantiles = built.quantiles(VALUES, START, KNOWN)
    if isinstance(loss, Quantile):
        assert quantiles is not None
        torch.testing.assert_close(quantiles[..., 1], expected)


def test_a_share_is_of_the_mean_with_the_start() -> None:
    start, half, whole = (trained(share).closed_loop(VALUES, START, HORIZON, KNOWN) for share in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (start + whole) / 2)
    assert not torch.allclose(start, whole)


def test_a_longer_forecast_feeds_itself_back_and_a_shorter_one_is_its_beginning() -> None:
    built = trained(0.7)
    longest = built.closed_loop(VALUES, START, 2 * HORIZON + 1, KNOWN)
    for horizon in range(1, 2 * HORIZON + 1):
        told = KNOWN[:, : CONTEXT + horizon]
        torch.testing.assert_close(built.closed_loop(VALUES, START, horizon, told), longest[:, :horizon])
    fed_back = torch.cat([VALUES, longest[:, :HORIZON]], dim=1)
    torch.testing.assert_close(built.closed_loop(fed_back, START, HORIZON, KNOWN), longest[:, HORIZON:-1])


def test_one_step_predictions_are_first_steps() -> None:
    built, values = trained(0.7), torch.cat([VALUES, drawn(4, 4, CHANNELS, seed=3)], dim=1)
    origins = range(built.lead, values.shape[1])
    each = [built.closed_loop(values[:, :origin], START, HORIZON, KNOWN)[:, 0] for origin in origins]
    torch.testing.assert_close(built.one_step(values, START, KNOWN), torch.stack(each, dim=1))
    one_step, closed_loop = built.forecast(values, START, CONTEXT, HORIZON, KNOWN)
    torch.testing.assert_close(closed_loop, built.closed_loop(VALUES, START, HORIZON, KNOWN))
    torch.testing.assert_close(one_step[:, -4:], torch.stack(each, dim=1)[:, -4:])


def test_they_get_a_share_where_they_are_better_on_validation_and_what_is_unfamiliar_is_left_to_the_start() -> None:
    built = trained(1.0)
    truth = built.closed_loop(VALUES, START, HORIZON, KNOWN).detach().numpy()
    told = KNOWN[:, : CONTEXT + HORIZON].numpy()
    built.combine(Windows(VALUES.numpy(), truth), told)
    assert built.parts() == {"start": 0.0, "corrected": 0.0, "known": 1.0}
    built.combine(Windows(VALUES.numpy(), fresh().closed_loop(VALUES, START, HORIZON, KNOWN).detach().numpy()), told)
    assert built.parts()["known"] == 0
    built.shares.copy_(torch.tensor([0.0, 1.0]))
    far = VALUES.clone()
    far[1, CONTEXT - 7] += 10  # the earliest that they see
    start = fresh().closed_loop(far, START, HORIZON)
    found = built.closed_loop(far, START, HORIZON, KNOWN)
    torch.testing.assert_close(found[1], start[1])
    assert not torch.allclose(found[0], start[0])


def test_training_looks_at_so_many_steps_of_the_first_windows() -> None:
    built = trained(1.0).train()
    count = ROWS // HORIZON
    values, known = VALUES[:1].repeat(count + 3, 1, 1), KNOWN[:1].repeat(count + 3, 1, 1)
    [outputs] = built.direct(values, known)
    assert outputs.shape == (2, count, HORIZON, CHANNELS)
    [of_all] = built.eval().direct(values, known)
    assert of_all.shape == (2, count + 3, HORIZON, CHANNELS)


def test_the_loss_of_training_is_of_these_windows() -> None:
    built, count = trained(1.0).train(), ROWS // HORIZON
    steps = CONTEXT + HORIZON
    values = drawn(count + 3, steps, CHANNELS, seed=4)
    known = KNOWN[:1, :steps].repeat(count + 3, 1, 1)

    def loss() -> float:
        windows = cut.Windows(torch.cat([values, known], dim=2), torch.zeros(count + 3))
        return direct_loss(built, windows, CHANNELS, SQUARED)().item()

    [outputs] = built.direct(values[:, :CONTEXT], known)
    squared = (outputs - values[:count, CONTEXT:]).square().mean().item()
    assert loss() == pytest.approx(squared, rel=1e-9)
    values[count:] += 1
    assert loss() == pytest.approx(squared, rel=1e-9)


def test_they_join_only_where_the_mean_with_all_others_is_better() -> None:
    built, told = trained(1.0), KNOWN[:, : CONTEXT + HORIZON].numpy()
    own, start = (one.closed_loop(VALUES, START, HORIZON, KNOWN).detach().numpy() for one in (built, fresh()))
    built.combine(Windows(VALUES.numpy(), start - 2 * (own - start)), told)
    assert built.parts()["known"] == 0
    built.combine(Windows(VALUES.numpy(), start + 0.4 * (own - start)), told)
    assert 0 < built.parts()["known"] < 0.5


def test_what_is_known_must_be_told() -> None:
    with pytest.raises(ValueError, match="known in advance"):
        trained(1.0).closed_loop(VALUES, START, HORIZON)
