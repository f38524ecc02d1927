"""Checkpoints that are damaged are noticed; a run goes on from what is whole."""

import io
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from hydra_queue_sweeper.base.errors import Refused
from tests.support.parts import go, leave_undrawn, save_each_epoch, small
from tests.support.records import rows
from wavesweep.base.stored import read_sealed, seal
from wavesweep.experiment.result import Result
from wavesweep.runs.checkpoints import CHECKPOINT_VERSION, load_checkpoint
from wavesweep.workspace.directory import RunDirectory

CONFIG = ("optimizer=lbfgs", "dataset.length=24", "training.epochs=4", "training.refine_epochs=2")


class Stopped(Exception):
    pass


def proceed(directory: RunDirectory, last: int | None = None) -> Result:
    """Run to the end from the last checkpoint, if there is one, or until an epoch has been recorded."""

    def listen(epoch: int, *_: object) -> None:
        if epoch == last:
            raise Stopped

    return go(small(*CONFIG), directory, listen, load_checkpoint(directory))


@pytest.fixture(scope="module", autouse=True)
def undrawn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        save_each_epoch(patch)
        yield


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, Result]:
    """A run left alone, and its result."""
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "straight")
    return directory, proceed(directory)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that stopped in its refinement: of its two checkpoints, the first is the main stage's."""
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "stopped")
    with pytest.raises(Stopped):
        proceed(directory, last=6)
    return directory


@pytest.fixture
def resumed(stopped: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy of it, to be damaged."""
    return RunDirectory(shutil.copytree(stopped.path, tmp_path / "resumed"))


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
    damage: Callable[[Path], None],
    both: bool,
    straight: tuple[RunDirectory, Result],
    resumed: RunDirectory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory, expected = straight
    damaged = [resumed.checkpoint, resumed.previous_checkpoint][: 1 + both]
    for path in damaged:
        damage(path)
    with caplog.at_level(logging.WARNING):
        result = proceed(resumed)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} is damaged, so the run goes on from further back" for path in damaged
    ]
    assert (result.epoch, result.objective) == (expected.epoch, expected.objective)
    assert resumed.weights.read_bytes() == directory.weights.read_bytes()
    assert rows(resumed) == rows(directory)


def test_a_checkpoint_of_another_format_is_refused(resumed: RunDirectory) -> None:
    content = torch.load(io.BytesIO(read_sealed(resumed.checkpoint, 1 << 30)), weights_only=True)
    buffer = io.BytesIO()
    torch.save({**content, "version": CHECKPOINT_VERSION + 1}, buffer)
    resumed.checkpoint.write_bytes(seal(buffer.getvalue()))
    with pytest.raises(Refused, match=f"must have format {CHECKPOINT_VERSION}, got {CHECKPOINT_VERSION + 1}"):
        proceed(resumed)


def test_a_checkpoint_runs_no_code(resumed: RunDirectory, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"version": CHECKPOINT_VERSION, "training": Evil(tmp_path / "trace"), "kept": {}}, buffer)
    resumed.checkpoint.write_bytes(seal(buffer.getvalue()))
    with pytest.raises(Refused, match="must hold tensors and plain values alone; remove it") as refused:
        proceed(resumed)
    assert "weights_only" not in str(refused.value)
    assert not (tmp_path / "trace").exists()
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    assert (tmp_path / "trace").exists(), "it would have run otherwise"


class Evil:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)
