"""Checkpoints that are damaged are noticed; a run goes on from what is whole."""

import io
import logging
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

import pytest
import torch

from tests.support.commands import small
from tests.support.records import rows
from wavesweep.base.errors import Refused
from wavesweep.base.files import seal, unseal
from wavesweep.data.splits import load
from wavesweep.runs.checkpoint import CHECKPOINT_VERSION, load_checkpoint
from wavesweep.runs.directory import RunDirectory
from wavesweep.runs.experiment import Result, run

OVERRIDES = ("optimizer=lbfgs", "training.epochs=5", "training.refine_epochs=2")


class Stopped(Exception):
    pass


def go(directory: RunDirectory, last: int | None = None) -> Result:
    """Run to the end, or until an epoch has been recorded."""
    directory.path.mkdir(exist_ok=True)
    config = small(*OVERRIDES)

    def listen(epoch: int, *_: object) -> None:
        if epoch == last:
            raise Stopped

    return run(config, load(config), directory, listen, load_checkpoint(directory))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, truncate, empty])
@pytest.mark.parametrize("both", [False, True], ids=["the last", "both"])
def test_a_damaged_checkpoint_is_noticed(
    damage: Callable[[Path], None], both: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    straight, resumed = RunDirectory(tmp_path / "straight"), RunDirectory(tmp_path / "resumed")
    expected = go(straight)
    with pytest.raises(Stopped):
        go(resumed, last=5)
    damaged = [resumed.checkpoint, resumed.previous_checkpoint][: 1 + both]
    for path in damaged:
        damage(path)
    with caplog.at_level(logging.WARNING):
        result = go(RunDirectory(resumed.path))
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} is damaged, so the run goes on from further back" for path in damaged
    ]
    assert (result.epoch, result.objective) == (expected.epoch, expected.objective)
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()
    assert rows(resumed) == rows(straight)


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    with pytest.raises(Stopped):
        go(directory, last=3)
    content = torch.load(io.BytesIO(unseal(directory.checkpoint.read_bytes())), weights_only=True)
    buffer = io.BytesIO()
    torch.save({**content, "version": CHECKPOINT_VERSION - 1}, buffer)
    directory.checkpoint.write_bytes(seal(buffer.getvalue()))
    with pytest.raises(Refused, match=f"must have format {CHECKPOINT_VERSION}, got {CHECKPOINT_VERSION - 1}"):
        go(RunDirectory(directory.path))


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    with pytest.raises(Stopped):
        go(directory, last=3)
    buffer = io.BytesIO()
    torch.save({"version": CHECKPOINT_VERSION, "training": Evil(tmp_path / "trace"), "kept": {}}, buffer)
    directory.checkpoint.write_bytes(seal(buffer.getvalue()))
    with pytest.raises(UnpicklingError):
        go(RunDirectory(directory.path))
    assert not (tmp_path / "trace").exists()


class Evil:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)
