"""What the runs of a configuration measured on validation and test data, beside the best baseline."""

import math
from typing import NamedTuple

from hydra_queue_sweeper.search.estimates import Estimate, all_positive, estimate, mean
from wavesweep.config.tag_names import FORECASTS_BY, KEPT_EPOCH
from wavesweep.evaluation.metric_names import KEPT_SCALED, SCALED, baseline_score, metric
from wavesweep.experiment.result import best_baseline
from wavesweep.models.baseline_names import BASELINES, EXACT
from wavesweep.workspace.directory import RunDirectory

OWN = {"val": metric("val", KEPT_SCALED), "test": metric("test", SCALED)}
"""The closed-loop error of the weights that a run kept, by the part of the data."""


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
    def skill(self) -> float | None:
        """1 - error / error of the best baseline; None beside one that is exact or not known."""
        return 1 - self.own.value / self.baseline if EXACT <= self.baseline < math.inf else None


def scores(part: str, runs: list[RunDirectory]) -> Scores | None:
    """Return what runs measured on `val` or `test`; None unless all did."""
    measured = [_measured_once(run) for run in runs]
    own = [one[OWN[part]] for one in measured if OWN[part] in one]
    if not own or len(own) < len(runs):
        return None
    best = best_baseline(_of_baselines("val", measured))  # never chosen on test data
    baseline = _of_baselines(part, measured)[metric(part, baseline_score(best))]
    return Scores(estimate(own, logarithmic=all_positive(own)), baseline, BASELINES[best])


def starts(runs: list[RunDirectory]) -> list[str]:
    """Return what forecasts in those of the runs that kept their weights from before training."""
    tags = [_tags(run) for run in runs]
    return [one[FORECASTS_BY] for one in tags if one.get(KEPT_EPOCH) == "0" and FORECASTS_BY in one]


def _of_baselines(part: str, measured: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean error of each baseline on a part; inf where a run does not know it."""
    names = [metric(part, baseline_score(key)) for key in BASELINES]
    errors = {name: [one.get(name, math.inf) for one in measured] for name in names}
    return {name: mean(found, logarithmic=all_positive(found)) for name, found in errors.items()}


def _tags(run: RunDirectory) -> dict[str, str]:
    """Return the tags of a run; none if its file doesn't tell."""
    try:
        return run.read_info().tags
    except (OSError, ValueError):
        return {}


def _measured_once(run: RunDirectory) -> dict[str, float]:
    """Return what a run measured at its end, as far as it is finite; nothing if its files don't tell."""
    try:
        once = run.read_scores().get(0, {})
    except (OSError, ValueError):  # a run that is damaged or gone does not take the table with it
        return {}
    return {name: value for name, value in once.items() if math.isfinite(value)}
