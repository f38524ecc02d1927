"""Counts how often seasons are found in generated series of known ones, and prints the tables of docs/data.md.

    python benchmarks/seasons.py        100 series of each kind, length and noise: some minutes on one core
    python benchmarks/seasons.py 20     so many

A season of 12 has, in each series, a shape of its own. Lengths are of what trains; signal to noise is of variances.
"""

import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np

from wavesweep.data.periods import find_seasons

LENGTHS, SIGNALS = (50, 100, 250, 500, 1000), (0.3, 1.0, 3.0)
HOURS, MONTHS = (24, 168), (12,)
Draws = np.random.Generator


def shape(draws: Draws, period: int, length: int) -> np.ndarray:
    """Return a season of random shape, of mean 0 and variance 1."""
    year = draws.normal(size=period)
    return np.resize((year - year.mean()) / year.std(), length)


def sine(draws: Draws, period: int, length: int) -> np.ndarray:
    """Return one sine of random phase, of variance 1."""
    return np.sqrt(2) * np.sin(2 * np.pi * np.arange(length) / period + draws.uniform(0, 6.28))


def autoregression(draws: Draws, length: int, *weights: float) -> np.ndarray:
    """Return an autoregression, of variance about 1."""
    values = np.zeros(length + 200)
    for step, shock in enumerate(draws.normal(size=len(values))):
        before = values[max(step - len(weights), 0) : step][::-1]
        values[step] = shock + np.dot(weights[: len(before)], before)
    return values[200:] / values.std()


def cycle(draws: Draws, length: int) -> np.ndarray:
    """Return an autoregression that swings about every 5 to 15 steps."""
    modulus, period = 0.95, draws.uniform(5, 15)
    return autoregression(draws, length, 2 * modulus * np.cos(2 * np.pi / period), -(modulus**2))


def threshold(draws: Draws, length: int) -> np.ndarray:
    """Return the threshold autoregression of lynx (Tong 1990), which swings about every nine steps."""
    values = np.full(length + 200, 3.0)
    for step in range(2, len(values)):
        one, two = values[step - 1], values[step - 2]
        drift = 0.62 + 1.25 * one - 0.43 * two if two <= 3.25 else 2.25 + 1.52 * one - 1.24 * two
        values[step] = drift + 0.2 * draws.normal()
    return values[200:]


Made = Callable[[Draws, int, float], np.ndarray]
SEASONAL: dict[str, tuple[Made, tuple[int, ...], tuple[int, ...]]] = {  # the seasons, and the usual ones
    "random shape": (lambda d, n, s: s * shape(d, 12, n) + d.normal(size=n), (12,), MONTHS),
    "one sine": (lambda d, n, s: s * sine(d, 12, n) + d.normal(size=n), (12,), MONTHS),
    "on AR(1), 0.7": (lambda d, n, s: s * shape(d, 12, n) + autoregression(d, n, 0.7), (12,), MONTHS),
    "on a random walk": (lambda d, n, s: s * shape(d, 12, n) + d.normal(size=n).cumsum(), (12,), MONTHS),
    "hours and weekdays": (
        lambda d, n, s: s * (shape(d, 24, n) + 0.7 * np.resize(np.repeat(shape(d, 7, 7), 24), n)) + d.normal(size=n),
        (24, 168),
        HOURS,
    ),
}
NOT_SEASONAL: dict[str, Callable[[Draws, int], np.ndarray]] = {
    "white noise": lambda d, n: d.normal(size=n),
    "AR(1), 0.8": lambda d, n: autoregression(d, n, 0.8),
    "AR(2) cycle": cycle,
    "random walk": lambda d, n: d.normal(size=n).cumsum(),
    "threshold AR": threshold,
}


def find(values: np.ndarray, usual: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the seasons of a series; usual: what its time stamps suggest, None without."""
    series = [(values / values.std())[:, None]]
    return find_seasons(series, len(values) // 2, usual)


def percent(count: int, number: int) -> str:
    """Return a share in whole percent."""
    return f"{100 * count / number:.0f}"


def main(number: int) -> None:
    """Print both tables: right / wrong in percent, where a single one of two seasons is neither; and false ones."""
    print("| kind | signal to noise | time stamps | " + " | ".join(map(str, LENGTHS)) + " |")
    for name, (made, seasons, usual) in SEASONAL.items():
        for signal in SIGNALS:
            for known in (None, usual):
                cells = []
                for length in LENGTHS:
                    if length < 2 * seasons[-1]:
                        cells.append("")
                        continue
                    draws = [np.random.default_rng((seed, length)) for seed in range(number)]
                    found = [find(made(one, length, signal**0.5), known) for one in draws]
                    wrong = sum(not {*one} <= {*seasons} for one in found)
                    cells.append(f"{percent(found.count(seasons), number)} / {percent(wrong, number)}")
                stamps = "with" if known else "without"
                print(f"| {name} | {signal:g} | {stamps} | {' | '.join(cells)} |", flush=True)
    print("| kind | time stamps | " + " | ".join(map(str, LENGTHS)) + " |")
    for name, other in NOT_SEASONAL.items():
        for stamps, known in {"without": None, "months": MONTHS, "years": ()}.items():
            cells = []
            for length in LENGTHS:
                draws = [np.random.default_rng((seed, length)) for seed in range(number)]
                found = [find(other(one, length), known) for one in draws]
                cells.append(percent(number - found.count(()), number))
            print(f"| {name} | {stamps} | {' | '.join(cells)} |", flush=True)
    for length in (1000, 20_000):
        values, began = np.random.default_rng(0).normal(size=length), perf_counter()
        find(values, None)
        print(f"{length:,} steps: {perf_counter() - began:.3f} s")


if __name__ == "__main__":
    main(int(next((one for one in sys.argv[1:] if one.isdigit()), 100)))
