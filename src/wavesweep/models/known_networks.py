"""Networks that forecast from what is known in advance of the steps to come, beside the last values."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from wavesweep.models.value_networks import drawn

LAST_VALUES = 2  # that are seen in any case


class KnownNetworks(nn.Module):
    """Perceptrons of two hidden layers that give one step ahead at a time.

    Of a step they see what is known of it, how far ahead it is, the last two values, and for each lag the mean of as
    many last values, and both value and what was known at the last observed step that lies a multiple of the lag
    before. They differ in their first weights alone.

    Args:
        num_members: How many there are.
        lags: Steps, the shortest first.
        num_channels: Values at each time step.
        num_features: What is known of each.
        size: Units of both layers.
        num_outputs: What each gives of a step.
        horizon: Steps that they are trained to look ahead.

    Source:
        A network for all steps ahead, given what is known of each: Wen et al. (2017), the local decoder of MQ-RNN.
    """

    def __init__(
        self,
        num_members: int,
        lags: Sequence[int],
        num_channels: int,
        num_features: int,
        size: int,
        num_outputs: int,
        horizon: int,
    ) -> None:
        super().__init__()
        self.lags, self.horizon, self.memory = lags, horizon, max(LAST_VALUES, *lags)
        num_inputs = num_features * (1 + len(lags)) + num_channels * (LAST_VALUES + 2 * len(lags)) + 1
        sizes = [*pairwise([num_inputs, size, size])]
        self.weights = nn.ParameterList(drawn(num_members, *shape, fan=shape[0]) for shape in sizes)
        self.biases = nn.ParameterList(torch.zeros(num_members, 1, size) for _ in sizes)
        self.weight = nn.Parameter(torch.zeros(num_members, size, num_outputs))
        self.bias = nn.Parameter(torch.zeros(num_members, 1, num_outputs))

    def forward(self, values: Tensor, features: Tensor, first: int, steps: int) -> Tensor:
        """Forecast from each origin.

        Args:
            values: Those before the last origin, (window, time, channel).
            features: What is known at each step of these, and `steps` further ones at least, (window, time, feature).
            first: Values before the first origin, at least `memory`.
            steps: How many steps ahead, at most the horizon.

        Returns:
            (member, window, origin, step, output).
        """
        inputs = self._inputs(values, features, first, steps)
        units = inputs.flatten(0, 2).expand(len(self.weight), -1, -1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            units = torch.baddbmm(bias, units, weight).relu()
        outputs = torch.baddbmm(self.bias, units, self.weight)
        return outputs.unflatten(1, inputs.shape[:3])

    def _inputs(self, values: Tensor, features: Tensor, first: int, steps: int) -> Tensor:
        """Return what is seen of each step ahead, (window, origin, step, input)."""
        origins = torch.arange(first, values.shape[1] + 1, device=values.device)
        ahead = torch.arange(steps, device=values.device)
        there = origins[:, None] + ahead
        shape = (len(values), *there.shape, -1)
        last = values.unfold(1, LAST_VALUES, 1)[:, origins - LAST_VALUES].flatten(2)
        distance = ((ahead + 1) / self.horizon).to(values)
        seen = [features[:, there], last[:, :, None].expand(shape), distance[:, None].expand(*shape[:3], 1)]
        for lag in self.lags:
            before = there - lag * (ahead // lag + 1)
            mean = values.unfold(1, lag, 1).mean(dim=3)[:, origins - lag]
            seen += [features[:, before], values[:, before], mean[:, :, None].expand(shape)]
        return torch.cat(seen, dim=3)
