"""Compares the defaults with neuralforecast and statsforecast on the same forecasts, and prints the table.

    python benchmarks/real_data.py                         writes the series
    python -m benchmarks.peers write [NAME…]               runs wavesweep on them: four minutes on one core
    python -m venv peers
    peers/bin/pip install neuralforecast statsforecast     which need not get on with what wavesweep needs
    peers/bin/python benchmarks/peers.py forecast [NAME…]  half an hour on one core

The first half writes each data set, split, to outputs/peers; the second reads nothing else. Peers are fitted once, to
all that lies before the test part, and forecast from the same origins; errors are `test/closed_loop_scaled_mse`,
seconds those of the processor. Networks are trained for as long as a whole run of wavesweep takes, and once for as many
steps as is their default. What outputs/peers/results.json holds is not measured again.
"""

import json
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

FOLDER = Path("outputs/peers")
NAMES = ("nile", "elnino", "co2", "taylor", "monthly-sunspots", "airpassengers", "seattle-weather", "us-employment",
         "hourly")  # fmt: skip
SEEDS = (0, 1, 2)
STEPS = {"NLinear": 5000, "DLinear": 5000, "LSTM": 1000}  # the defaults of neuralforecast 3.3
LIMIT = 120  # seconds: what would take longer is not run
MOST_SEASON = 24  # that AutoETS can take


class Measured(NamedTuple):
    """A model's error on a data set, nan where it was not run; seconds to fit and to forecast; training steps."""

    error: float
    fit: float
    forecast: float
    steps: float = math.nan


def write(names: Iterable[str]) -> None:
    """Run wavesweep on data sets, and write what peers need of them; windows are (window, time, channel)."""
    from benchmarks.real_data import SETS
    from wavesweep.config.composing import compose
    from wavesweep.evaluation.scores import Metrics
    from wavesweep.experiment.events import Finished
    from wavesweep.experiment.experiment import experiment
    from wavesweep.experiment.preparation import Prepared, prepare
    from wavesweep.experiment.result import best_baseline

    def run_once(name: str, seed: int) -> tuple[Prepared, Metrics, float]:
        began = process_time()
        path = f"dataset.path=outputs/real/{name}.csv"
        prepared = prepare(compose("dataset=csv", path, *SETS[name][1], f"seed={seed}"))
        *_, end = experiment(prepared.config, prepared.data)
        assert isinstance(end, Finished)
        return prepared, end.result.metrics, process_time() - began

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        runs = [run_once(name, seed) for seed in SEEDS]
        own = [(metrics["test/closed_loop_scaled_mse"], seconds) for _, metrics, seconds in runs]
        prepared, metrics, _ = runs[0]
        data, part = prepared.data, prepared.data.test
        assert part is not None
        values, seasons = data.division.source.load(0)[0], np.array(data.seasons, int)
        units, each = data.units.of(part.series), (len(part.start), 1, values.shape[2])
        np.savez(
            FOLDER / f"{name}.npz", values=values, seasons=seasons, context=part.context, truth=part.truth,
            start=part.start, series=part.series, targets=part.targets, own=np.median(own, axis=0),
            mean=np.broadcast_to(units.mean, each), std=np.broadcast_to(units.std, each),
            naive=metrics["test/naive_scaled_mse"], best=metrics[f"test/{best_baseline(metrics)}_scaled_mse"],
        )  # fmt: skip


class Data(SimpleNamespace):
    """A data set as `write` left it."""

    def error(self, forecast: np.ndarray) -> float:
        """Return the mean squared error of forecasts, (window, horizon, channel), in units of the variance."""
        return float(np.square((forecast - self.truth) / self.std)[..., self.targets].mean())

    def history(self, window: int | np.integer) -> np.ndarray:
        """Return all that is known where a forecast begins, (time, channel)."""
        return np.concatenate([self.values[self.series[window], : self.start[window]], self.context[window]])

    def firsts(self) -> np.ndarray:
        """Return the first window of each series, before which all is training and validation part."""
        return np.unique(self.series, return_index=True)[1]


def network(
    kind: str, data: Data, *, seed: int = SEEDS[0], seconds: float = math.inf, steps: int = -1, **options: Any
) -> Measured:
    """Train a model of neuralforecast, for some seconds or steps, on standardised series, each channel one."""
    import pandas as pd
    import torch
    from neuralforecast import NeuralForecast, models  # type: ignore[import-not-found]
    from pytorch_lightning import Callback, Trainer  # type: ignore[import-not-found]

    class Stop(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
            trainer.should_stop = process_time() - began > seconds

    def table(windows: list[np.ndarray]) -> pd.DataFrame:
        series = [channel for window in windows for channel in window.T]
        names = np.repeat(np.arange(len(series)), [len(one) for one in series])
        times = np.concatenate([np.arange(len(one)) for one in series])
        return pd.DataFrame({"unique_id": names, "ds": times, "y": np.concatenate(series)})

    torch.set_num_threads(1)
    horizon = data.truth.shape[1]
    fitted = [(data.history(first) - data.mean[first]) / data.std[first] for first in data.firsts()]
    if kind != "LSTM":  # whose default is three horizons
        options["input_size"] = min(data.context.shape[1], min(map(len, fitted)) // 2)
    options |= {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    model = getattr(models, kind)(h=horizon, max_steps=steps, random_seed=seed, callbacks=[Stop()], **options)
    forecaster = NeuralForecast(models=[model], freq=1)
    began = process_time()
    forecaster.fit(table(fitted), val_size=0)
    between = process_time()
    scaled = forecaster.predict(df=table([*(data.context - data.mean) / data.std]))[kind].to_numpy()
    ended = process_time()
    forecast = scaled.reshape(len(data.start), -1, horizon).swapaxes(1, 2) * data.std + data.mean
    trained = len(forecaster.models[0].train_trajectories)
    return Measured(data.error(forecast), between - began, ended - between, trained)


def for_the_same_seconds(kind: str, data: Data, **options: Any) -> Measured:
    """Train for as long as a run of wavesweep takes; return the medians of the seeds."""
    limits = {"seconds": data.own[1], "steps": STEPS[kind]}
    runs = [network(kind, data, seed=seed, **limits, **options) for seed in SEEDS]
    return Measured(*np.median(runs, axis=0).tolist())


def for_its_own_steps(kind: str, data: Data) -> Measured:
    """Train for as many steps as are its default."""
    few, more = (network(kind, data, steps=steps).fit for steps in (1, 6))
    seconds = (more - few) / 5 * STEPS[kind]
    return Measured(math.nan, seconds, 0) if seconds > LIMIT else network(kind, data, steps=STEPS[kind])


def statistical(kind: str, data: Data) -> Measured:
    """Fit a model of statsforecast to each channel, and forecast with its parameters from all that is known."""
    from statsforecast import models  # type: ignore[import-not-found]

    seasons = data.seasons.tolist() or [1]
    season = {"AutoETS": seasons[0] if seasons[0] <= MOST_SEASON else 1, "AutoTheta": seasons[0], "MSTL": seasons}[kind]
    fit, ahead, forecast = 0.0, 0.0, np.empty_like(data.truth)
    for first, channel in product(data.firsts(), range(forecast.shape[2])):
        began = process_time()
        model = getattr(models, kind)(season_length=season).fit(y=data.history(first)[:, channel])
        fit += process_time() - began
        for window in np.flatnonzero(data.series == data.series[first]):
            began = process_time()
            answer = model.forward(y=data.history(window)[:, channel], h=forecast.shape[1])
            forecast[window, :, channel] = answer["mean"]
            ahead += process_time() - began
            expected = ahead / 3 * len(forecast) * forecast.shape[2]
            if not channel and window == 2 and expected > LIMIT:
                return Measured(math.nan, fit * forecast.shape[2], expected)
    return Measured(data.error(forecast), fit, ahead)


MODELS: dict[str, Callable[[Data], Measured]] = {
    **{kind: partial(statistical, kind) for kind in ("AutoETS", "AutoTheta", "MSTL")},
    **{kind: partial(for_the_same_seconds, kind) for kind in STEPS},
    "LSTM, recurrent": partial(for_the_same_seconds, "LSTM", recurrent=True),
    **{f"{kind}, {steps:,} steps": partial(for_its_own_steps, kind) for kind, steps in STEPS.items()},
}


def forecast(names: Iterable[str]) -> None:
    """Fit each model to each data set, unless that was done, and print what was measured."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sets = {name: Data(**np.load(FOLDER / f"{name}.npz")) for name in names}
    for data in sets.values():
        assert math.isclose(data.error(data.context[:, -1:]), data.naive, rel_tol=1e-9)  # it is the same measure
    path = FOLDER / "results.json"
    done: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    for model, (name, data) in product(MODELS, sets.items()):
        if name not in done.setdefault(model, {}) and (model != "MSTL" or len(data.seasons)):
            done[model][name] = MODELS[model](data)
            path.write_text(json.dumps(done, indent=1))
            print(model, name, *done[model][name], file=sys.stderr, flush=True)
    rows = {"wavesweep": {name: f"{data.own[0]:.3g}, {data.own[1]:.0f} s" for name, data in sets.items()}}
    rows["its best baseline"] = {name: f"{data.best:.3g}" for name, data in sets.items()}
    rows |= {model: {name: cell(Measured(*one)) for name, one in measured.items()} for model, measured in done.items()}
    print(f"| | {' | '.join(sets)} |", f"| --- |{' ---: |' * len(sets)}", sep="\n")
    for model, cells in rows.items():
        print(f"| {model} | {' | '.join(cells.get(name, '') for name in sets)} |")


def cell(measured: Measured) -> str:
    """Return an error, and what it cost."""
    seconds = f"{measured.fit + measured.forecast:.0f} s"
    if math.isnan(measured.error):
        return f"about {seconds}"
    steps = "" if math.isnan(measured.steps) else f", {measured.steps:.0f} steps"
    return f"{measured.error:.3g}, {seconds}{steps}"


if __name__ == "__main__":
    {"write": write, "forecast": forecast}[sys.argv[1]](sys.argv[2:] or NAMES)
