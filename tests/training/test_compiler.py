"""Optimizers without torch's compiler take the steps of those with it."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from wavesweep.training.compiler import without_compiler

KINDS: dict[type[Optimizer], dict[str, Any]] = {
    Adam: {"lr": 1e-2},
    AdamW: {"lr": 1e-2},
    SGD: {"lr": 1e-2, "momentum": 0.9},
    RMSprop: {"lr": 1e-2},
    LBFGS: {"lr": 0.5, "line_search_fn": "strong_wolfe"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_and_states_are_the_same(kind: type[Optimizer]) -> None:
    def train(make: Any, options: dict[str, Any]) -> tuple[list[Tensor], Any]:
        torch.manual_seed(0)
        layer, values = nn.Linear(5, 3), torch.randn(20, 5)
        optimizer: Optimizer = make(layer.parameters(), **options)
        schedule = OneCycleLR(optimizer, max_lr=1e-2, total_steps=6, cycle_momentum=False)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = layer(values).square().sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)  # type: ignore[arg-type]
            schedule.step()
            optimizer.load_state_dict(optimizer.state_dict())
        return [one.detach() for one in layer.parameters()], optimizer.state_dict()

    weights, state = train(without_compiler(kind), KINDS[kind])
    expected, expected_state = train(kind, KINDS[kind])
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    torch.testing.assert_close(state["state"], expected_state["state"], rtol=0, atol=0)


def test_a_run_does_not_import_it() -> None:
    code = (
        "import sys, torch; from wavesweep.training.compiler import without_compiler\n"
        "for kind in (torch.optim.Adam, torch.optim.LBFGS):\n"
        "    layer = torch.nn.Linear(2, 1)\n"
        "    def closure():\n"
        "        loss = layer(torch.ones(1, 2)).sum()\n"
        "        loss.backward()\n"
        "        return loss\n"
        "    optimizer = without_compiler(kind)(layer.parameters(), lr=0.1)\n"
        "    optimizer.step(closure)\n"
        "    optimizer.load_state_dict(optimizer.state_dict())\n"
        "    optimizer.zero_grad()\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nor_does_a_network_that_is_loaded() -> None:
    code = (
        "import sys, torch; from wavesweep.models.value_networks import ValueNetworks\n"
        "with torch.device('meta'): ValueNetworks(2, 4, 1, [3], 5)\n"
        "print('sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
