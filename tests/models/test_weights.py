"""Stored weights: what is loaded forecasts as what was stored, to the last bit; what does not fit is refused."""

import json
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from hydra_queue_sweeper.base.errors import Refused
from tests.support.parts import resolved_model
from wavesweep.data.scaling import Scaler
from wavesweep.data.widths import Widths
from wavesweep.evaluation.forecasting import closed_loop
from wavesweep.models.configured import ResolvedModel
from wavesweep.models.forecaster import Forecaster
from wavesweep.models.losses import SQUARED
from wavesweep.models.weights import (
    FLOOR,
    OFFSETS,
    WIDTHS,
    WIDTHS_BY_SERIES,
    copy_weights,
    load_network,
    load_widths,
    serialize,
)

SERIES, STEPS, CHANNELS, HORIZON = 2, 23, 3, 40
SCALER = Scaler(np.array([0.1, -2.0, 3.0]), np.array([1.5, 0.3, 7.0]))
VALUES = np.random.default_rng(1).normal(size=(SERIES, STEPS, CHANNELS))

RECURRENT = [
    ("model=tiny", f"model.normalization={norm}", f"model.dropout={dropout}", f"model.difference={difference}", *sizes)
    for norm, dropout, difference, sizes in product(
        ("none", "batch", "layer"),
        (0.0, 0.2),
        ("true", "false"),
        (["model.hidden_sizes=[17]"], ["model.hidden_sizes=[7,5]", "model.head_size=3", "model.output=increment"]),
    )
]
MODELS = [
    *RECURRENT,
    ("model=pointwise",),
    ("model=linear", "model.order=5"),
    ("model=medium", "model.difference=true"),
]


def trained(model: ResolvedModel, dtype: str) -> Forecaster:
    """Return a network that has seen data in every mode."""
    torch.manual_seed(0)
    network = model.build(CHANNELS, HORIZON, dtype, SQUARED)
    series = torch.from_numpy(SCALER.scale(VALUES)).to(getattr(torch, dtype))
    network.adapt([*series])
    if not model.has_gradient:
        network.fit([*series])
        return network
    network.train()
    network.one_step(series, torch.zeros(SERIES, dtype=torch.int64))  # by which batch normalization learns
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("overrides", MODELS, ids=" ".join)
def test_a_loaded_network_forecasts_what_the_stored_one_does(overrides: tuple[str, ...], dtype: str) -> None:
    model = resolved_model(VALUES, HORIZON, *overrides)
    network = trained(model, dtype)
    loaded, scaler = load_network(model, HORIZON, dtype, SQUARED, serialize(copy_weights(network), SCALER))
    start = np.array([0, 4])
    expected = closed_loop(network, SCALER, VALUES, start, HORIZON)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(closed_loop(loaded, scaler, VALUES, start, HORIZON), expected)
    assert not loaded.training
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in network.state_dict().items())
    before = [parameter.requires_grad for parameter in network.parameters()]
    assert [parameter.requires_grad for parameter in loaded.parameters()] == before


TINY = resolved_model(VALUES, HORIZON, "model=tiny", "model.hidden_sizes=[5]", "model.difference=false")
GOOD = serialize(copy_weights(TINY.build(CHANNELS, HORIZON, "float32", SQUARED)), SCALER)


def changed(**tensors: torch.Tensor | None) -> bytes:
    """Return the stored network with some tensors changed, added or left out; _ stands for a dot in their names."""
    there = {name.replace(".", "_"): name for name in load(GOOD)}
    named = load(GOOD) | {there.get(name, name): value for name, value in tensors.items()}
    return save({name: value for name, value in named.items() if value is not None})


def header(entries: dict[str, Any]) -> bytes:
    """Return a safetensors file that claims to hold tensors, and holds none."""
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


BILLIONS = {"network.head.weight": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}
DAMAGED = {
    "nothing": (b"", "it is no safetensors file"),
    "text": (b"not a network at all", "its header must have at most"),
    "a header of a billion bytes": ((10**9).to_bytes(8, "little") + b"{}", "its header must have at most"),
    "a billion entries": (header(BILLIONS), "it is no safetensors file"),
    "truncated": (GOOD[:-5], "it is no safetensors file"),
    "nested": ((5000).to_bytes(8, "little") + b"[" * 5000, "it is no safetensors file"),
    "no scaling": (changed(scaler_mean=None), "scaler.mean must be float64 of 1 axes"),
    "scaling of float32": (changed(scaler_std=torch.ones(3)), "scaler.std must be float64 of 1 axes"),
    "scaling of nan": (changed(scaler_mean=torch.full([3], torch.nan).double()), "must be finite"),
    "scaling of 0": (changed(scaler_std=torch.zeros(3).double()), "the latter positive"),
    "more channels": (
        changed(scaler_mean=torch.ones(4).double(), scaler_std=torch.ones(4).double()),
        "unit must be float32 of shape (4,)",
    ),
    "another type": (changed(network_head_bias=torch.zeros(3).double()), "must be float32 of shape (3,)"),
    "a weight is missing": (changed(network_unit=None), "unit is missing"),
    "widths of float32": (changed(**{WIDTHS: torch.ones(7, 3)}), "must be float64 of 2 axes"),
    "widths of a channel": (changed(**{WIDTHS: torch.ones(7, 1).double()}), "must be of 3 channels, and not negative"),
    "widths transposed": (changed(**{WIDTHS: torch.ones(3, 7).double()}), "must be of 3 channels"),
    "widths of no step": (changed(**{WIDTHS: torch.ones(0, 3).double()}), "must be float64 of 2 axes"),
    "widths of nan": (changed(**{WIDTHS: torch.full([7, 3], torch.nan).double()}), f"{WIDTHS} must be finite"),
    "widths below 0": (changed(**{WIDTHS: -torch.ones(7, 3).double()}), "and not negative"),
    "widths of series, of 2 axes": (changed(**{WIDTHS_BY_SERIES: torch.ones(7, 3).double()}), "float64 of 3 axes"),
    "widths of series, of a channel": (
        changed(**{WIDTHS_BY_SERIES: torch.ones(2, 7, 1).double()}),
        f"{WIDTHS_BY_SERIES} must be of 3 channels",
    ),
    "a floor of float32": (changed(**{FLOOR: torch.zeros(3)}), f"{FLOOR} must be float64 of 3 channels"),
    "a floor of a channel": (changed(**{FLOOR: torch.zeros(1).double()}), f"{FLOOR} must be float64 of 3 channels"),
    "a floor of nan": (changed(**{FLOOR: torch.full([3], torch.nan).double()}), f"{FLOOR} must be float64"),
    "offsets of float32": (changed(**{OFFSETS: torch.ones(2, 7, 3)}), f"{OFFSETS} must be float64 of 3 axes"),
    "offsets of a channel": (
        changed(**{OFFSETS: torch.ones(2, 7, 1).double()}),
        f"{OFFSETS} must be float64 of 3 axes",
    ),
    "one too many": (changed(more=torch.zeros(1)), "more is no weight of the network"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_or_does_not_fit_is_refused(name: str) -> None:
    content, words = DAMAGED[name]
    with pytest.raises(Refused, match=r"^model\.safetensors is damaged, or not of this configuration") as refused:
        load_network(TINY, HORIZON, "float32", SQUARED, content)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_widths_of_intervals_stand_beside_the_weights() -> None:
    """Of a run with too few windows for intervals there are none."""
    network, draws = TINY.build(CHANNELS, HORIZON, "float32", SQUARED), np.random.default_rng(0)
    of_all, by_series = draws.random((7, CHANNELS)), draws.random((2, 7, CHANNELS))
    content = serialize(copy_weights(network), SCALER, Widths(of_all, by_series))
    loaded, scaler = load_network(TINY, HORIZON, "float32", SQUARED, content)
    stored = load_widths(content)
    assert stored is not None
    assert np.array_equal(stored.of_all, of_all)
    assert np.array_equal(stored.of(1), by_series[1])
    assert stored.of(None) is stored.of_all, "of a series that the run has not seen"
    assert np.array_equal(scaler.std, SCALER.std)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in loaded.state_dict().items())
    bare = serialize(copy_weights(network), SCALER)
    assert load_widths(bare) is None


@pytest.mark.parametrize("by_network", [True, False])
def test_where_quantiles_lie_stands_beside_the_weights(by_network: bool) -> None:
    """Nan where a level is not known."""
    network, draws = TINY.build(CHANNELS, HORIZON, "float32", SQUARED), np.random.default_rng(0)
    offsets = draws.normal(size=(5, 7, CHANNELS))
    offsets[0] = np.nan
    widths = Widths(draws.random((7, CHANNELS)), None, offsets, by_network)
    content = serialize(copy_weights(network), SCALER, widths)
    load_network(TINY, HORIZON, "float32", SQUARED, content)
    stored = load_widths(content)
    assert stored is not None
    assert stored.by_network == by_network
    np.testing.assert_array_equal(stored.offsets, offsets)


def test_what_forecasts_do_not_go_below_stands_beside_the_weights() -> None:
    """Where there is something; else nothing does."""
    network, floor = TINY.build(CHANNELS, HORIZON, "float32", SQUARED), np.array([0.0, -np.inf, 0.0])
    content = serialize(copy_weights(network), replace(SCALER, floor=floor))
    assert np.array_equal(load_network(TINY, HORIZON, "float32", SQUARED, content)[1].floor, floor)
    bare = serialize(copy_weights(network), SCALER)
    assert FLOOR.encode() not in bare
    assert (load_network(TINY, HORIZON, "float32", SQUARED, bare)[1].floor == -np.inf).all()


def test_a_configuration_of_billions_of_weights_takes_no_memory() -> None:
    huge = TINY.model_copy(update={"hidden_sizes": (65536,) * 100})
    with pytest.raises(Refused, match=r"after|layers\.\d+\.\w+ is missing"):
        load_network(huge, HORIZON, "float32", SQUARED, GOOD)
