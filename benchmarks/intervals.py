"""Counts how much 90% intervals cover of series of seven kinds, and prints the tables of docs/statistics.md.

    python benchmarks/intervals.py            all tables: some ten minutes on one core
    python benchmarks/intervals.py --quick    a fifth of the draws
    python benchmarks/intervals.py panels     one of them: single, panels, weights

Each series, and each panel of two series of each kind, runs as a file of the user's own does, with `model=linear`: what
is forecast is derived from its shape, and what is counted lies in its test part.
"""

import argparse
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from wavesweep import compose
from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.data.widths import Widths
from wavesweep.evaluation.beside_baselines import calibrate, coverage_by_series, coverage_floor, score_intervals
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.evaluation.intervals import half_widths, interval_scores, own_half_widths
from wavesweep.evaluation.metric_names import COVERAGE, INTERVAL_SCORE
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.preparation import prepare

COLUMNS = ("dataset.value_columns=[value]", "dataset.series_column=series")
LENGTHS, PROMISED, LOW = (80, 120, 250, 500, 1000), 0.9, 0.8
BEFORE = 100  # steps that a series has gone on for
Draws = np.random.Generator


def autoregression(draws: Draws, length: int, scale: np.ndarray | float = 1.0) -> np.ndarray:
    """Return an autoregression of coefficient 0.8, of shocks of such a scale."""
    shocks = scale * draws.normal(size=length)
    values = np.zeros(length)
    for step in range(length):
        values[step] = shocks[step] + 0.8 * values[step - 1]
    return values


def seasonal(draws: Draws, length: int) -> np.ndarray:
    """Return a season of 12 steps, of random shape, with as much noise."""
    return np.resize(draws.normal(size=12), length) + draws.normal(size=length)


def trend(draws: Draws, length: int) -> np.ndarray:
    """Return a straight line that rises by ten shocks of the autoregression around it in a hundred steps."""
    return 0.1 * np.arange(length) + autoregression(draws, length)


def level_shifts(draws: Draws, length: int) -> np.ndarray:
    """Return noise around a level that moves every fifty steps or so."""
    moves = np.where(draws.uniform(size=length) < 1 / 50, 4 * draws.normal(size=length), 0.0)
    return moves.cumsum() + draws.normal(size=length)


def random_walk(draws: Draws, length: int) -> np.ndarray:
    """Return the sum of shocks."""
    return draws.normal(size=length).cumsum()


def heteroscedastic(draws: Draws, length: int) -> np.ndarray:
    """Return an autoregression of shocks whose scale varies slowly, by a factor of 2.7 either way in most."""
    slow = np.zeros(length)
    for step in range(1, length):
        slow[step] = 0.98 * slow[step - 1] + 0.1 * draws.normal()
    return autoregression(draws, length, np.exp(slow))


def threshold(draws: Draws, length: int) -> np.ndarray:
    """Return the threshold autoregression of lynx (Tong 1990), which swings about every nine steps."""
    values = np.full(length, 3.0)
    for step in range(2, length):
        one, two = values[step - 1], values[step - 2]
        drift = 0.62 + 1.25 * one - 0.43 * two if two <= 3.25 else 2.25 + 1.52 * one - 1.24 * two
        values[step] = drift + 0.2 * draws.normal()
    return values


KINDS: dict[str, Callable[[Draws, int], np.ndarray]] = {
    "autoregression": autoregression,
    "seasonal": seasonal,
    "trend": trend,
    "level shifts": level_shifts,
    "random walk": random_walk,
    "heteroscedastic": heteroscedastic,
    "threshold": threshold,
}
EACH = 2  # series of a kind in a panel


def draw(kind: str, length: int, draws: Draws) -> np.ndarray:
    """Return a series of a kind, (time,), that has gone on for a while."""
    return KINDS[kind](draws, length + BEFORE)[BEFORE:]


class Run(NamedTuple):
    """A run on some series.

    Attributes:
        data: Its parts.
        test: Which it is tested on.
        ahead: What it forecasts of that, (window, horizon, channel).
        widths: Of its intervals; None where validation windows are too few.
    """

    data: Data
    test: Part
    ahead: np.ndarray
    widths: Widths | None


def run(series: dict[str, np.ndarray]) -> Run:
    """Run on some series, (time,) each, by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.csv"
        pd.concat([pd.DataFrame({"series": name, "value": one}) for name, one in series.items()]).to_csv(path)
        ready = prepare(compose("dataset=csv", f"dataset.path={path}", *COLUMNS, "model=linear", "runtime.device=cpu"))
    data = ready.data
    trainer = make_trainer(ready.config, data)
    deque(trainer.run(lambda _: False), maxlen=0)
    val, test = (forecast_part(trainer.network, data.scaler, part).closed_loop for part in (data.val, tested(data)))
    return Run(data, tested(data), test, calibrate(val, data, PROMISED))


def tested(data: Data) -> Part:
    """Return the test part, which is there."""
    assert data.test
    return data.test


def single(draws: int, seed: int) -> None:
    """Print what intervals of single series cover, and how often that is called less than chance explains."""
    print("| steps | " + " | ".join(KINDS) + " |")
    print("| ---: " * (1 + len(KINDS)) + "|")
    for length in LENGTHS:
        cells = []
        for kind in KINDS:
            rng, found = np.random.default_rng(seed), []
            for _ in range(draws):
                one = run({kind: draw(kind, length, rng)})
                if one.widths is None:
                    continue
                covered = score_intervals(one.ahead, one.widths, one.test, one.data, PROMISED)[COVERAGE]
                floor = coverage_floor(one.test, one.data, PROMISED)
                found.append((covered, covered < LOW, covered < floor))
            cells.append(" / ".join(f"{share:.0%}" for share in np.mean(found, axis=0)) if found else "")
        print(f"| {length:,} | {' | '.join(cells)} |", flush=True)


def panels(draws: int, seed: int) -> None:
    """Print what intervals cover of each kind in a panel, as errors of all series, and as those of each too, tell."""
    print("| steps | intervals by | " + " | ".join(KINDS) + " | series below 80% | score |")
    print("| ---: | --- " + "| ---: " * (2 + len(KINDS)) + "|")
    for length in LENGTHS:
        rng = np.random.default_rng(seed)
        covered: dict[str, list[list[float]]] = {"all series": [], "each series too": []}
        scored: dict[str, list[float]] = {key: [] for key in covered}
        for _ in range(draws):
            names = [(kind, number) for kind in KINDS for number in range(EACH)]
            one = run({f"{kind} {number}": draw(kind, length, rng) for kind, number in names})
            if one.widths is None:
                continue
            for key, widths in zip(covered, (Widths(one.widths.of_all), one.widths), strict=True):
                covered[key].append([*coverage_by_series(one.ahead, widths, one.test, one.data).values()])
                told = score_intervals(one.ahead, widths, one.test, one.data, PROMISED)
                scored[key].append(told[INTERVAL_SCORE])
        for key, shares in covered.items():
            table = np.array(shares).reshape(-1, EACH)
            kinds = " | ".join(f"{share:.0%}" for share in table.mean(axis=1).reshape(-1, len(KINDS)).mean(axis=0))
            score = np.mean(scored[key])
            print(f"| {length:,} | {key} | {kinds} | {(table < LOW).mean():.0%} | {score:.2f} |", flush=True)


def weights(draws: int, seed: int) -> None:
    """Print what widths of all series, of each, and of both do, where errors of 20 series differ in size."""
    print("| windows | horizon | sizes differ by | " + " | ".join(("all", "its own", "both")) + " |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for number, horizon in ((9, 3), (16, 3), (9, 12), (20, 12), (40, 12), (110, 12)):
        for spread in (0.0, 0.3, 0.6, 1.0):
            rng = np.random.default_rng(seed)
            rows = [row for _ in range(draws) for row in widths_by_rule(number, horizon, spread, rng)]
            low, score = np.mean(rows, axis=0).T
            cells = " | ".join(f"{share:.0%}, {each:.1f}" for share, each in zip(low, score, strict=True))
            print(f"| {number} | {horizon} | {np.exp(spread):.1f} | {cells} |", flush=True)


def widths_by_rule(number: int, horizon: int, spread: float, rng: Draws) -> list[list[tuple[bool, float]]]:
    """Return of 20 series, by each rule, whether less than 80% are covered, and the score, in units of their errors."""
    sizes = np.exp(spread * rng.normal(size=20))
    known = [size * overlapping(number, horizon, rng) for size in sizes]
    seen = np.full(known[0].shape, True)
    every = np.concatenate(known)
    of_all = half_widths(every, np.full(every.shape, True), PROMISED, 1)
    found = []
    for size, errors in zip(sizes, known, strict=True):
        own = half_widths(errors, seen, PROMISED, 1)
        assert of_all is not None
        assert own is not None
        both = own_half_widths(errors, seen, PROMISED, 1, of_all)
        assert both is not None
        later = size * overlapping(150, horizon, rng)
        told = [
            interval_scores(later, np.full(later.shape, True), np.stack([half] * 2), PROMISED)
            for half in (of_all, own, both)
        ]
        found.append([(covered < LOW, score / size) for covered, _, score in told])
    return found


def overlapping(number: int, horizon: int, rng: Draws) -> np.ndarray:
    """Return errors of forecasts from each step, (window, horizon, 1), which go on into the next step with 0.9."""
    shocks = np.lib.stride_tricks.sliding_window_view(rng.normal(size=number + horizon - 1), horizon)
    return np.asarray(lfilter([1.0], [1.0, -0.9], shocks, axis=1))[..., None]


TABLES = {"single": single, "panels": panels, "weights": weights}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], default=[])
    parser.add_argument("--quick", action="store_true", help="a fifth of the draws")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.tables or TABLES:
        print(f"\n{name}\n")
        TABLES[name](8 if arguments.quick else 40, arguments.seed)


if __name__ == "__main__":
    main()
