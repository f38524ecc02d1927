"""What training goes on from: taken of a trainer and a selection between epochs, and put back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra_queue_sweeper.base.errors import Refused, in_short
from wavesweep.evaluation.kept_epoch import Kept, Selection
from wavesweep.models.weights import check_fit, is_finite
from wavesweep.training.trainer import Trainer

WAY_OUT = "remove it: the run goes on from further back, or begins anew"


@dataclass(frozen=True)
class Checkpoint:
    """The state of an experiment between two epochs.

    Attributes:
        place: Where it was read.
        state: As `state_of` gave it, unless somebody changed it.
    """

    place: Path
    state: dict[str, Any]


def state_of(trainer: Trainer, selection: Selection) -> dict[str, Any] | None:
    """Return the state of training and what is kept so far; None with weights that are not finite: the run ends."""
    if not is_finite(trainer.network):
        return None
    return {"training": trainer.state(), "candidates": [vars(one) for one in selection.candidates]}


def restore(trainer: Trainer, selection: Selection, checkpoint: Checkpoint) -> None:
    """Let a trainer and a selection take up what a checkpoint holds.

    Raises:
        Refused: If it does not fit.
    """
    try:
        training = checkpoint.state["training"]
        candidates = [Kept(**one) for one in checkpoint.state["candidates"]]
        if not isinstance(training, dict):
            raise TypeError("its training must be a group of keys")
        for weights in (training["network"], *(one.weights for one in candidates)):
            check_fit(weights, trainer.network)
        epochs = [one.epoch for one in candidates]
        if not epochs or not 0 <= min(epochs) <= max(epochs) <= training["epoch"] <= trainer.epochs:
            raise ValueError(f"its epoch must be one of {trainer.epochs}")
        trainer.restore(training)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise Refused(f"{checkpoint.place} does not fit the run ({in_short(error)}); {WAY_OUT}") from None
    selection.candidates = candidates
