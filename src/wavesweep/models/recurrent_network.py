"""Recurrent networks that predict the next value, and run on their own predictions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wavesweep.models.forecaster import Forecaster, repeated
from wavesweep.models.losses import SQUARED, Loss
from wavesweep.models.recurrent_layers import RecurrentNetwork, State


class RecurrentForecaster(RecurrentNetwork, Forecaster):
    """A recurrent network that predicts the next value.

    With `difference` it takes and predicts the differences between values: where series drift, levels beyond those of
    the training part are then nothing new.

    Args:
        num_channels: Values at each time step.
        hidden_sizes: Units of each layer.
        difference: Whether differences are taken and predicted.
        output: Whether the next `value` is predicted, or the `increment` to it.
        loss: What it is trained by.
        options: As `RecurrentNetwork` takes them.

    Attributes:
        unit: Root mean square of each channel's differences, which they are divided by, (channel,); 1 without.

    Source:
        Differencing: Box & Jenkins (1970).
    """

    unit: Tensor

    def __init__(
        self,
        num_channels: int,
        hidden_sizes: Sequence[int],
        *,
        difference: bool = False,
        output: str = "value",
        loss: Loss = SQUARED,
        **options: Any,
    ) -> None:
        super().__init__(num_channels, num_channels * loss.size, hidden_sizes, **options)
        self.loss = loss
        self.difference, self.predicts_increment = difference, output == "increment"
        self.lead = 2 if difference else 1
        self.register_buffer("unit", torch.ones(num_channels))

    def adapt(self, series: Sequence[Tensor]) -> None:
        """See `Forecaster.adapt`: takes the unit of the differences."""
        if self.difference:
            root_mean_square = torch.cat([one.diff(dim=0) for one in series]).square().mean(dim=0).sqrt()
            self.unit.copy_(torch.where(root_mean_square > 0, root_mean_square, 1.0))

    def outputs(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.outputs`; the state starts at zero."""
        return self._of_values(values, self._read(self._inputs(values)[:, :-1])[0])

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int, known: Tensor | None = None) -> Tensor:
        """See `Forecaster.closed_loop`; the state is carried from the context into the forecast."""
        predictions, state = self._read(self._inputs(context))
        return self._go_on(context, predictions, state, horizon)

    def forecast(
        self, values: Tensor, start: Tensor, context: int, horizon: int, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `Forecaster.forecast`: the context is read once."""
        inputs, seen = self._inputs(values), context - self.lead + 1
        predictions, state = self._read(inputs[:, :seen])
        closed_loop = self._go_on(values[:, :context], predictions, state, horizon)
        if inputs.shape[1] > seen:
            predictions = torch.cat([predictions, self._read(inputs[:, seen:], state)[0]], dim=1)
        return self.loss.point(self._of_values(values, predictions[:, :-1])), closed_loop

    def _of_values(self, values: Tensor, predictions: Tensor) -> Tensor:
        """Return the outputs that forecast values, given those that forecast what the network predicts."""
        if not self.difference:
            return predictions
        return repeated(values[:, 1:-1], self.loss) + repeated(self.unit, self.loss) * predictions

    def _go_on(self, context: Tensor, predictions: Tensor, state: State, horizon: int) -> Tensor:
        """Forecast beyond a context that was read."""
        run_on = self._run_on_folded if horizon > 1 and self._folds(context) else self._run_on
        forecast = run_on(self.loss.point(predictions[:, -1]), state, horizon)
        return context[:, -1:] + (self.unit * forecast).cumsum(dim=1) if self.difference else forecast

    def _inputs(self, values: Tensor) -> Tensor:
        return values.diff(dim=1) / self.unit if self.difference else values

    def _run_on(self, value: Tensor, state: State, horizon: int) -> Tensor:
        """Feed predictions back, of which `value`, (series, channel), is the first; (series, horizon, channel)."""
        weights = [layer.all_weights[0] for layer in self.layers if isinstance(layer, nn.RNNBase)]
        forecast = [value]
        for _ in range(horizon - 1):
            outputs, state = self._step(value, state, weights)
            value = self.loss.point(outputs)
            forecast.append(value)
        return torch.stack(forecast, dim=1)

    def _folds(self, values: Tensor) -> bool:
        """Say whether, in closed loop, the input is a linear function of the state before it."""
        plain = isinstance(self.after[0], nn.Identity) and isinstance(self.head, nn.Linear)
        single = len(self.layers) == 1 and isinstance(self.layers[0], nn.LSTM)
        feeds_back_itself = not self.predicts_increment and self.loss.size == 1
        return single and plain and feeds_back_itself and values.device.type == "cpu"

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
        """Run over observed values; return the prediction after each, and the last state."""
        outputs, state = self.read(values, begin)
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
        return repeated(values, self.loss) + predicted if self.predicts_increment else predicted
