"""What an optimizer minimises: functions of a network as it is when they are called."""

from collections.abc import Callable

import torch
from torch import Tensor

from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import Loss
from wavesweep.training.windows import Windows

Closure = Callable[[], Tensor]


def prediction_loss(
    network: Forecaster, windows: Windows, washout: int, loss: Loss, inputs: Tensor | None = None
) -> Closure:
    """Return a function: the mean loss of what the network as it is when called predicts from true values.

    That is one step ahead of each, or as many as the network predicts at once.

    Args:
        network: One-step forecaster.
        windows: What it is to predict.
        washout: The first values of a window, less the `network.before` ones, whose predictions are left out: after a
            zero state they say nothing, since the phase is unknown.
        loss: What is minimised.
        inputs: What its layers see; None: that without noise.
    """
    first, values = max(network.before + washout, network.lead), windows.values
    seen = network.inputs(values) if inputs is None else inputs
    targets = values[:, first:].unfold(1, network.horizon, network.spacing).transpose(2, 3)

    def predict() -> tuple[Tensor, Tensor]:
        """Return what each member predicts, and what came."""
        outputs = network.ahead(values, seen, windows.start, first)
        return outputs, targets.expand(len(outputs), *targets.shape)

    if windows.steps is None:
        return lambda: loss.mean(*predict())
    last = first + network.spacing * torch.arange(targets.shape[1], device=targets.device) + network.horizon - 1
    there = (last < windows.steps[:, None])[..., None, None]
    count = (there.sum() * targets[0, 0].numel()).clamp(min=1)
    return lambda: (loss.each(*predict()).mean(dim=0) * there).sum() / count


def direct_loss(network: Forecaster, windows: Windows, num_channels: int, loss: Loss) -> Closure:
    """Return a function: the loss of what networks predict from the last values alone, summed over their memories.

    Args:
        network: Has such networks.
        windows: Their values, and as many as they predict at once; beside the channels, what is known of each step.
        num_channels: How many channels there are.
        loss: What is minimised.
    """
    values, known = windows.values[..., :num_channels], windows.values[..., num_channels:]
    before, after = values[:, : -network.horizon], values[:, -network.horizon :]
    told = known if known.shape[2] else None

    def total() -> Tensor:
        means = []
        for outputs in network.direct(before, told):
            truth = after[: outputs.shape[1]]
            means.append(loss.mean(outputs, truth.expand(len(outputs), *truth.shape)))
        return torch.stack(means).sum()

    return total


def closed_loop_loss(network: Forecaster, windows: Windows, context: int, loss: Loss) -> Closure:
    """Return a function: the mean loss in closed loop of the network as it is when called.

    Of a loss of several outputs a value, the one that is forecast counts: no other is fed back.

    Args:
        network: One-step forecaster.
        windows: Context and how it goes on.
        context: Observed steps at the beginning of each window; the rest is forecast.
        loss: What is minimised.
    """
    before, after = windows.values[:, :context], windows.values[:, context:]
    return lambda: loss.mean_of_points(network.closed_loop(before, windows.start, after.shape[1]), after)
