"""What replicates show together: means, and how sure they are.

Errors span decades: where all are positive, they are compared as logarithms, their mean is the geometric one, and what
tells two configurations apart is a ratio. Else means are arithmetic, and differences tell.
"""

import math
import statistics
from collections.abc import Callable, Container, Iterable, Mapping
from typing import NamedTuple

from hydra_queue_sweeper.search.trials import Trial, replicates

Reports = dict[int, float]
"""A job's objective at each step that it has reported."""


CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean, and the interval that covers the true one in 95 of 100 cases, or all that are compared at once.

    Attributes:
        value: The mean.
        low: Where the interval begins; None where the values are too few to tell.
        high: Where it ends.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def may_be(self, value: float) -> bool:
        """Say whether the true mean may be a value: it lies within the interval, or there is none."""
        return self.low is None or self.high is None or self.low <= value <= self.high


def all_positive(values: list[float]) -> bool:
    """Say whether values are to be compared as logarithms."""
    return all(value > 0 for value in values)


def mean(values: list[float], *, logarithmic: bool) -> float:
    """Return the mean, the same whatever the order, and of a single value that value to the last bit."""
    if len(values) == 1:
        return values[0]
    return math.exp(statistics.fmean(map(math.log, values))) if logarithmic else statistics.fmean(values)


def mean_reports(reports: list[Reports], *, logarithmic: bool) -> Reports:
    """Return the mean at each step that all have reported; arithmetic where not all are positive there."""
    if not reports:
        return {}
    common = sorted(set.intersection(*map(set, reports)))
    values = {step: [one[step] for one in reports] for step in common}
    return {step: mean(some, logarithmic=logarithmic and all_positive(some)) for step, some in values.items()}


def estimate(values: list[float], *, logarithmic: bool) -> Estimate:
    """Return the mean with its interval.

    Args:
        values: At least one, finite; positive where they are logarithmic.
        logarithmic: Whether to average logarithms.

    Returns:
        Without an interval where no seed gave another value: that there is no chance in it does not make it sure.

    Source:
        Student (1908): t on the values or on their logarithms, taken as drawn from one normal distribution.
    """
    if not varies(values):
        return Estimate(values[0])
    to, back = _scale(logarithmic)
    return _students([to(value) for value in values], back, CONFIDENCE)


def _students(scaled: list[float], back: Callable[[float], float], confidence: float) -> Estimate:
    """Return the mean of values on the scale on which they are compared, and its interval, as they are shown."""
    centre = statistics.fmean(scaled)
    if len(scaled) < 2:
        return Estimate(back(centre))
    from scipy.special import stdtrit

    half = float(stdtrit(len(scaled) - 1, (1 + confidence) / 2)) * statistics.stdev(scaled) / math.sqrt(len(scaled))
    return Estimate(back(centre), back(centre - half), back(centre + half))


def paired(
    values: Mapping[str, float], others: Mapping[str, float], *, logarithmic: bool, comparisons: int = 1
) -> Estimate | None:
    """Return by how much one configuration's objective is above another's, on the seeds that both ran on.

    They share data and first weights seed by seed: most of what differs between seeds cancels.

    Args:
        values: The objective by seed.
        others: Likewise, of the configuration that it is compared with.
        logarithmic: Whether to return a ratio; else a difference.
        comparisons: How many there are: their intervals hold what is true, in 95 of 100 cases, all at once.

    Returns:
        None without a common seed; without an interval where neither varies with it.

    Source:
        Dunn (1961), Multiple comparisons among means: it needs no common variance, as Hsu (1984) does.
    """
    common = sorted(values.keys() & others.keys())
    if not common:
        return None
    to, back = _scale(logarithmic)
    if not any(varies([one[seed] for seed in common]) for one in (values, others)):
        return Estimate(back(to(values[common[0]]) - to(others[common[0]])))
    differences = [to(values[seed]) - to(others[seed]) for seed in common]
    return _students(differences, back, confidence_of_each(comparisons))


def confidence_of_each(comparisons: int) -> float:
    """Return the confidence of each interval of so many that hold what is true in 95 of 100 cases, all at once."""
    return 1 - (1 - CONFIDENCE) / comparisons


def with_the_wider(ratio: Estimate, other: Estimate | None) -> Estimate:
    """Return a ratio with the wider of its interval and another one of it: that of the larger high / low.

    Each interval leaves out some of what is drawn by chance; where one is not known, the other speaks.
    """
    if other is None or _width(other) < _width(ratio):
        return ratio
    return Estimate(ratio.value, other.low, other.high)


def _width(ratio: Estimate) -> float:
    """Return how wide the interval of a ratio is, on the logarithmic scale; less than 0 where there is none."""
    if ratio.low is None or ratio.high is None:
        return -1.0
    if ratio.low <= 0 or ratio.high == math.inf:
        return math.inf
    return math.log(ratio.high) - math.log(ratio.low)


def varies(values: Iterable[float]) -> bool:
    """Say whether not all values are the same."""
    return len(set(values)) > 1


def no_difference(*, logarithmic: bool) -> float:
    """Return what `paired` finds between equals: a ratio, or a difference."""
    return 1.0 if logarithmic else 0.0


def ranked(trials: Iterable[Trial], fresh: Container[int] = ()) -> list[tuple[float, list[Trial]]]:
    """Return configurations all of whose seeds have finished, each with its mean objective, the best first.

    Args:
        trials: Of all configurations.
        fresh: See `judging`.
    """
    groups = replicates(trials)
    whole = [group for group in groups if all(one.objective is not None for one in group)]
    logarithmic = all_positive([one.objective for group in whole for one in group if one.objective is not None])
    found = []
    for group in whole:
        values = [one.objective for one in judging(group, fresh) if one.objective is not None]
        found.append((mean(values, logarithmic=logarithmic), group))
    return sorted(found, key=lambda one: rank_key(len(one[1]), one[0]))


def judging(trials: list[Trial], fresh: Container[int]) -> list[Trial]:
    """Return those replicates that tell what their configuration is worth: all, or fresh ones alone, if there are any.

    A seed that made it one of the best of many is mostly a lucky one.

    Args:
        trials: Replicates that have finished.
        fresh: The numbers of trials on seeds that the best were given after they had been chosen.
    """
    return [one for one in trials if one.number in fresh] or trials


def rank_key(num_seeds: int, objective: float) -> tuple[int, float]:
    """Return what sorts configurations that have finished: those of more seeds first, then those of better means.

    The best of many single seeds is mostly lucky, so that it must not stand above a mean over six.
    """
    return -num_seeds, objective


def _scale(logarithmic: bool) -> tuple[Callable[[float], float], Callable[[float], float]]:
    return (math.log, _exp) if logarithmic else (float, float)


def _exp(value: float) -> float:
    """Return e to a power; inf where no number is as large, as where an interval of two values spans 300 decades."""
    return math.exp(value) if value < 709 else math.inf
