"""What a run tells while it works, and what it gives in the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Metrics = dict[str, float]
Checkpoint = dict[str, Any]
Listener = Callable[[int, Metrics, int], None]
"""Called at each recorded epoch, with its metrics and the number of epochs in all; may raise Pruned to end the run."""


@dataclass(frozen=True)
class Result:
    """How an experiment ended.

    Attributes:
        diverged: Whether loss or weights ceased to be finite, or the objective of the kept ones is not.
        objective: Of the weights that were kept, lower is better; nan where the run diverged.
        epoch: The epoch whose weights were kept, 0 being those before training.
        metrics: All that is measured once, and the recorded metrics of the kept epoch.
    """

    diverged: bool
    objective: float
    epoch: int
    metrics: Metrics = field(default_factory=dict)
