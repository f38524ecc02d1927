"""Checkpoints: the state of training and the weights kept, saved and loaded."""

import io
import logging
import zipfile
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from wavesweep.base.errors import Refused, in_short
from wavesweep.base.files import MOST_BYTES, read_sealed
from wavesweep.evaluation.selection import Kept, Selection
from wavesweep.models.weights import check_fit, is_finite
from wavesweep.training.trainer import Trainer
from wavesweep.workspace.directory import RunDirectory

Checkpoint = dict[str, Any]
log = logging.getLogger("wavesweep")
CHECKPOINT_VERSION = 2
SPACING = 1.0  # seconds: an epoch that takes no longer, and what was done since the last checkpoint, are two at most
MOST_CHECKPOINT = 1 << 32  # bytes
WAY_OUT = "remove it: the run goes on from further back, or begins anew"


class Checkpoints:
    """Saves the state of training, from which it goes on exactly, and what is kept so far, at ends of epochs.

    Args:
        directory: Of the run.
        trainer: What trains.
        selection: What is kept.
    """

    def __init__(self, directory: RunDirectory, trainer: Trainer, selection: Selection) -> None:
        self.directory, self.trainer, self.selection = directory, trainer, selection
        self.saved = monotonic()

    def save_if_due(self) -> None:
        """Save unless that was done, or work began, a moment ago."""
        if monotonic() - self.saved >= SPACING:
            self.save()

    def save(self) -> None:
        """Save, behind the records; but no weights that aren't finite, with which the run ends."""
        if not is_finite(self.trainer.network):
            return
        state = {"training": self.trainer.state(), "candidates": [vars(one) for one in self.selection.candidates]}
        buffer = io.BytesIO()
        torch.save({"version": CHECKPOINT_VERSION, **state}, buffer)
        self.directory.sync_metrics()
        self.directory.save_checkpoint(buffer.getvalue())
        self.saved = monotonic()


def load_checkpoint(directory: RunDirectory) -> Checkpoint | None:
    """Return the directory's last checkpoint that is whole.

    Raises:
        Refused: If it has another format, or is no checkpoint.
    """
    for path in (directory.checkpoint, directory.previous_checkpoint):
        if not path.exists():
            continue
        try:
            content = read_sealed(path, MOST_CHECKPOINT)
        except ValueError:
            log.warning("%s is damaged, so the run goes on from further back", path)
            continue
        return _parse(path, content)
    return None


def _parse(path: Path, content: bytes) -> Checkpoint:
    try:
        _check_archive(content)
        state = torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # whose text may advise to run the code that it holds
        raise Refused(f"{path} must hold tensors and plain values alone; {WAY_OUT}") from None
    version = state.get("version") if isinstance(state, dict) else None
    if type(version) is not int:
        raise Refused(f"{path} is no checkpoint; {WAY_OUT}")
    if version != CHECKPOINT_VERSION:
        raise Refused(
            f"{path} must have format {CHECKPOINT_VERSION}, got {version:.3g}; resume with the version of "
            "wavesweep that wrote it, or start a new run"
        )
    return state


def _check_archive(content: bytes) -> None:
    """Refuse an archive that is larger than it looks: torch stores tensors as they are."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed")
    if sum(member.file_size for member in members) > len(content):
        raise ValueError("its members overlap")
    if any(member.file_size > MOST_BYTES for member in members if member.filename.endswith(".pkl")):
        raise ValueError("it holds more plain values than a checkpoint does")


def restore(directory: RunDirectory, trainer: Trainer, checkpoint: Checkpoint) -> list[Kept]:
    """Let a trainer take up what a checkpoint holds; return the candidates so far.

    Raises:
        Refused: If it does not fit.
    """
    try:
        training, candidates = checkpoint["training"], [Kept(**one) for one in checkpoint["candidates"]]
        if not isinstance(training, dict):
            raise TypeError("its training must be a group of keys")
        for weights in (training["network"], *(one.weights for one in candidates)):
            check_fit(weights, trainer.network)
        epochs = [one.epoch for one in candidates]
        if not epochs or not 0 <= min(epochs) <= max(epochs) <= training["epoch"] <= trainer.epochs:
            raise ValueError(f"its epoch must be one of {trainer.epochs}")
        trainer.restore(training)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        place = directory.checkpoint if directory.checkpoint.exists() else directory.previous_checkpoint
        raise Refused(f"{place} does not fit the run ({in_short(error)}); {WAY_OUT}") from None
    return candidates
