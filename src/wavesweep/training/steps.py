"""One step of an optimizer, and the cost of steps so far."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.optim import Optimizer

from hydra_queue_sweeper.base import signals
from wavesweep.models.forecaster import Forecaster, evaluating
from wavesweep.training.closures import Closure
from wavesweep.training.randomness import random_states, set_random_states

SECONDS_TO_FINISH = 0.5  # an epoch, after a signal has come


@dataclass
class Spent:
    """The cost of training so far.

    Attributes:
        steps: Of the optimizer.
        evaluations: Of the loss and its gradient.
        seconds: Of training; evaluation on validation data does not count.
    """

    steps: int = 0
    evaluations: int = 0
    seconds: float = 0.0


def take_step(network: Forecaster, optimizer: Optimizer, loss: Closure, spent: Spent, clip_norm: float = 0.0) -> float:
    """Let an optimizer take a step on a loss; return the loss before it.

    Args:
        network: What the optimizer changes.
        optimizer: Calls the loss and its gradient, once or more often.
        loss: What to lower.
        spent: Is brought up to date.
        clip_norm: Greatest norm of the gradient; 0: any.

    Raises:
        Interrupted: If a signal came a while ago; training can't be gone on with then.
    """

    def closure() -> Tensor:
        signals.check(SECONDS_TO_FINISH)
        optimizer.zero_grad()
        value = loss()
        value.backward()
        if clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        spent.evaluations += 1
        return value

    before: Tensor = optimizer.step(closure)  # type: ignore[assignment, arg-type]
    spent.steps += 1
    return before.item()


def take_full_batch_step(
    network: Forecaster, optimizer: Optimizer, minimised: Closure, measured: Closure, spent: Spent
) -> float:
    """Let an optimizer take a step on all data; return the `measured` loss after it, in eval mode."""
    device = next(network.parameters()).device
    states = random_states(device)

    def repeatable() -> Tensor:
        set_random_states(states, device)  # the same dropout masks throughout a line search
        return minimised()

    take_step(network, optimizer, repeatable, spent)
    with evaluating(network):
        return measured().item()
