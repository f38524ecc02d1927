"""Compares the defaults with linear autoregression where series are nonlinear, and where they aren't: a table.

    python -m benchmarks.nonlinear              all, five seeds: half an hour on one core
    python -m benchmarks.nonlinear mackey       some

A row is a draw of a kind: 420 steps to train, 90 to validate, 1,000 to test. Beside it, extremely randomized trees
straight to each step, from as many last values as validation data like best. Leaves series and runs below outputs/.
"""

import statistics
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor

import wavesweep

FOLDER = Path("outputs/nonlinear")
SPLIT = (420, 90, 1000)
BURN_IN = 500
MEMORIES, TREES, LEAST_LEAF = (1, 2, 8, 24), 500, 5  # of the trees
SEEDS = range(5)
DRAWS = range(2)
Draws = np.random.Generator


def mackey(draws: Draws, steps: int, noise: float = 0.03) -> np.ndarray:
    """Return every third step of the equation of Mackey & Glass (1977), with a delay of 17, and noise."""
    a_step, delay = 0.1, 170
    states = np.full(delay + 30 * (steps + 200), 1.2)
    states[:delay] += 0.1 * draws.standard_normal(delay)
    for now in range(delay, len(states) - 1):
        before = states[now - delay]
        states[now + 1] = states[now] + a_step * (0.2 * before / (1 + before**10) - 0.1 * states[now])
    return states[delay + 30 * 200 :: 30][:steps] + noise * draws.standard_normal(steps)


def logistic(draws: Draws, steps: int, noise: float = 0.02) -> np.ndarray:
    """Return the logistic map of rate 3.8, with noise in each step, kept within 0 and 1."""
    values = [draws.uniform(0.2, 0.8)]
    for shock in noise * draws.standard_normal(BURN_IN + steps):
        values.append(min(max(3.8 * values[-1] * (1 - values[-1]) + shock, 0.001), 0.999))
    return np.array(values[-steps:])


def recursion(follow: Callable[[float, float, float, float], float]) -> Callable[[Draws, int], np.ndarray]:
    """Return what draws a series in which a value follows from the last two, a shock, and the last shock."""

    def draw(draws: Draws, steps: int) -> np.ndarray:
        shocks, values = draws.standard_normal(BURN_IN + steps), [0.0, 0.0]
        for last_shock, shock in pairwise(shocks):
            values.append(follow(values[-1], values[-2], shock, last_shock))
        return np.array(values[-steps:])

    return draw


def season(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two waves of a season of 12."""
    angle = 2 * np.pi * np.arange(steps) / 12
    return np.sin(angle), np.cos(2 * angle)


def multiplied_season(draws: Draws, steps: int) -> np.ndarray:
    """Return a season that grows with a wandering level."""
    level = recursion(lambda last, _, shock, __: 0.99 * last + 0.05 * shock)(draws, steps)
    first, second = season(steps)
    return np.exp(level) * (1 + 0.5 * first + 0.2 * second) * (1 + 0.03 * draws.standard_normal(steps))


def season_and_noise(draws: Draws, steps: int) -> np.ndarray:
    """Return a season with noise."""
    first, second = season(steps)
    return first + 0.4 * second + 0.5 * draws.standard_normal(steps)


KINDS: dict[str, tuple[Callable[[Draws, int], np.ndarray], int]] = {
    "mackey": (mackey, 3),
    "logistic": (logistic, 3),
    "mackey, a quarter of the noise": (partial(mackey, noise=0.007), 3),
    "logistic, no noise": (partial(logistic, noise=0.0), 3),
    "setar-a": (recursion(lambda last, _, shock, __: (1 if last <= 0 else -1) + 0.5 * last + 0.5 * shock), 3),
    "setar-b": (recursion(lambda last, _, shock, __: (-0.3 if last <= 0 else 0.9) * last + shock), 3),
    "bilinear": (recursion(lambda last, before, shock, old: 0.4 * last + 0.5 * before * old + shock), 3),
    "multiplied season": (multiplied_season, 12),
    "ar1": (recursion(lambda last, _, shock, __: 0.7 * last + shock), 3),
    "ar2": (recursion(lambda last, before, shock, _: 1.5 * last - 0.75 * before + shock), 3),
    "random walk": (recursion(lambda last, _, shock, __: last + shock), 3),
    "season and noise": (season_and_noise, 12),
}
"""Series of each kind, with the horizon; SETAR: Tong (1990); bilinear: Granger & Andersen (1978)."""


def main(names: list[str]) -> None:
    """Print a row for each draw of each kind: errors on test data as shares of linear autoregression's."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    columns = ["series", "draw", "the start", "network: median", "worst seed", "start kept, of 5", "seconds", "trees"]
    print(f"| {' | '.join(columns)} |", f"| --- |{' ---: |' * (len(columns) - 1)}", sep="\n")
    for name in names or KINDS:
        draw, horizon = KINDS[name]
        for number in DRAWS:
            path = FOLDER / f"{name.replace(',', '').replace(' ', '-')}-{number}.csv"
            values = draw(np.random.default_rng([number, *name.encode()]), sum(SPLIT))
            pd.DataFrame({"value": values}).to_csv(path, index=False)
            runs = [measured(path, horizon, seed) for seed in SEEDS]
            linear = runs[0]["test/linear_scaled_mse"]
            own = [run["test/closed_loop_scaled_mse"] / linear for run in runs]
            start = runs[0].get("test/combined_scaled_mse", linear) / linear
            kept = sum("share/start" not in run for run in runs)
            seconds = statistics.median(run["time/train_seconds"] for run in runs)
            row = f"{start:.3f} | {statistics.median(own):.3f} | {max(own):.3f} | {kept} | {seconds:.0f}"
            print(f"| {name} | {number} | {row} | {trees(values, horizon) / linear:.3f} |", flush=True)


def measured(path: Path, horizon: int, seed: int) -> dict[str, float]:
    """Return the metrics of a run of the defaults."""
    split = ",".join(map(str, SPLIT))
    options = [f"dataset.path={path}", f"forecast.horizon={horizon}", f"dataset.split=[{split}]", f"seed={seed}"]
    return wavesweep.run(wavesweep.compose("dataset=csv", "tracking.followers=[]", *options)).result.metrics


def trees(values: np.ndarray, horizon: int) -> float:
    """Return the scaled error of trees on the test part.

    Source:
        Geurts, Ernst & Wehenkel (2006), Extremely randomized trees.
    """
    train, val, _ = np.cumsum(SPLIT)
    scaled = (values - values[:train].mean()) / values[:train].std()

    def rows(memory: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        origins = np.arange(max(first, memory), last - horizon + 1)[:, None]
        return scaled[origins + np.arange(-memory, 0)], scaled[origins + np.arange(horizon)]

    errors = []
    for memory in MEMORIES:
        fitted = ExtraTreesRegressor(TREES, min_samples_leaf=LEAST_LEAF, random_state=0).fit(*rows(memory, 0, train))
        both = [rows(memory, train, val), rows(memory, val, len(values))]
        errors.append([float(np.square(fitted.predict(seen) - truth).mean()) for seen, truth in both])
    return min(errors)[1]


if __name__ == "__main__":
    main(sys.argv[1:])
