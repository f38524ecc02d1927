"""How many trials workers can claim and end in a second, where jobs take no time: what is left is the claims.

python -m benchmarks.claims prints a table for processes on this machine: claims by locks in the sweep's directory, by
leases there, and in a PostgreSQL that it starts (apt-get install postgresql).
"""

import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hydra_queue_sweeper.base import locks
from hydra_queue_sweeper.leaderboard.ranking import rank
from hydra_queue_sweeper.search.space import Dimension
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.claiming import Claiming
from tests.support.made import make
from tests.support.postgres import Postgres, missing

JOBS = 10_000
SECONDS = 8.0
WORKERS = (1, 4, 16)
ENDED = (0, 9_000)


def work(place: Path, claiming: Claiming, results: Any) -> None:
    """Claim and end trials for some seconds; tell how long the first claim took, and when each was ended."""
    if claiming.kind == "leases":
        locks._locks_hold = lambda *_: False  # type: ignore[assignment]
    queue = claiming.queue(SweepDirectory(place))
    began, first, ends = time.monotonic(), 0.0, []
    while time.monotonic() < began + SECONDS:
        with queue.take() as trial:
            if trial is None:
                break
            first = first or time.monotonic() - began
            queue.claims.record(replace(trial, state="finished", objective=1.0))
        ends.append(time.monotonic())
    results.put((first, ends))


def measure(folder: Path, claiming: Claiming, workers: int, ended: int) -> tuple[float, float]:
    """Return claims a second by all workers, and the seconds of the slowest first claim."""
    sweep = make(folder, [Dimension("x", tuple(map(str, range(JOBS))))], [1.0] * ended)
    claiming.start(sweep, "a")
    context = get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(folder, claiming, results)) for _ in range(workers)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    ends = sorted(end for _, one in found for end in one)
    span = ends[-1] - ends[0]
    return (len(ends) - 1) / span, max(first for first, _ in found)


def main() -> None:
    """Print the table, and the time of a leaderboard."""
    database = None if missing() else Postgres()
    ways = [Claiming("directory"), Claiming("leases")]
    ways += [Claiming("postgresql", database.address)] if database else []
    print(f"{'claims':<12}{'workers':>8}{'ended':>8}{'a second':>10}{'slowest first, s':>18}")
    with tempfile.TemporaryDirectory() as place:
        for claiming in ways:
            for ended in ENDED:
                for workers in WORKERS if ended == 0 else WORKERS[:1]:
                    folder = Path(place, f"{claiming.kind}-{workers}-{ended}")
                    rate, first = measure(folder, claiming, workers, ended)
                    print(f"{claiming.kind:<12}{workers:>8}{ended:>8}{rate:>10.0f}{first:>18.3f}", flush=True)
        whole = make(Path(place, "whole"), [Dimension("x", tuple(map(str, range(JOBS))))], [1.0] * JOBS)
        began = time.monotonic()
        rank(whole)
        print(f"leaderboard of {JOBS} jobs: {time.monotonic() - began:.2f} s")
    if database:
        database.remove()


if __name__ == "__main__":
    sys.exit(main())
