"""An estimate of the time that a sweep still needs, from how long its jobs took, and from how far the others are.

Sizes multiply: a network of twice the units takes twice as long, whatever else varies. So the logarithm of a job's
seconds is taken for a sum over its values, fitted by least squares. Jobs that were pruned count with the time that
they took, which shows what pruning saves.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wavesweep.search.space import Value

Values = Mapping[str, Value]
"""What a job has in the dimensions whose values are listed, seeds aside; empty where that is not known yet."""


class Work(NamedTuple):
    """What has been done of a job.

    Attributes:
        values: What tells it from others.
        seconds: That it took.
        done: Which share of the job is done; 1 of one that has ended, however early.
        before: Which share was done already when these seconds began.
    """

    values: Values
    seconds: float
    done: float = 1.0
    before: float = 0.0

    @property
    def share(self) -> float:
        """How much of the job these seconds did."""
        return self.done - self.before


def seconds_left(
    ended: Sequence[Work], running: Sequence[Work], waiting: Sequence[Values], num_workers: int
) -> float | None:
    """Return how many seconds pass until all jobs have ended, each worker taking the next that waits.

    Args:
        ended: The jobs that have.
        running: Those that workers are at.
        waiting: What the others have, in their order.
        num_workers: That are at work.

    Returns:
        None as long as there is nothing to tell it from.
    """
    if not running and not waiting:
        return 0.0
    known = [work for work in [*ended, *running] if work.share > 0]
    if not num_workers or not any(work.seconds > 0 for work in known):
        return None
    whole = _predict(known, [*(work.values for work in running), *waiting])
    left = [_left(work, seconds) for work, seconds in zip(running, whole, strict=False)]
    workers = [*left, *[0.0] * (num_workers - len(left))]
    heapq.heapify(workers)
    for seconds in whole[len(left) :]:
        heapq.heapreplace(workers, workers[0] + seconds)
    return max(workers)


def _left(work: Work, predicted: float) -> float:
    """Return the seconds that a running job still needs: the further it is, the more its own pace counts."""
    if work.share <= 0:
        return max(0.0, (1 - work.done) * predicted - work.seconds)
    return (1 - work.done) * ((1 - work.share) * predicted + work.seconds)


def _predict(known: Sequence[Work], wanted: Sequence[Values]) -> list[float]:
    """Return the seconds of whole jobs: for each value the factor that fits best; of what is not known yet the mean.

    Source:
        From exponentials of mean logarithms to mean seconds: Duan (1983), the smearing estimate.
    """
    shares, seconds = [work.share for work in known], [work.seconds for work in known]
    level, effects = _fit([work for work in known if work.seconds > 0])  # others were given up before they began

    def fitted(values: Values) -> float:
        return math.exp(level + sum(effects.get(pair, 0.0) for pair in values.items()))

    factor = sum(seconds) / sum(work.share * fitted(work.values) for work in known)
    mean = sum(seconds) / sum(shares)
    return [factor * fitted(values) if values else mean for values in wanted]


def _fit(known: Sequence[Work]) -> tuple[float, dict[tuple[str, Value], float]]:
    """Return the mean logarithm of whole jobs' seconds, and what each value adds to it, on average nothing."""
    import numpy as np

    pairs = list(dict.fromkeys(pair for work in known for pair in work.values.items()))
    rows = np.array([[work.values.get(key) == value for key, value in pairs] for work in known], float)  # (job, value)
    weights = np.array([work.share for work in known])
    logs = np.log([work.seconds / work.share for work in known])
    level, centre = np.average(logs, weights=weights), np.average(rows, axis=0, weights=weights)
    root = np.sqrt(weights)
    found = np.linalg.lstsq(root[:, None] * (rows - centre), root * (logs - level))[0]  # the smallest that fit best
    means: dict[str, float] = defaultdict(float)
    for (key, _), share, effect in zip(pairs, centre, found, strict=True):
        means[key] += float(share * effect)
    return float(level), {pair: float(one) - means[pair[0]] for pair, one in zip(pairs, found, strict=True)}
