"""Networks that forecast all steps at once from the last values as they are."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class ValueNetworks(nn.Module):
    """LSTMs that read the last values, from a state of zero, and give all steps ahead at once.

    They differ in their first weights alone, and are computed together: one after the other, torch's own layers take
    several times as long for so few values.

    Args:
        num_members: How many there are.
        memory: How many values they read.
        num_channels: Values at each time step.
        hidden_sizes: Units of each layer.
        num_outputs: What each gives.

    Source:
        Hochreiter & Schmidhuber (1997); all steps at once against one step fed back: Taieb et al. (2012).
    """

    def __init__(
        self, num_members: int, memory: int, num_channels: int, hidden_sizes: Sequence[int], num_outputs: int
    ) -> None:
        super().__init__()
        self.memory = memory
        sizes = pairwise([num_channels, *hidden_sizes])
        self.layers = nn.ModuleList(_Layers(num_members, size, hidden) for size, hidden in sizes)
        self.weight = nn.Parameter(torch.zeros(num_members, hidden_sizes[-1], num_outputs))
        self.bias = nn.Parameter(torch.zeros(num_members, 1, num_outputs))

    def forward(self, windows: Tensor) -> Tensor:
        """Return what each member gives after windows, (window, memory, channel): (member, window, output)."""
        steps = windows.transpose(0, 1).expand(len(self.weight), -1, -1, -1)
        for layer in self.layers:
            steps = layer(steps)
        return torch.baddbmm(self.bias, steps[:, -1], self.weight)


class _Layers(nn.Module):
    """A layer of each member."""

    def __init__(self, num_members: int, num_inputs: int, size: int) -> None:
        super().__init__()
        self.inputs = nn.Parameter(drawn(num_members, num_inputs, 4 * size, fan=size))
        self.recurrent = nn.Parameter(drawn(num_members, size, 4 * size, fan=size))
        self.bias = nn.Parameter(torch.zeros(num_members, 1, 4 * size))

    def forward(self, steps: Tensor) -> Tensor:
        """Return the outputs, (member, time, window, unit), after each step of (member, time, window, input)."""
        members, size, _ = self.recurrent.shape
        sums = torch.baddbmm(self.bias, steps.flatten(1, 2), self.inputs).view(*steps.shape[:3], -1)
        hidden = cell = steps.new_zeros(members, steps.shape[2], size)
        outputs = []
        for of_inputs in sums.unbind(1):
            gates = torch.baddbmm(of_inputs, hidden, self.recurrent)
            add, keep, show = gates[..., : 3 * size].sigmoid().chunk(3, dim=-1)
            cell = keep * cell + add * gates[..., 3 * size :].tanh()
            hidden = show * cell.tanh()
            outputs.append(hidden)
        return torch.stack(outputs, dim=1)


def drawn(*shape: int, fan: int) -> Tensor:
    """Return weights as torch draws those of its recurrent layers."""
    weights = torch.rand(shape)
    if weights.is_meta:  # there are none to be scaled, and torch would import its compiler for that
        return weights
    return (2 * weights - 1) / math.sqrt(fan)
