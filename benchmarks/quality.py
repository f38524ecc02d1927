"""Compares recipes on the same sine waves and machine, and prints the table of docs/quality.md.

    python benchmarks/quality.py            about eight minutes on one core

Leaves the runs below outputs/, as any run. neuralforecast's LSTM has a row of its own where it is installed.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from wavesweep.config.composing import compose
from wavesweep.evaluation.scores import errors
from wavesweep.experiment.preparation import prepare
from wavesweep.models.baseline_names import BASELINES

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
STEPS = 300  # of neuralforecast's default optimizer


def main() -> None:
    """Run each recipe, then print a row each, and the baselines' from the last run."""
    print("| recipe | seconds | loss evaluations | closed loop, scaled MSE |\n| --- | ---: | ---: | ---: |", flush=True)
    metrics: dict[str, Any] = {}
    for name, overrides in RECIPES.items():
        metrics = run(overrides)
        seconds, calls = metrics["time/train_seconds"], metrics["cost/loss_evaluations"]
        print(f"| {name} | {seconds:.1f} | {calls:.0f} | {metrics['test/closed_loop_scaled_mse']:.2g} |", flush=True)
    if find_spec("neuralforecast"):
        seconds, score = neuralforecast()
        print(
            f"| neuralforecast's LSTM, recurrent, {STEPS} steps | {seconds:.1f} | {STEPS} | {score:.2g} |", flush=True
        )
    for key, name in BASELINES.items():
        print(f"| {name} | | | {metrics[f'test/{key}_scaled_mse']:.2g} |")


def run(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Run one recipe; return what it measured once."""
    runs = Path("outputs/runs")
    before = set(runs.glob("*"))
    command = [sys.executable, "-m", "wavesweep", "dataset=sine", *overrides]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    [directory] = set(runs.glob("*")) - before
    return json.loads((directory / "metrics.jsonl").read_text().splitlines()[-1])


def neuralforecast() -> tuple[float, float]:
    """Train neuralforecast's LSTM on the same series; return the seconds it took and its score on the same windows."""
    import pandas as pd
    import torch
    from neuralforecast import NeuralForecast  # type: ignore[import-not-found]
    from neuralforecast.models import LSTM  # type: ignore[import-not-found]

    def table(series: np.ndarray) -> pd.DataFrame:
        names = np.repeat(np.arange(len(series)), series.shape[1])
        return pd.DataFrame({"unique_id": names, "ds": np.tile(np.arange(series.shape[1]), len(series)),
                             "y": series.ravel()})  # fmt: skip

    data = prepare(compose("dataset=sine")).data
    assert data.test is not None
    torch.set_num_threads(1)
    horizon = data.test.truth.shape[1]
    quiet = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    model = LSTM(h=horizon, input_size=200, recurrent=True, max_steps=STEPS, **quiet)
    forecaster = NeuralForecast(models=[model], freq=1)
    began = perf_counter()
    forecaster.fit(table(np.stack(data.train)[..., 0]), val_size=0)
    seconds = perf_counter() - began
    forecast = forecaster.predict(df=table(data.test.context[..., 0]))["LSTM"].to_numpy()
    return seconds, errors(forecast.reshape(data.test.truth.shape), data.test, data.units).mean


if __name__ == "__main__":
    main()
