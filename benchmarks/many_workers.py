"""Simulates claims by more workers than one machine can run: how much of their time is left for jobs.

python -m benchmarks.many_workers prints a table, in seconds. All claims of a sweep pass one by one, each in the time
that benchmarks.claims measured; jobs take times of their own around a mean, and all workers begin at once.
"""

import heapq
import itertools
from typing import NamedTuple

import numpy as np

CLAIMS_A_SECOND = {"locks": 332, "leases": 86, "postgresql": 91}  # of 16 workers: see docs/scale.md
WORKERS = (16, 100, 1_000, 10_000)
SECONDS_OF_JOBS = (10, 60, 600)
JOBS_A_WORKER = 10
SPREAD = 0.3  # standard deviation of a job's time, as a share of its mean
SECONDS_BETWEEN_TRIES = 0.01  # of who waits for the lock


class Outcome(NamedTuple):
    """What a simulated sweep came to.

    Attributes:
        busy: Share of the workers' time, up to the last claim, that went to jobs.
        wait: Median seconds that a worker waits for a claim, after its first.
        worst: Most seconds that one waits, its first included.
        tries: Most tries of a directory's lock in a second, by all.
    """

    busy: float
    wait: float
    worst: float
    tries: int


def simulate(workers: int, claims_a_second: float, seconds: float) -> Outcome:
    """Let workers claim and run jobs, ten each on average.

    Args:
        workers: How many begin at once.
        claims_a_second: That all of them together get.
        seconds: Mean of a job's.
    """
    generator = np.random.default_rng(0)
    jobs = workers * JOBS_A_WORKER
    lengths = generator.gamma(SPREAD**-2, seconds * SPREAD**2, jobs)
    asking = [(0.0, worker) for worker in range(workers)]
    free = 0.0
    asked, claimed = np.empty(jobs), np.empty(jobs)
    for job in range(jobs):
        asked[job], worker = heapq.heappop(asking)
        free = claimed[job] = max(asked[job], free) + 1 / claims_a_second
        heapq.heappush(asking, (free + lengths[job], worker))
    worked = np.clip(claimed[-1] - claimed, 0, lengths).sum()
    waits = claimed - asked
    return Outcome(
        worked / (workers * claimed[-1]), float(np.median(waits[workers:])), waits.max(), _most_tries(asked, claimed)
    )


def _most_tries(asked: np.ndarray, claimed: np.ndarray) -> int:
    """Return the tries in the second in which most wait."""
    waiting = np.searchsorted(asked, claimed, side="right") - np.arange(1, len(claimed) + 1)
    return int(waiting.max() / SECONDS_BETWEEN_TRIES)


def main() -> None:
    """Print the table."""
    print(f"{'claims':<12}{'workers':>8}{'a job':>8}{'busy':>8}{'wait':>9}{'at worst':>10}{'tries a second':>16}")
    for (claims, rate), seconds, workers in itertools.product(CLAIMS_A_SECOND.items(), SECONDS_OF_JOBS, WORKERS):
        found = simulate(workers, rate, seconds)
        row = f"{claims:<12}{workers:>8,}{seconds:>8}{found.busy:>8.1%}{found.wait:>9.3f}{found.worst:>10.1f}"
        print(row if claims == "postgresql" else f"{row}{found.tries:>16,}")


if __name__ == "__main__":
    main()
