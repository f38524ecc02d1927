"""Recurrent networks: LSTM and GRU."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from wavesweep.models.forecaster import Forecaster, linear_head

CELLS: dict[str, Callable[..., Any]] = {"LSTM": torch.lstm_cell, "GRU": torch.gru_cell}
"""By the name of a layer, what advances it by one step."""

State = list[Tensor | tuple[Tensor, Tensor]]  # a layer's hidden state, of an LSTM its cell state too: (series, hidden)


class RecurrentForecaster(Forecaster):
    """Recurrent layers, each followed by optional normalisation and dropout, then a linear output.

    With `difference` the layers take and predict the differences between values: where series drift, levels
    beyond those of the training part are then nothing new.

    Args:
        num_channels: Values at each time step.
        hidden_sizes: Units of each layer.
        layer: `LSTM` or `GRU`.
        head_size: Units of a tanh layer before the output; 0: none.
        dropout: Share of outputs dropped after each layer.
        normalization: `none`, `batch` or `layer`, after each layer.
        difference: Whether differences are taken and predicted.
        output: Whether the next `value` is predicted, or the `increment` to it.
        initialization: `orthogonal` recurrent weights, or PyTorch's `uniform` ones.

    Attributes:
        unit: Root mean square of each channel's differences, which they are divided by, (channel,); 1 without.

    Source:
        LSTM: Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000); GRU: Cho et al. (2014);
        dropout between layers as in Zaremba et al. (2014); differencing: Box & Jenkins (1970).
    """

    unit: Tensor

    def __init__(
        self,
        num_channels: int,
        hidden_sizes: Sequence[int],
        *,
        layer: str = "LSTM",
        head_size: int = 0,
        dropout: float = 0.0,
        normalization: str = "none",
        difference: bool = False,
        output: str = "value",
        initialization: str = "orthogonal",
    ) -> None:
        super().__init__()
        make, self.cell = getattr(nn, layer), CELLS[layer]
        pairs = pairwise([num_channels, *hidden_sizes])
        self.layers = nn.ModuleList(make(size, hidden, batch_first=True) for size, hidden in pairs)
        self.after = nn.ModuleList(_after_layer(size, normalization, dropout) for size in hidden_sizes)
        self.head = linear_head(hidden_sizes[-1], head_size, num_channels)
        self.difference, self.predicts_increment = difference, output == "increment"
        self.lead = 2 if difference else 1
        self.register_buffer("unit", torch.ones(num_channels))
        if initialization == "orthogonal":
            self.layers.apply(_initialize_orthogonal)
            *_, last = [module for module in self.head.modules() if isinstance(module, nn.Linear)]
            nn.init.zeros_(last.weight)  # the mean is predicted until more is learnt

    def adapt(self, series: Sequence[Tensor]) -> None:
        """See `Forecaster.adapt`: takes the unit of the differences."""
        if self.difference:
            root_mean_square = torch.cat([one.diff(dim=0) for one in series]).square().mean(dim=0).sqrt()
            self.unit.copy_(torch.where(root_mean_square > 0, root_mean_square, 1.0))

    def one_step(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.one_step`; the state starts at zero."""
        predictions = self._read(self._inputs(values)[:, :-1])[0]
        return values[:, 1:-1] + self.unit * predictions if self.difference else predictions

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int) -> Tensor:
        """See `Forecaster.closed_loop`; the state is carried from the context into the forecast."""
        predictions, state = self._read(self._inputs(context))
        return self._go_on(context, predictions, state, horizon)

    def forecast(self, values: Tensor, start: Tensor, context: int, horizon: int) -> tuple[Tensor, Tensor]:
        """See `Forecaster.forecast`: the context is read once."""
        inputs, seen = self._inputs(values), context - self.lead + 1
        predictions, state = self._read(inputs[:, :seen])
        closed_loop = self._go_on(values[:, :context], predictions, state, horizon)
        if inputs.shape[1] > seen:
            predictions = torch.cat([predictions, self._read(inputs[:, seen:], state)[0]], dim=1)
        predictions = predictions[:, :-1]
        one_step = values[:, 1:-1] + self.unit * predictions if self.difference else predictions
        return one_step, closed_loop

    def _go_on(self, context: Tensor, predictions: Tensor, state: State, horizon: int) -> Tensor:
        """Forecast beyond a context that was read."""
        run_on = self._run_on_folded if horizon > 1 and self._folds(context) else self._run_on
        forecast = run_on(predictions[:, -1], state, horizon)
        return context[:, -1:] + (self.unit * forecast).cumsum(dim=1) if self.difference else forecast

    def _inputs(self, values: Tensor) -> Tensor:
        return values.diff(dim=1) / self.unit if self.difference else values

    def _run_on(self, value: Tensor, state: State, horizon: int) -> Tensor:
        """Feed predictions back, of which `value`, (series, channel), is the first; (series, horizon, channel)."""
        weights = [layer.all_weights[0] for layer in self.layers if isinstance(layer, nn.RNNBase)]
        forecast = [value]
        for _ in range(horizon - 1):
            value, state = self._step(value, state, weights)
            forecast.append(value)
        return torch.stack(forecast, dim=1)

    def _folds(self, values: Tensor) -> bool:
        """Say whether, in closed loop, the input is a linear function of the state before it."""
        plain = isinstance(self.after[0], nn.Identity) and isinstance(self.head, nn.Linear)
        single = len(self.layers) == 1 and isinstance(self.layers[0], nn.LSTM)
        return single and plain and not self.predicts_increment and values.device.type == "cpu"

    def _run_on_folded(self, value: Tensor, state: State, horizon: int) -> Tensor:
        """Do as `_run_on`, about five times as fast: the output layer is folded into the recurrent weights.

        With x = V·h + v, the gates' W·x + U·h + b are (U + W·V)·h + (b + W·v): an LSTM that has no input.
        """
        [layer], [(hidden, cell)], head = self.layers, state, self.head
        assert isinstance(layer, nn.LSTM)
        assert isinstance(head, nn.Linear)
        inputs, recurrent, bias, second_bias = layer.all_weights[0]
        weights = [inputs, recurrent + inputs @ head.weight, bias + inputs @ head.bias, second_bias]
        nothing = value.new_zeros(len(value), horizon - 1, value.shape[1])
        options = {"num_layers": 1, "dropout": 0.0, "train": self.training, "bidirectional": False, "batch_first": True}
        outputs = torch.lstm(nothing, (hidden[None], cell[None]), weights, has_biases=True, **options)[0]
        return torch.cat([value[:, None], head(outputs)], dim=1)

    def _read(self, values: Tensor, begin: State | None = None) -> tuple[Tensor, State]:
        """Run over observed values, from zero or from a state; return the prediction after each, and the last state."""
        outputs, state = values, []
        for number, (layer, after) in enumerate(zip(self.layers, self.after, strict=True)):
            outputs, last = layer(outputs, begin and _as_layers(begin[number]))
            if not isinstance(after, nn.Identity):  # bringing all steps into rows copies them
                outputs = after(outputs.flatten(0, 1)).view_as(outputs)
            state.append((last[0][0], last[1][0]) if isinstance(last, tuple) else last[0])
        return self._predict(values, outputs), state

    def _step(self, value: Tensor, state: State, layers: list[list[nn.Parameter]]) -> tuple[Tensor, State]:
        """Advance by one value, (series, channel): the layers themselves take three times as long for a single step."""
        output, advanced = value, []
        for weights, after, carried in zip(layers, self.after, state, strict=True):
            advanced.append(self.cell(output, carried, *weights))
            output = after(advanced[-1][0] if isinstance(carried, tuple) else advanced[-1])
        return self._predict(value, output), advanced

    def _predict(self, values: Tensor, outputs: Tensor) -> Tensor:
        predicted = self.head(outputs)
        return values + predicted if self.predicts_increment else predicted


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
