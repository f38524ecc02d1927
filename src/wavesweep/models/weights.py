"""A trained network on disk: tensors alone, which run no code when they are loaded."""

import numpy as np
import torch

from wavesweep.data.scaling import Scaler
from wavesweep.models.configured import Model
from wavesweep.models.forecaster import Forecaster

Weights = dict[str, torch.Tensor]


def copy_weights(network: Forecaster) -> Weights:
    """Return a copy that further training leaves alone, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def serialize(weights: Weights, scaler: Scaler) -> bytes:
    """Return weights and scaling in the safetensors format."""
    from safetensors.torch import save

    scaling = {"scaler.mean": torch.from_numpy(scaler.mean), "scaler.std": torch.from_numpy(scaler.std)}
    return save({f"network.{name}": value.contiguous() for name, value in weights.items()} | scaling)


def load_network(model: Model, dtype: str, content: bytes) -> tuple[Forecaster, Scaler]:
    """Build a network with stored weights, on the CPU; torch's generator stays as it was.

    Args:
        model: What is configured of it, as the run stored it.
        dtype: The precision that it was trained in, `float32` or `float64`.
        content: What `serialize` gave.

    Returns:
        The network in eval mode, and the scaling between its units and the data's.
    """
    from safetensors.torch import load

    tensors = load(content)
    scaler = Scaler(*(np.asarray(tensors.pop(name)) for name in ("scaler.mean", "scaler.std")))
    with torch.random.fork_rng(devices=[]):  # the weights that it is built with are drawn at random
        network = model.build(len(scaler.mean), dtype)
    network.load_state_dict({name.removeprefix("network."): value for name, value in tensors.items()})
    return network.eval(), scaler
