"""An estimate of the time that a sweep still needs, from how long its jobs took, and from how far the others are.

Sizes multiply: a network of twice the units takes twice as long, whatever else varies. So the logarithm of a job's
seconds is taken for a sum over its values, fitted by least squares. Jobs that were pruned count with the time that
they took, which shows what pruning saves.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hydra_queue_sweeper.search.space import Value

Values = Mapping[str, Value]
"""What a job has in the dimensions whose values are listed, seeds aside; empty where that is not known yet."""


class Work(NamedTuple):
    """What has been done of a job.

    Attributes:
        values: What tells it from others.
        seconds: That it took.
        done: Which share of the job is done; 1 of one that has ended, however early.
    """

    values: Values
    seconds: float
    done: float = 1.0


def seconds_left(ended: Sequence[Work], running: Sequence[Work], waiting: Sequence[Values], num_workers: int) -> float:
    """Return how many seconds pass until all jobs have ended, where workers share what is left.

    Args:
        ended: The jobs that have.
        running: Those that workers are at.
        waiting: What the others have.
        num_workers: That are at work.

    Returns:
        inf as long as there is nothing to tell it from.
    """
    if not running and not waiting:
        return 0.0
    known = [work for work in [*ended, *running] if work.done > 0]
    if not num_workers or not any(work.seconds > 0 for work in known):
        return math.inf
    whole = _predict(known, [*(work.values for work in running), *waiting])
    left = [_left(work, seconds) for work, seconds in zip(running, whole, strict=False)]
    to_begin = whole[len(left) :]
    return max([*left, (sum(left) + sum(to_begin)) / num_workers])


def _left(work: Work, predicted: float) -> float:
    """Return the seconds that a running job still needs: the further it is, the more its own pace counts."""
    if work.done <= 0:
        return max(0.0, predicted - work.seconds)
    return (1 - work.done) * ((1 - work.done) * predicted + work.seconds)


def _predict(known: Sequence[Work], wanted: Sequence[Values]) -> list[float]:
    """Return the seconds of whole jobs: for each value the factor that fits best; of what is not known yet the mean.

    Source:
        From exponentials of mean logarithms to mean seconds: Duan (1983), the smearing estimate.
    """
    import numpy as np

    pairs = list(dict.fromkeys(pair for work in known for pair in work.values.items()))

    def rows(jobs: Sequence[Values]) -> np.ndarray:  # (job, value)
        return np.array([[values.get(key) == value for key, value in pairs] for values in jobs], float)

    done = np.array([work.done for work in known])
    seconds = np.array([work.seconds for work in known])
    has_begun = seconds > 0  # others were given up before
    jobs = rows([work.values for work in known])
    logs = np.log(seconds[has_begun] / done[has_begun])
    level = np.average(logs, weights=done[has_begun])
    centre = np.average(jobs[has_begun], axis=0, weights=done[has_begun])
    root = np.sqrt(done[has_begun])
    # Of all that fit best, the smallest: the effects of a key's values add up to nothing.
    effects = np.linalg.lstsq(root[:, None] * (jobs[has_begun] - centre), root * (logs - level))[0]
    factor = seconds.sum() / (done @ np.exp((jobs - centre) @ effects))
    fitted = factor * np.exp((rows(wanted) - centre) @ effects)
    mean = seconds.sum() / done.sum()
    return [float(one) if values else float(mean) for values, one in zip(wanted, fitted, strict=True)]
