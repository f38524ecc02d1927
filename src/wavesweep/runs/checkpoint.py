"""Checkpoints: the state of training and the weights kept, saved and loaded."""

import io
import logging
from typing import Any

import torch

from wavesweep.base.errors import Refused
from wavesweep.base.files import unseal
from wavesweep.runs.directory import RunDirectory
from wavesweep.training.selection import Kept
from wavesweep.training.trainer import Trainer

Checkpoint = dict[str, Any]
log = logging.getLogger("wavesweep")
CHECKPOINT_VERSION = 1


def save_checkpoint(directory: RunDirectory, trainer: Trainer, kept: Kept) -> None:
    """Save the state of training, from which it goes on exactly, and what is kept so far."""
    buffer = io.BytesIO()
    torch.save({"version": CHECKPOINT_VERSION, "training": trainer.state(), "kept": vars(kept)}, buffer)
    directory.save_checkpoint(buffer.getvalue())


def load_checkpoint(directory: RunDirectory) -> Checkpoint | None:
    """Return the directory's last checkpoint that is whole.

    Raises:
        Refused: If it has another format.
    """
    for path in (directory.checkpoint, directory.previous_checkpoint):
        if not path.exists():
            continue
        try:
            content = unseal(path.read_bytes())
        except ValueError:
            log.warning("%s is damaged, so the run goes on from further back", path)
            continue
        state = torch.load(io.BytesIO(content), weights_only=True)
        if state["version"] != CHECKPOINT_VERSION:
            raise Refused(
                f"{path} must have format {CHECKPOINT_VERSION}, got {state['version']}; resume with the version of "
                "wavesweep that wrote it, or start a new run"
            )
        return state
    return None
