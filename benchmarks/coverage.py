"""Counts how often the leaderboard's 95% interval covers what it should, and prints the table of docs/sweeps.md.

    python benchmarks/coverage.py           from the objectives of 40 seeds in coverage.csv, in some ten seconds
    python benchmarks/coverage.py sweep     runs those seeds anew before that: four minutes on one core

Of the 40 objectives, n are drawn without repetition, as seeds of a sweep don't repeat, and their interval is to cover
the mean of all 40. That mean holds the n that were drawn, so that they miss it by less than they miss that of all seeds
there are: the interval is narrowed by as much, the square root of 1 - n/40.

Source:
    Cochran (1977), Sampling Techniques, 2.6: the finite population correction.
"""

import csv
import json
import math
import random
import subprocess
import sys
from pathlib import Path

from hydra_queue_sweeper.search.estimates import estimate, mean

STORED = Path(__file__).with_suffix(".csv")
SEEDS, DRAWS = 40, 10_000
JOBS = ["dataset=sine", "dataset.num_series=20", "dataset.length=200", "model=tiny", "training.refine_epochs=20"]


def main() -> None:
    """Print a row for each number of seeds."""
    if "sweep" in sys.argv[1:]:
        sweep()
    with STORED.open(encoding="utf-8", newline="") as file:
        objectives = [float(row["objective"]) for row in csv.DictReader(file)]
    print("| seeds | mean of logarithms covered | arithmetic mean covered | its lower end negative |")
    print("| ---: | ---: | ---: | ---: |")
    for n in (3, 5, 10):
        (logarithmic, _), (arithmetic, negative) = (simulate(objectives, n, logarithmic=one) for one in (True, False))
        print(f"| {n} | {logarithmic:.1%} | {arithmetic:.1%} | {negative:.0%} |", flush=True)


def sweep() -> None:
    """Run all seeds, and store their objectives."""
    before = set(Path("outputs/sweeps").glob("*"))
    command = [sys.executable, "-m", "wavesweep", "-m", *JOBS, f"seed=range({SEEDS})", "hydra.sweeper.n_workers=1"]
    subprocess.run(command, check=True)  # noqa: S603
    [place] = set(Path("outputs/sweeps").glob("*")) - before
    trials = [json.loads((place / "trials" / f"{number}.json").read_text("utf-8")) for number in range(SEEDS)]
    rows = [f"{number},{trial['objective']!r}\n" for number, trial in enumerate(trials)]
    STORED.write_text("".join(["seed,objective\n", *rows]), "utf-8")


def simulate(objectives: list[float], n: int, *, logarithmic: bool) -> tuple[float, float]:
    """Return in which share of draws the interval covers the mean of all, and in which it begins below 0."""
    rng, to = random.Random(n), math.log if logarithmic else float  # noqa: S311
    aim, narrowed = to(mean(objectives, logarithmic=logarithmic)), math.sqrt(1 - n / len(objectives))
    covered = negative = 0
    for _ in range(DRAWS):
        value, low, high = estimate(rng.sample(objectives, n), logarithmic=logarithmic)
        assert low is not None
        assert high is not None
        covered += abs(to(value) - aim) <= narrowed * (to(high) - to(value))
        negative += low < 0
    return covered / DRAWS, negative / DRAWS


if __name__ == "__main__":
    main()
