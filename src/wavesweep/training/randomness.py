"""The state of torch's generators: that of the CPU, and of a GPU that draws dropout's masks."""

from collections.abc import Sequence

import torch
from torch import Tensor


def random_states(device: torch.device) -> list[Tensor]:
    """Return the states of the generators that training on a device draws from."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def set_random_states(states: Sequence[Tensor], device: torch.device) -> None:
    """Put back what `random_states` gave."""
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
