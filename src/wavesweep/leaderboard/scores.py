"""What the runs of a configuration measured on validation and test data, beside the best baseline."""

import math
from typing import Any, NamedTuple

from wavesweep.config.tag_names import KEPT_EPOCH
from wavesweep.models.metric_names import KEPT_SCALED, SCALED, baseline_score, metric
from wavesweep.runs.description import BASELINES, EXACT
from wavesweep.runs.directory import RunDirectory
from wavesweep.search.estimates import Estimate, all_positive, estimate, mean


class Scores(NamedTuple):
    """Closed-loop errors on one part of the data, scaled, over seeds: geometric means where all are positive.

    Attributes:
        own: Of the configuration.
        baseline: The mean of the baseline that is best on validation data; inf where none is known.
        name: What people call that baseline.
    """

    own: Estimate
    baseline: float
    name: str

    @property
    def baseline_is_exact(self) -> bool:
        """Whether the baseline errs by rounding alone, beside which there is no skill."""
        return self.baseline < EXACT

    @property
    def skill(self) -> float | None:
        """1 - error / error of the best baseline; None beside one that is exact or not known."""
        return 1 - self.own.value / self.baseline if EXACT <= self.baseline < math.inf else None


def scores(part: str, runs: list[RunDirectory]) -> Scores | None:
    """Return what runs measured on `val` or `test`; None unless all did.

    What is missing counts as inf, since older runs lack some; null stands for nan and inf.
    """
    measured = [_measured(part, run) for run in runs]
    name = metric(part, SCALED)
    own = [one.get(metric(part, KEPT_SCALED), one.get(name, math.inf)) for one in measured]
    if not own or not all(map(math.isfinite, own)):
        return None
    best = min(BASELINES, key=lambda key: _baseline("val", key, measured))  # never chosen on test data
    baseline = _baseline(part, best, measured)
    return Scores(estimate(own, logarithmic=all_positive(own)), baseline, BASELINES[best])


def _baseline(part: str, key: str, measured: list[dict[str, Any]]) -> float:
    """Return the mean error of a baseline on a part; inf where it is not known."""
    found = [one.get(metric(part, baseline_score(key)), math.inf) for one in measured]
    return mean(found, logarithmic=all_positive(found))


def _measured(part: str, run: RunDirectory) -> dict[str, Any]:
    """Return what a run measured once and, of validation, at the kept epoch; nothing if its files don't tell."""
    try:
        rows = {row.get("epoch"): {key: x for key, x in row.items() if x is not None} for row in run.read_metrics()}
        return rows[None] | (rows[int(run.read_info().tags[KEPT_EPOCH])] if part == "val" else {})
    except (OSError, KeyError, ValueError):  # a run that is damaged or gone does not take the table with it
        return {}
