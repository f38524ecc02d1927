"""A trained network on disk: tensors alone, which run no code when they are loaded."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from hydra_queue_sweeper.base.errors import Refused, in_short
from wavesweep.data.effects import Effects, Features
from wavesweep.data.scaling import Scaler
from wavesweep.data.widths import Widths
from wavesweep.models.configured import ResolvedModel
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import Loss

Weights = dict[str, torch.Tensor]
SCALING = ("scaler.mean", "scaler.std")
FLOOR, PLAIN_STD = "scaler.floor", "scaler.plain_std"
WIDTHS, WIDTHS_BY_SERIES = "interval.width", "interval.width_by_series"
EFFECTS, KNOTS = "effects.weights", "effects.knots."
OFFSETS, OFFSETS_OF_NETWORK = "quantile.offset", "quantile.offset_of_network"
MOST_HEADER = 1 << 20  # bytes


def copy_weights(network: Forecaster) -> Weights:
    """Return a copy that further training leaves alone, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def is_finite(network: Forecaster) -> bool:
    """Say whether all weights are finite."""
    return all(weight.isfinite().all() for weight in network.parameters())


def serialize(weights: Weights, scaler: Scaler, widths: Widths | None = None, effects: Effects | None = None) -> bytes:
    """Return weights, scaling, half-widths of intervals and effects of known values in the safetensors format."""
    from safetensors.torch import save

    beside: Weights = dict(zip(SCALING, map(torch.from_numpy, (scaler.mean, scaler.std)), strict=True))
    if np.isfinite(scaler.floor).any():
        beside[FLOOR] = torch.from_numpy(scaler.floor)
    if scaler.plain_std is not None:
        beside[PLAIN_STD] = torch.from_numpy(scaler.plain_std)
    if widths is not None:
        beside[WIDTHS] = torch.from_numpy(widths.of_all)
        if widths.by_series is not None:
            beside[WIDTHS_BY_SERIES] = torch.from_numpy(widths.by_series)
        if widths.offsets is not None:
            beside[OFFSETS_OF_NETWORK if widths.by_network else OFFSETS] = torch.from_numpy(widths.offsets)
    if effects is not None:
        beside[EFFECTS] = torch.from_numpy(effects.weights)
        for number, knots in enumerate(effects.features.knots):
            beside[f"{KNOTS}{number}"] = torch.from_numpy(knots)
    return save({f"network.{name}": value.contiguous() for name, value in weights.items()} | beside)


def load_network(
    model: ResolvedModel, horizon: int, dtype: str, loss: Loss, content: bytes
) -> tuple[Forecaster, Scaler]:
    """Build a network with stored weights, on the CPU; torch's generator stays as it was.

    Args:
        model: What is configured of it, as the run stored it.
        horizon: Steps of the forecasts that it was scored on.
        dtype: The precision that it was trained in, `float32` or `float64`.
        loss: What it was trained by.
        content: What `serialize` gave.

    Returns:
        The network in eval mode, and the scaling between its units and the data's.

    Raises:
        Refused: If the content is something else, or does not fit the configured network.
    """
    try:
        tensors = _parse(content)
        mean, std = (_checked(name, tensors.pop(name, None), axes=1) for name in SCALING)
        if mean.shape != std.shape or (std <= 0).any():
            raise ValueError(f"{' and '.join(SCALING)} must be of as many channels, and the latter positive")
        for key, axes in ((WIDTHS, 2), (WIDTHS_BY_SERIES, 3)):
            if key not in tensors:
                continue
            widths = _checked(key, tensors.pop(key), axes)
            if widths.shape[-1] != len(mean) or (widths < 0).any():
                raise ValueError(f"{key} must be of {len(mean)} channels, and not negative")
        num_features = 0
        if EFFECTS in tensors:
            effects = _effects(tensors)
            num_features = effects.of_each.number
            if effects.weights.shape != (effects.features.number + 1, len(mean)):
                rule = f"must be of {len(mean)} channels, and of as many features as its knots make"
                raise ValueError(f"{EFFECTS} {rule}")
            tensors = {name: value for name, value in tensors.items() if not name.startswith("effects.")}
        for key in (OFFSETS, OFFSETS_OF_NETWORK):
            offsets = tensors.pop(key, None)
            if offsets is not None and (offsets.dtype != torch.float64 or offsets.shape[2:] != mean.shape):
                raise ValueError(f"{key} must be float64 of 3 axes, and of {len(mean)} channels")
        scaler = Scaler(mean.numpy(), std.numpy(), _floor(tensors.pop(FLOOR, None), len(mean)))
        if PLAIN_STD in tensors:
            plain = _checked(PLAIN_STD, tensors.pop(PLAIN_STD), axes=1)
            if plain.shape != std.shape or (plain <= 0).any():
                raise ValueError(f"{PLAIN_STD} must be of as many channels as scaler.std, and positive")
            scaler = replace(scaler, plain_std=plain.numpy())
        with torch.device("meta"):  # which knows shapes and holds no memory
            network = model.build(len(scaler.mean), horizon, dtype, loss, num_features)
        stored = {name.removeprefix("network."): value for name, value in tensors.items()}
        check_fit(stored, network)
    except ValueError as error:
        raise Refused(
            f"model.safetensors is damaged, or not of this configuration ({in_short(error)}); restore it"
        ) from None
    # Not the stored tensors themselves: sums may round by where in memory they begin.
    network.load_state_dict({name: value.clone() for name, value in stored.items()}, assign=True)
    return network.eval(), scaler


def load_widths(content: bytes) -> Widths | None:
    """Return the half-widths of intervals beside weights that `load_network` takes; None where there are none."""
    tensors = _parse(content)
    if WIDTHS not in tensors:
        return None
    by_network = OFFSETS_OF_NETWORK in tensors
    beside = [tensors.get(key) for key in (WIDTHS_BY_SERIES, OFFSETS_OF_NETWORK if by_network else OFFSETS)]
    by_series, offsets = (None if one is None else one.numpy() for one in beside)
    return Widths(tensors[WIDTHS].numpy(), by_series, offsets, by_network)


def load_effects(content: bytes) -> Effects | None:
    """Return the effects of known values beside weights that `load_network` takes; None where there are none."""
    tensors = _parse(content)
    return _effects(tensors) if EFFECTS in tensors else None


def _effects(tensors: Weights) -> Effects:
    weights, knots = _checked(EFFECTS, tensors[EFFECTS], axes=2), []
    while f"{KNOTS}{len(knots)}" in tensors:
        name = f"{KNOTS}{len(knots)}"
        knots.append(_checked(name, tensors[name], axes=1).numpy())
        if (np.diff(knots[-1]) <= 0).any():
            raise ValueError(f"{name} must ascend")
    each = Features(tuple(knots))
    features = each if len(weights) == each.number + 1 else replace(each, products=True)
    return Effects(features, weights.numpy())


def check_fit(stored: Mapping[str, object], network: Forecaster) -> None:
    """Make sure that stored weights have the names, shapes and types of a network's.

    Raises:
        ValueError: If they don't.
    """
    expected = network.state_dict()
    if wrong := sorted(map(str, expected.keys() ^ stored.keys())):
        raise ValueError(f"{wrong[0]:.60} is {'missing' if wrong[0] in expected else 'no weight of the network'}")
    for name, value in expected.items():
        there = stored[name]
        if not isinstance(there, torch.Tensor) or (there.dtype, there.shape) != (value.dtype, value.shape):
            raise ValueError(f"{name} must be {str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}")


def _parse(content: bytes) -> Weights:
    from safetensors.torch import load

    header = int.from_bytes(content[:8], "little")
    if header > MOST_HEADER:
        raise ValueError(f"its header must have at most {MOST_HEADER} bytes, got {header}")
    try:
        return load(content)
    except Exception as error:  # its own, or one of torch's
        raise ValueError(f"it is no safetensors file: {in_short(error)}") from None


def _floor(value: torch.Tensor | None, num_channels: int) -> np.ndarray:
    """Return what forecasts don't go below, (channel,), as it is stored; -inf where nothing is."""
    if value is None:
        return np.full(num_channels, -np.inf)
    if value.dtype != torch.float64 or value.shape != (num_channels,) or value.isnan().any():
        raise ValueError(f"{FLOOR} must be float64 of {num_channels} channels, and a number")
    return value.numpy()


def _checked(name: str, value: torch.Tensor | None, axes: int) -> torch.Tensor:
    if value is None or value.dtype != torch.float64 or value.ndim != axes or not value.numel():
        raise ValueError(f"{name} must be float64 of {axes} axes")
    if not value.isfinite().all():
        raise ValueError(f"{name} must be finite")
    return value
