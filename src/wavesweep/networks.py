"""The torch modules that models.py builds.

All take and give (series, time, channel). `start` is the time index of each series' first value, (series,);
only the pointwise network looks at it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from wavesweep.models import LSTM, Linear, Pointwise
from wavesweep.schema import known

State = list[tuple[Tensor, Tensor]]  # a layer's hidden and cell state, each (series, hidden)


class Forecaster(nn.Module):
    """One-step forecaster that can also run on its own predictions."""

    lead: int
    """How many values a prediction needs before it."""

    def adapt(self, series: Tensor) -> None:
        """Take from the training part, (series, time, channel), what is not learnt; before training."""

    def one_step(self, values: Tensor, start: Tensor) -> Tensor:
        """Predict each value from the true values before it.

        Args:
            values: (series, time, channel), more than `lead` steps.
            start: Time index of the first value, (series,).

        Returns:
            Predictions of `values[:, lead:]`, (series, time - lead, channel).
        """
        raise NotImplementedError

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int) -> Tensor:
        """Forecast by feeding each prediction back as the next input.

        Args:
            context: Observed values, (series, context, channel), at least `lead` steps.
            start: Time index of the first observed value, (series,).
            horizon: Steps to forecast, at least 1.

        Returns:
            Forecast, (series, horizon, channel), in the units of `context`.

        Source:
            Teacher forcing and free running: Williams & Zipser (1989).
        """
        raise NotImplementedError


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode without gradients, and each of its modules back into the mode it was in."""
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in training:
            module.training = mode


class LSTMForecaster(Forecaster):
    """LSTM layers, each followed by optional normalisation and dropout, then a linear output.

    With `difference` the layers take and predict the differences between values: where series drift, levels
    beyond those of the training part are then nothing new.

    Attributes:
        unit: Root mean square of each channel's differences, which they are divided by, (channel,); 1 without.

    Source:
        Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000); dropout between layers
        as in Zaremba et al. (2014); differencing: Box & Jenkins (1970).
    """

    unit: Tensor

    def __init__(self, num_channels: int, config: LSTM) -> None:
        super().__init__()
        sizes = config.hidden_sizes
        pairs = pairwise([num_channels, *sizes])
        self.layers = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size, hidden in pairs)
        self.after = nn.ModuleList(_after_layer(size, config.normalization, config.dropout) for size in sizes)
        self.head = _head(sizes[-1], config.head_size, num_channels)
        self.difference, self.predicts_increment = known(config.difference), config.output == "increment"
        self.lead = 2 if self.difference else 1
        self.register_buffer("unit", torch.ones(num_channels))
        if config.initialization == "orthogonal":
            self.layers.apply(_initialize_orthogonal)
            *_, last = [module for module in self.head.modules() if isinstance(module, nn.Linear)]
            nn.init.zeros_(last.weight)  # the mean is predicted until more is learnt

    def adapt(self, series: Tensor) -> None:
        """See `Forecaster.adapt`: takes the unit of the differences."""
        if self.difference:
            root_mean_square = series.diff(dim=1).square().mean(dim=(0, 1)).sqrt()
            self.unit.copy_(torch.where(root_mean_square > 0, root_mean_square, 1.0))

    def one_step(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.one_step`; the state starts at zero."""
        predictions = self._read(self._inputs(values)[:, :-1])[0]
        return values[:, 1:-1] + self.unit * predictions if self.difference else predictions

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int) -> Tensor:
        """See `Forecaster.closed_loop`; the state is carried from the context into the forecast."""
        predictions, state = self._read(self._inputs(context))
        run_on = self._run_on_folded if horizon > 1 and self._folds(context) else self._run_on
        forecast = run_on(predictions[:, -1], state, horizon)
        return context[:, -1:] + (self.unit * forecast).cumsum(dim=1) if self.difference else forecast

    def _inputs(self, values: Tensor) -> Tensor:
        return values.diff(dim=1) / self.unit if self.difference else values

    def _run_on(self, value: Tensor, state: State, horizon: int) -> Tensor:
        """Feed predictions back, of which `value`, (series, channel), is the first; (series, horizon, channel)."""
        cells = [layer.all_weights[0] for layer in self.layers if isinstance(layer, nn.LSTM)]
        forecast = [value]
        for _ in range(horizon - 1):
            value, state = self._step(value, state, cells)
            forecast.append(value)
        return torch.stack(forecast, dim=1)

    def _folds(self, values: Tensor) -> bool:
        """Say whether, in closed loop, the input is a linear function of the state before it."""
        plain = len(self.layers) == 1 and isinstance(self.after[0], nn.Identity) and isinstance(self.head, nn.Linear)
        return plain and not self.predicts_increment and values.device.type == "cpu"

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

    def _read(self, values: Tensor) -> tuple[Tensor, State]:
        """Run over observed values; return the prediction after each, and the last state."""
        outputs, state = values, []
        for layer, after in zip(self.layers, self.after, strict=True):
            outputs, (hidden, cell) = layer(outputs)
            if not isinstance(after, nn.Identity):  # bringing all steps into rows copies them
                outputs = after(outputs.flatten(0, 1)).view_as(outputs)
            state.append((hidden[0], cell[0]))
        return self._predict(values, outputs), state

    def _step(self, value: Tensor, state: State, cells: list[list[nn.Parameter]]) -> tuple[Tensor, State]:
        """Advance by one value, (series, channel): nn.LSTM takes three times as long for a single step."""
        output, advanced = value, []
        for weights, after, carried in zip(cells, self.after, state, strict=True):
            hidden, cell = torch.lstm_cell(output, carried, *weights)
            output = after(hidden)
            advanced.append((hidden, cell))
        return self._predict(value, output), advanced

    def _predict(self, values: Tensor, outputs: Tensor) -> Tensor:
        predicted = self.head(outputs)
        return values + predicted if self.predicts_increment else predicted


def _after_layer(size: int, normalization: str, dropout: float) -> nn.Module:
    """Return what follows an LSTM layer; it takes (rows, hidden)."""
    if normalization == "none" and not dropout:
        return nn.Identity()
    norms = {"none": [], "batch": [nn.BatchNorm1d(size)], "layer": [nn.LayerNorm(size)]}
    return nn.Sequential(*norms[normalization], *([nn.Dropout(dropout)] if dropout else []))


def _head(num_inputs: int, hidden_size: int, num_channels: int) -> nn.Module:
    """Return a linear output, by way of a hidden layer where that has a size."""
    if hidden_size == 0:
        return nn.Linear(num_inputs, num_channels)
    return nn.Sequential(nn.Linear(num_inputs, hidden_size), nn.Tanh(), nn.Linear(hidden_size, num_channels))


def _initialize_orthogonal(module: nn.Module) -> None:
    """Make recurrent weights orthogonal, input weights Glorot-uniform, forget bias 1 and other biases 0.

    Source:
        Saxe et al. (2014); Glorot & Bengio (2010); Jozefowicz et al. (2015).
    """
    if not isinstance(module, nn.LSTM):
        return
    inputs, recurrent, bias, second_bias = module.all_weights[0]
    for gate in recurrent.detach().chunk(4):
        nn.init.orthogonal_(gate)
    nn.init.xavier_uniform_(inputs)
    nn.init.zeros_(bias)
    nn.init.zeros_(second_bias)
    bias.detach().chunk(4)[1].fill_(1.0)  # gates stand in the order input, forget, cell, output


class PointwiseForecaster(Forecaster):
    """Linear → Tanh → Linear of the time index alone: the same prediction in one step and in closed loop."""

    lead = 0

    def __init__(self, num_channels: int, config: Pointwise) -> None:
        super().__init__()
        self.network = _head(1, config.hidden_size, num_channels)
        self.start, self.steps, self.times = torch.empty(0), 0, torch.empty(0)

    def one_step(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.one_step`; of `values` only the number of steps counts."""
        return self._at(start, values.shape[1])

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int) -> Tensor:
        """See `Forecaster.closed_loop`; nothing is fed back."""
        return self._at(start + context.shape[1], horizon)

    def _at(self, start: Tensor, steps: int) -> Tensor:
        if start is not self.start or steps != self.steps:  # training asks for the same times at every step
            times = start[:, None] + torch.arange(steps, device=start.device)
            self.times = times.reshape(-1, 1).to(next(self.parameters()).dtype)
            self.start, self.steps = start, steps
        return self.network(self.times).view(len(start), steps, -1)


class LinearForecaster(Forecaster):
    """The next value as a linear function of the last `order` values, with an intercept, in float64."""

    weights: Tensor

    def __init__(self, num_channels: int, config: Linear) -> None:
        super().__init__()
        self.lead = known(config.order)
        weights = torch.zeros(self.lead * num_channels + 1, num_channels, dtype=torch.float64)
        self.register_buffer("weights", weights)  # the last row is the intercept

    def fit(self, series: Tensor) -> None:
        """Fit by least squares; the solution of least norm where several fit equally well.

        Args:
            series: Training part, (series, time, channel), more than `order` steps.

        Source:
            Covariance method of linear prediction, Makhoul (1975); least norm keeps the superfluous roots
            inside the unit circle, Kumaresan & Tufts (1982).
        """
        rows = self._rows(series.double())
        inputs = rows[:, :-1].reshape(-1, self.weights.shape[0] - 1)
        inputs = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
        targets = series.double()[:, self.lead :].reshape(-1, series.shape[2])
        solution = torch.linalg.lstsq(inputs.cpu(), targets.cpu(), driver="gelsd").solution
        self.weights.copy_(solution)  # in the layout that loaded ones have: sums round by it

    def one_step(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.one_step`."""
        return self._predict(self._rows(values.double())[:, :-1].flatten(2)).to(values.dtype)

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int) -> Tensor:
        """See `Forecaster.closed_loop`."""
        past = context[:, -self.lead :].double()
        for _ in range(horizon):
            following = self._predict(past[:, -self.lead :].flatten(1))
            past = torch.cat([past, following[:, None]], dim=1)
        return past[:, self.lead :].to(context.dtype)

    def _rows(self, values: Tensor) -> Tensor:
        """Return each stretch of `order` values, (series, time - order + 1, order, channel)."""
        return values.unfold(1, self.lead, 1).transpose(2, 3)

    def _predict(self, rows: Tensor) -> Tensor:
        return rows @ self.weights[:-1] + self.weights[-1]
