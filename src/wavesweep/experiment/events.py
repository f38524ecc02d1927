"""The events of an experiment, in the order in which they come: what it does, and what it has found."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wavesweep.data.effects import Effects
from wavesweep.data.scaling import Scaler
from wavesweep.data.widths import Widths
from wavesweep.evaluation.by_origin import ErrorsByOrigin
from wavesweep.evaluation.scores import Metrics
from wavesweep.evaluation.shown import Shown
from wavesweep.experiment.result import Result
from wavesweep.models.weights import Weights


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on.

    Attributes:
        epoch: Epochs that were done before.
        epochs: Epochs in all, at most.
    """

    epoch: int
    epochs: int


@dataclass(frozen=True)
class Phase:
    """What is done now, and how far it is.

    Attributes:
        name: `training`, `judging` (training has ended, and it is decided which weights are kept), `baselines` (these
            are fitted) and `testing`; each as it begins, and again with each step.
        done: How many steps are done.
        total: How many there are at most: epochs; candidates; baselines; the network and the baselines.
    """

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Recorded:
    """An epoch was scored on validation data.

    Attributes:
        epoch: Counted from 1, the refinement's following those of the main stage.
        epochs: Epochs in all, at most.
        metrics: Loss and scores.
        seconds: Of training so far.
        evaluations: Of the loss so far.
    """

    epoch: int
    epochs: int
    metrics: Metrics
    seconds: float
    evaluations: int


@dataclass(frozen=True)
class Drawable:
    """There is something to be drawn.

    Attributes:
        name: Of the picture, the same where it shows the same.
        shown: What the picture shows.
    """

    name: str
    shown: Shown


@dataclass(frozen=True)
class Advanced:
    """An epoch has ended, recorded or not.

    Attributes:
        epoch: Which.
        state: Gives what training goes on from exactly, tensors and plain values (see `experiment/checkpoint.py`);
            None where the weights are not finite. To be called before the next event is asked for.
    """

    epoch: int
    state: Callable[[], dict[str, Any] | None] = field(repr=False)


@dataclass(frozen=True)
class Kept:
    """It is decided which weights are tested, stored and served.

    Attributes:
        epoch: After which they stood; 0: before training.
        weights: By name.
        scaler: Between the network's units and the data's.
        widths: Half-widths of intervals, scaled; None where nothing is known of them.
        effects: What is known in advance does to series; None: nothing is known.
    """

    epoch: int
    weights: Weights = field(repr=False)
    scaler: Scaler = field(repr=False)
    widths: Widths | None = field(repr=False)
    effects: Effects | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Finished:
    """The experiment has ended.

    Attributes:
        result: What it gave.
        once: What is measured once, by name.
        by_origin: Errors of the kept weights at each validation origin; None where the objective is another one, or
            nothing can be told by them.
    """

    result: Result
    once: Metrics
    by_origin: ErrorsByOrigin | None = field(default=None, repr=False)


Event = Started | Phase | Recorded | Drawable | Advanced | Kept | Finished
