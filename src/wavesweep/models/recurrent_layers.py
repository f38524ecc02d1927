"""Recurrent layers: LSTM and GRU."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

State = list[Tensor | tuple[Tensor, Tensor]]  # a layer's hidden state, of an LSTM its cell state too: (series, hidden)


class RecurrentNetwork(nn.Module):
    """Recurrent layers, each followed by optional normalisation and dropout, then a linear output.

    Args:
        num_inputs: Values that it takes at each time step.
        num_outputs: Values that it gives.
        hidden_sizes: Units of each layer.
        layer: `LSTM` or `GRU`.
        head_size: Units of a tanh layer before the output; 0: none.
        dropout: Share of outputs dropped after each layer.
        normalization: `none`, `batch` or `layer`, after each layer.
        initialization: `orthogonal` recurrent weights and an output of 0, or PyTorch's `uniform` ones.

    Source:
        LSTM: Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000); GRU: Cho et al. (2014);
        dropout between layers as in Zaremba et al. (2014).
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        hidden_sizes: Sequence[int],
        *,
        layer: str = "LSTM",
        head_size: int = 0,
        dropout: float = 0.0,
        normalization: str = "none",
        initialization: str = "orthogonal",
    ) -> None:
        super().__init__()
        make = getattr(nn, layer)
        self.cell = getattr(torch, f"{layer.lower()}_cell")  # what advances a layer by one step
        pairs = pairwise([num_inputs, *hidden_sizes])
        self.layers = nn.ModuleList(make(size, hidden, batch_first=True) for size, hidden in pairs)
        self.after = nn.ModuleList(_after_layer(size, normalization, dropout) for size in hidden_sizes)
        self.head = linear_head(hidden_sizes[-1], head_size, num_outputs)
        if initialization == "orthogonal":
            self.layers.apply(_initialize_orthogonal)
            nn.init.zeros_(self.output.weight)  # the mean is predicted until more is learnt

    @property
    def output(self) -> nn.Linear:
        """The linear layer that gives the values."""
        *_, last = (module for module in self.head.modules() if isinstance(module, nn.Linear))
        return last

    def read(self, values: Tensor, begin: State | None = None) -> tuple[Tensor, State]:
        """Run over observed values, (series, time, input), from zero or from a state.

        Returns:
            The outputs of the last layer after each step, (series, time, hidden), and the state after the last.
        """
        outputs, state = values, []
        for number, (layer, after) in enumerate(zip(self.layers, self.after, strict=True)):
            outputs, last = layer(outputs, begin and _as_layers(begin[number]))
            if not isinstance(after, nn.Identity):  # bringing all steps into rows copies them
                outputs = after(outputs.flatten(0, 1)).view_as(outputs)
            state.append((last[0][0], last[1][0]) if isinstance(last, tuple) else last[0])
        return outputs, state

    def predict(self, outputs: Tensor, count: int) -> Tensor:
        """Return the first `count` values that the network gives, given the outputs of its last layer."""
        if isinstance(self.head, nn.Sequential):
            outputs = self.head[:-1](outputs)
        return nn.functional.linear(outputs, self.output.weight[:count], self.output.bias[:count])


def linear_head(num_inputs: int, hidden_size: int, num_outputs: int) -> nn.Module:
    """Return a linear output, by way of a hidden layer where that has a size."""
    if hidden_size == 0:
        return nn.Linear(num_inputs, num_outputs)
    return nn.Sequential(nn.Linear(num_inputs, hidden_size), nn.Tanh(), nn.Linear(hidden_size, num_outputs))


def _as_layers(state: Tensor | tuple[Tensor, Tensor]) -> Any:
    """Return the state of a layer as torch takes it: with an axis for layers."""
    return tuple(one[None] for one in state) if isinstance(state, tuple) else state[None]


def _after_layer(size: int, normalization: str, dropout: float) -> nn.Module:
    """Return the normalisation and dropout after a recurrent layer; they take (rows, hidden)."""
    if normalization == "none" and not dropout:
        return nn.Identity()
    norms = {"none": [], "batch": [nn.BatchNorm1d(size)], "layer": [nn.LayerNorm(size)]}
    return nn.Sequential(*norms[normalization], *([nn.Dropout(dropout)] if dropout else []))


def _initialize_orthogonal(module: nn.Module) -> None:
    """Make recurrent weights orthogonal, input weights Glorot-uniform, biases 0, an LSTM's forget bias 1.

    Source:
        Saxe et al. (2014); Glorot & Bengio (2010); Jozefowicz et al. (2015).
    """
    if not isinstance(module, nn.RNNBase):
        return
    inputs, recurrent, bias, second_bias = module.all_weights[0]
    for gate in recurrent.detach().split(module.hidden_size):
        nn.init.orthogonal_(gate)
    nn.init.xavier_uniform_(inputs)
    nn.init.zeros_(bias)
    nn.init.zeros_(second_bias)
    if isinstance(module, nn.LSTM):
        bias.detach().chunk(4)[1].fill_(1.0)  # gates stand in the order input, forget, cell, output
