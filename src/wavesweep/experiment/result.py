"""What an experiment ends with, and the baseline that it is measured by."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wavesweep.evaluation.metric_names import baseline_score, metric
from wavesweep.models.baseline_names import BASELINES

if TYPE_CHECKING:
    from wavesweep.evaluation.by_series import SeriesScores
    from wavesweep.evaluation.in_units import InUnits


@dataclass(frozen=True)
class Result:
    """The end of an experiment.

    Attributes:
        diverged: Whether loss or weights ceased to be finite, or the objective of the kept ones is not.
        objective: Of the weights that were kept, lower is better; nan where the run diverged.
        epoch: The epoch whose weights were kept, 0 being those before training.
        metrics: All that is measured once, and the recorded metrics of the kept epoch.
        notes: What was chosen of each baseline; not stored.
        by_series: Of a panel, how each series is forecast, the worst first; not stored here.
        in_units: Of each target, its errors on test data, and the best baseline's; not stored.
    """

    diverged: bool
    objective: float
    epoch: int
    metrics: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict, compare=False)
    by_series: "list[SeriesScores]" = field(default_factory=list, compare=False)
    in_units: "dict[str, tuple[InUnits, InUnits]]" = field(default_factory=dict, compare=False)


def best_baseline(metrics: Mapping[str, float]) -> str:
    """Return the key of the baseline of the least error on validation data; where none is known, the first."""
    errors = {key: metrics.get(metric("val", baseline_score(key)), math.inf) for key in BASELINES}
    return min(BASELINES, key=lambda key: errors[key] if math.isfinite(errors[key]) else math.inf)
