"""Measures sweeps and prints the figures of docs/performance.md.

    python benchmarks/sweeps.py             all, about an hour on two cores with nothing else to do
    python benchmarks/sweeps.py pruning     one part: workers, uneven, warm, grid or pruning

Leaves its sweeps below outputs/.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

Trials = list[dict[str, Any]]
SMALL = ["dataset.num_series=20", "dataset.length=100", "dataset.width=5", "model=tiny", "training.refine_epochs=3"]
TRIVIAL = ["dataset.num_series=3", "dataset.length=20", "dataset.width=2", "model=linear"]


def sweep(*overrides: str) -> tuple[Path, float]:
    """Run a sweep; return its directory and the seconds it took from start to exit."""
    before, began = set(Path("outputs/sweeps").glob("*")), time.monotonic()
    done = subprocess.run([sys.executable, "-m", "wavesweep", "-m", *overrides], capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 0, done.stderr
    [place] = set(Path("outputs/sweeps").glob("*")) - before
    return place, time.monotonic() - began


def trials(place: Path) -> Trials:
    """Return the records of a sweep's trials, each with the time at which it ended and began."""
    records = []
    for path in sorted(place.glob("trials/*.json"), key=lambda path: int(path.stem)):
        record, ended = json.loads(path.read_text("utf-8")), path.stat().st_mtime
        records.append(record | {"ended": ended, "began": ended - record["seconds"]})
    return records


def once(place: Path, record: dict[str, Any], key: str) -> float:
    """Return a value that a trial's run measured once."""
    lines = (place / record["directory"] / "metrics.jsonl").read_text("utf-8").splitlines()
    return json.loads(lines[-1])[key]


def span(records: Trials) -> float:
    """Return the seconds from the first trial's start to the last one's end."""
    return max(record["ended"] for record in records) - min(record["began"] for record in records)


def workers() -> None:
    """Compare one worker with two on the same jobs, without the start of processes."""
    jobs = [*SMALL, "training.epochs=100", "seed=range(12)"]
    took = [span(trials(sweep(*jobs, f"hydra.sweeper.n_workers={count}")[0])) for count in (1, 2)]
    print(
        f"12 equal jobs: {took[0]:.1f} s on one worker, {took[1]:.1f} s on two: {took[0] / took[1]:.2f} times as fast"
    )


def uneven() -> None:
    """Measure how busy two workers are until the queue is empty, where durations vary tenfold."""
    place, _ = sweep(*SMALL, "training.epochs=shuffle(range(20,1520,100))", "hydra.sweeper.n_workers=2")
    records = trials(place)
    durations = [record["seconds"] for record in records]
    begins = sorted(record["began"] for record in records)
    first, empty = begins[1], begins[-1]  # both work; the last is taken
    busy = sum(max(0.0, min(record["ended"], empty) - max(record["began"], first)) for record in records)
    share = busy / (2 * (empty - first))
    print(f"{len(records)} jobs of {min(durations):.1f} to {max(durations):.1f} s: two workers busy {share:.1%}")


def warm() -> None:
    """Measure what a further job costs beyond its training on a worker that has run some."""
    place, _ = sweep(*TRIVIAL, "seed=range(40)", "hydra.sweeper.n_workers=1")
    records = trials(place)[10:]
    gaps = [after["ended"] - before["ended"] for before, after in pairwise(records)]
    beyond = [gap - once(place, one, "time/train_seconds") for gap, one in zip(gaps, records[1:], strict=True)]
    between = [gap - one["seconds"] for gap, one in zip(gaps, records[1:], strict=True)]
    print(f"a further job: {statistics.median(beyond):.3f} s beyond its training, pictures and delivery included; ")
    print(f"{statistics.median(between):.3f} s between two jobs")


def grid() -> None:
    """Measure time and memory of grids of trivial jobs."""
    for count in (100, 300, 1000):
        _, took = sweep(*TRIVIAL, f"seed=range({count})", "tracking.experiment=grid")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{count} jobs: {took:.0f} s, {took / count:.2f} s a job; largest process so far {peak:.0f} MB")


def pruning() -> None:
    """Run the same 40 configurations with each pruner and without, on ten seeds."""
    space = [
        "model.hidden_sizes=[4],[8],[12],[16]",
        "optimizer.lr=1e-4,3e-4,1e-3,3e-3,1e-2",
        "training.batch_size=4,16",
    ]
    print("| seed | pruner | pruned | loss evaluations | rank without pruning of the best kept |")
    print("| --- | --- | ---: | ---: | ---: |")
    for seed in range(10):
        common = [*SMALL, *space, f"seed={seed}", "training.epochs=20", "training.refine_epochs=16"]
        straight, _ = sweep(*common)
        order = sorted(trials(straight), key=lambda record: record["objective"])
        ranks = {record["number"]: rank for rank, record in enumerate(order, start=1)}
        cost = evaluations(straight)
        for pruner in ("median", "successive_halving", "hyperband"):
            place, _ = sweep(*common, f"hydra.sweeper.pruner={pruner}")
            records = trials(place)
            left = [record for record in records if record["state"] == "finished"]
            best = ranks[min(left, key=lambda record: record["objective"])["number"]]
            share = evaluations(place) / cost
            print(f"| {seed} | {pruner} | {len(records) - len(left)} | {share:.0%} | {best} |", flush=True)


def evaluations(place: Path) -> float:
    """Return the loss evaluations of all runs of a sweep."""
    return sum(once(place, record, "cost/loss_evaluations") for record in trials(place))


def main() -> None:
    """Run the parts named on the command line, or all."""
    parts = {part.__name__: part for part in (workers, uneven, warm, grid, pruning)}
    for name in sys.argv[1:] or parts:
        print(f"\n## {name}\n", flush=True)
        parts[name]()


if __name__ == "__main__":
    main()
