"""Losses, by hand and as laws, and networks that give several outputs a value."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.models.test_networks import KINDS, START, TWO, values
from tests.support.two_outputs import TWO_OUTPUTS
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import LOSSES, SQUARED, Loss

DRAWS = np.random.default_rng(0)
ALL = {**LOSSES, TWO_OUTPUTS.name: TWO_OUTPUTS}
BY_HAND: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "squared": np.square,
    "absolute": np.abs,
    "huber": lambda error: np.where(np.abs(error) < 1, np.square(error) / 2, np.abs(error) - 0.5),
}


def drawn(loss: Loss) -> tuple[torch.Tensor, torch.Tensor]:
    """Return outputs for two series of 7 steps and 3 channels, and what came."""
    outputs, truth = DRAWS.normal(size=(2, 7, 3 * loss.size)), 3 * DRAWS.normal(size=(2, 7, 3))
    return torch.from_numpy(outputs), torch.from_numpy(truth)


@pytest.mark.parametrize("loss", ALL.values(), ids=ALL)
def test_the_mean_is_that_of_each_value(loss: Loss) -> None:
    outputs, truth = drawn(loss)
    each = loss.each(outputs, truth)
    assert each.shape == truth.shape == loss.point(outputs).shape
    torch.testing.assert_close(loss.mean(outputs, truth), each.mean())


@pytest.mark.parametrize("name", LOSSES)
def test_each_by_hand(name: str) -> None:
    loss = LOSSES[name]
    outputs, truth = drawn(loss)
    np.testing.assert_allclose(loss.each(outputs, truth).numpy(), BY_HAND[name]((outputs - truth).numpy()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_default_is_torch_s_mean_squared_error_to_the_last_bit(dtype: torch.dtype) -> None:
    outputs, truth = (one.to(dtype) for one in drawn(SQUARED))
    assert SQUARED.mean(outputs, truth) == torch.nn.functional.mse_loss(outputs, truth)


@pytest.mark.parametrize("name", TWO)
def test_outputs_that_a_forecast_ignores_change_nothing_of_it(name: str) -> None:
    """Of a network of one output a value that has the weights of the first of each pair."""
    both, alone = TWO[name](), KINDS[name]()
    theirs = both.state_dict()
    for key, value in alone.state_dict().items():
        value.copy_(theirs[key] if theirs[key].shape == value.shape else theirs[key][::2])
    assert_alike(both, alone)


def assert_alike(both: Forecaster, alone: Forecaster) -> None:
    torch.testing.assert_close(both.one_step(values(), START), alone.one_step(values(), START))
    torch.testing.assert_close(both.closed_loop(values(), START, 9), alone.closed_loop(values(), START, 9))
    first = max(both.before, both.lead)
    ahead, expected = (one.ahead(values(), one.inputs(values()), START, first) for one in (both, alone))
    torch.testing.assert_close(both.loss.point(ahead), expected)
    assert not torch.allclose(ahead[..., 1::2], expected), "the second outputs are the first ones again"
