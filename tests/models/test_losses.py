"""Losses, by hand and as laws, and networks that give several outputs a value."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.models.test_networks import KINDS, START, TWO, values
from tests.support.two_outputs import TWO_OUTPUTS
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import LOSSES, SQUARED, Loss, Quantile

DRAWS = np.random.default_rng(0)
QUANTILES = Quantile((0.1, 0.5, 0.7, 0.8))
ALL = {**LOSSES, TWO_OUTPUTS.name: TWO_OUTPUTS, "quantiles": QUANTILES}
BY_HAND: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "squared": np.square,
    "absolute": np.abs,
    "quantile": np.abs,  # of the median alone
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


class TestQuantiles:
    def test_each_by_hand(self) -> None:
        outputs, truth = torch.tensor([[-1.0, 0.0, 1.0, 4.0]]), torch.tensor([[2.0]])
        by_hand = 2 * (0.1 * 3 + 0.5 * 2 + 0.7 * 1 + 0.2 * 2) / 4
        assert QUANTILES.each(outputs, truth).item() == pytest.approx(by_hand)

    def test_they_never_cross_and_their_median_is_forecast(self) -> None:
        outputs, _ = drawn(QUANTILES)
        found = QUANTILES.quantiles(outputs)
        assert found.shape == (2, 7, 3, 4)
        assert (found.diff(dim=-1) >= 0).all()
        torch.testing.assert_close(QUANTILES.point(outputs), found[..., 1])
        torch.testing.assert_close(QUANTILES.in_order(outputs).unflatten(-1, (3, 4)), found)

    def test_the_order_of_outputs_is_nothing_to_it_and_sorting_never_raises_the_loss(self) -> None:
        outputs, truth = drawn(QUANTILES)
        shuffled = outputs.unflatten(-1, (3, 4))[..., [2, 0, 3, 1]].flatten(-2)
        torch.testing.assert_close(QUANTILES.each(shuffled, truth), QUANTILES.each(outputs, truth))
        above = truth[..., None] - outputs.unflatten(-1, (3, 4))
        levels = torch.tensor(QUANTILES.levels, dtype=above.dtype)
        unsorted = 2 * torch.maximum(levels * above, (levels - 1) * above).mean(dim=-1)
        assert (QUANTILES.each(outputs, truth) <= unsorted + 1e-12).all()
        assert (QUANTILES.each(outputs, truth) < unsorted - 1e-3).any()

    def test_the_least_mean_has_what_so_many_lie_below(self) -> None:
        truth = torch.from_numpy(DRAWS.exponential(size=(4000, 1)))
        outputs = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([outputs], max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            found = QUANTILES.mean(outputs.expand(4000, 4), truth)
            found.backward()
            return found

        optimizer.step(loss)
        below = (truth < QUANTILES.quantiles(outputs.detach())[0, 0]).double().mean(dim=0)
        np.testing.assert_allclose(below.numpy(), QUANTILES.levels, atol=0.02)

    def test_in_closed_loop_the_median_counts(self) -> None:
        points, truth = torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 4.0]])
        assert QUANTILES.mean_of_points(points, truth).item() == 1.5


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
