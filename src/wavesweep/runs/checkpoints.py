"""Checkpoints on disk: the state of an experiment, saved as it goes on, and read by what goes on with it."""

import io
import zipfile
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import MOST_BYTES
from wavesweep.base.stored import read_sealed
from wavesweep.base.streams import log
from wavesweep.experiment.checkpoint import WAY_OUT, Checkpoint
from wavesweep.experiment.events import Advanced, Event, Phase, Recorded
from wavesweep.workspace.directory import RunDirectory

CHECKPOINT_VERSION = 2
SPACING = 1.0  # seconds: an epoch that takes no longer, and what was done since the last checkpoint, are two at most
MOST_CHECKPOINT = 1 << 32  # bytes


class Checkpoints:
    """Observes an experiment, and saves its state at ends of epochs: from time to time, and when training has ended.

    Args:
        directory: Of the run.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self.saved = monotonic()
        self.unsaved: Advanced | None = None

    def on(self, event: Event) -> None:
        """Save if it is time."""
        if isinstance(event, Advanced):
            self.unsaved = event
            if monotonic() - self.saved >= SPACING:
                self.save()
        elif isinstance(event, Recorded):  # the state is another one by now
            self.unsaved = None
        elif isinstance(event, Phase) and event.name != "training":
            self.save()

    def save(self) -> None:
        """Save the last state, behind the records, unless that was done."""
        state = None if self.unsaved is None else self.unsaved.state()
        self.unsaved = None
        if state is None:
            return
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
        return Checkpoint(path, _parse(path, content))
    return None


def _parse(path: Path, content: bytes) -> dict[str, Any]:
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
