"""The numbers of a run on a GPU: near those of the CPU, and the same again."""

from pathlib import Path

import numpy as np
import pytest
import torch

import wavesweep as ws
from tests.support.commands import SMALL, Command
from tests.support.parts import leave_undrawn, save_each_epoch
from tests.support.records import on_disk

DEVICE = "cuda"
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
KINDS = {
    "sine": ("dataset=sine",),
    "cos_sin_squared": ("dataset=cos_sin_squared",),
    "differences": ("model.difference=true",),
    "several layers": ("model.hidden_sizes=[5,4]",),
    "dropout": ("model.dropout=0.2", "model.normalization=layer"),
    "noise": ("training.noise_start=0.1", "training.noise_end=0.01"),
    "full batch": ("optimizer=lbfgs", "model.dropout=0.2"),
    "highway": ("model.highway=true", "model.members=2", "model.memories=[2,3]", "forecast.horizon=4"),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    leave_undrawn(monkeypatch)
    return tmp_path


def run(name: str, *overrides: str, device: str = DEVICE) -> ws.Run:
    return ws.run(ws.compose(*SMALL, *overrides, f"runtime.device={device}", "tracking.followers=[]"), name)


@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_as_on_the_cpu(kind: str) -> None:
    """Later, roundings have led training elsewhere; dropout's masks are the device's own."""
    there, here = (run(name, *KINDS[kind], device=one) for name, one in (("there", DEVICE), ("here", "cpu")))
    first, expected = (one.metrics["train/loss"].iloc[0] for one in (there, here))
    assert first == pytest.approx(expected, rel=0.3 if "dropout" in " ".join(KINDS[kind]) else 1e-3)
    assert np.isfinite(there.result.objective)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_again_to_the_last_bit(kind: str) -> None:
    first, second = (on_disk(run(name, *KINDS[kind]).path) for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize("kind", ["sine", "dropout", "full batch", "highway"])
def test_what_was_stopped_goes_on_to_the_same_end(
    kind: str, wavesweep: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_each_epoch(monkeypatch)
    straight = run("straight", *KINDS[kind])
    config = ws.compose(*SMALL, *KINDS[kind], f"runtime.device={DEVICE}", "tracking.followers=[]")
    for event in ws.iterate(config, "stopped"):
        if isinstance(event, ws.Advanced) and event.epoch == 2:
            break
    assert wavesweep("resume", "stopped").returncode == 0
    assert on_disk(Path("stopped")) == on_disk(straight.path)


@pytest.mark.parametrize("kind", KINDS)
def test_its_model_forecasts_the_same_on_the_cpu(kind: str) -> None:
    from wavesweep.evaluation.shown import ShownForecasts

    one = run("run", *KINDS[kind])
    shown = one.shown["forecast"]
    assert isinstance(shown, ShownForecasts)
    for context, ahead in zip(shown.context, shown.closed_loop, strict=True):
        again = one.forecast(context[None], len(ahead))
        np.testing.assert_allclose(again[0], ahead, rtol=1e-3, atol=1e-3)
