"""Runs the article's systems over five seeds and prints the tables of docs/article.md.

    python benchmarks/article.py            all of them, about an hour on one core
    python benchmarks/article.py minutes    one of them

Leaves the runs below outputs/, as any sweep.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

PRESETS = ("minutes", "sine", "cos_sin_squared", "linear_noise")
SEEDS = range(5)


def main() -> None:
    """Run the presets named on the command line, or all."""
    for preset in sys.argv[1:] or PRESETS:
        print(f"\n## {preset}\n\n{table(run(preset))}", flush=True)


def run(preset: str) -> list[list[dict[str, Any]]]:
    """Run one preset over the seeds; return each run's records."""
    seeds = "seed=" + ",".join(map(str, SEEDS))
    sweeps = Path("outputs/sweeps")
    before = set(sweeps.glob("*"))
    command = [sys.executable, "-m", "wavesweep", "-m", f"experiment=article/{preset}", seeds]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    [sweep] = set(sweeps.glob("*")) - before
    files = [sweep / str(job) / "metrics.jsonl" for job in SEEDS]
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def table(runs: list[list[dict[str, Any]]]) -> str:
    """Return a row a seed: losses, errors and seconds at the last epoch, and their median."""
    keys = ["train/loss", "val/one_step_mse", "val/closed_loop_scaled_mse", "test/closed_loop_scaled_mse"]
    keys += ["time/train_seconds"]
    rows = []
    for records in runs:
        first = {"first train/loss": records[0]["train/loss"]}
        last = {key: value for record in records for key, value in record.items()}
        rows.append(first | {key: last[key] for key in keys if key in last})
    lines = ["| seed | " + " | ".join(rows[0]) + " |", "| --- |" + " ---: |" * len(rows[0])]
    medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    for name, row in [*zip(map(str, SEEDS), rows, strict=True), ("median", medians)]:
        lines.append(f"| {name} | " + " | ".join(f"{value:.3g}" for value in row.values()) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
