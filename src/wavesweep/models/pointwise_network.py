"""A network of the time alone."""

import torch
from torch import Tensor

from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import SQUARED, Loss
from wavesweep.models.recurrent_layers import linear_head


class PointwiseForecaster(Forecaster):
    """Linear → Tanh → Linear of the time index alone: the same prediction in one step and in closed loop."""

    lead = 0

    def __init__(self, num_channels: int, hidden_size: int, loss: Loss = SQUARED) -> None:
        super().__init__()
        self.loss = loss
        self.network = linear_head(1, hidden_size, num_channels * loss.size)

    def outputs(self, values: Tensor, start: Tensor) -> Tensor:
        """See `Forecaster.outputs`; of `values` only the number of steps counts."""
        return self._at(start, values.shape[1])

    def closed_loop(self, context: Tensor, start: Tensor, horizon: int, known: Tensor | None = None) -> Tensor:
        """See `Forecaster.closed_loop`; nothing is fed back."""
        return self.loss.point(self._at(start + context.shape[1], horizon))

    def _at(self, start: Tensor, steps: int) -> Tensor:
        times = start[:, None] + torch.arange(steps, device=start.device)
        return self.network(times[..., None].to(next(self.parameters()).dtype))
