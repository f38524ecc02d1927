"""Compares recipes on the same sine waves and machine, and prints the table of docs/quality.md.

    python benchmarks/quality.py            about eight minutes on one core

Leaves the runs below outputs/, as any run.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ARTICLE = (
    "training=article", "model=large", "model.difference=false", "model.initialization=uniform", "optimizer=lbfgs",
    "optimizer.line_search=none", "optimizer.tolerance_grad=1e-7", "optimizer.tolerance_change=1e-9",
)  # fmt: skip
RECIPES = {
    "the article's (L-BFGS 0.08, 10 steps)": (*ARTICLE, "optimizer.lr=0.08"),
    "PyTorch's example (L-BFGS 0.8, 10 steps)": (*ARTICLE, "optimizer.lr=0.8"),
    "Adam alone, 300 steps": ("training.refine_epochs=0",),
    "Adam alone, 1,000 steps": ("training.refine_epochs=0", "training.epochs=40"),
    "the defaults": (),
}
BASELINES = {"last value repeated": "naive", "seasonal naive": "seasonal_naive", "linear autoregression": "linear"}


def main() -> None:
    """Run each recipe, then print a row each, and the baselines' from the last run."""
    print("| recipe | seconds | loss evaluations | closed loop, scaled MSE |\n| --- | ---: | ---: | ---: |", flush=True)
    metrics: dict[str, Any] = {}
    for name, overrides in RECIPES.items():
        metrics = run(overrides)
        seconds, calls = metrics["time/train_seconds"], metrics["cost/loss_evaluations"]
        print(f"| {name} | {seconds:.1f} | {calls:.0f} | {metrics['test/closed_loop_scaled_mse']:.2g} |", flush=True)
    for name, key in BASELINES.items():
        print(f"| {name} | | | {metrics[f'test/{key}_scaled_mse']:.2g} |")


def run(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Run one recipe; return what it measured once."""
    runs = Path("outputs/runs")
    before = set(runs.glob("*"))
    command = [sys.executable, "-m", "wavesweep", "dataset=sine", *overrides]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    [directory] = set(runs.glob("*")) - before
    return json.loads((directory / "metrics.jsonl").read_text().splitlines()[-1])


if __name__ == "__main__":
    main()
