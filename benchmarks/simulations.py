"""Counts how often what wavesweep says of forecasts and sweeps is true, where the truth is known: docs/statistics.md.

    python benchmarks/simulations.py            all tables: ten to twenty minutes
    python benchmarks/simulations.py --quick    a tenth of the draws
    python benchmarks/simulations.py panels     one of them: verdict, panels, noise, sweeps, stretch

Each table has the rule that is used beside others. The draws are the same in every run; `--seed 1` gives others.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from hydra_queue_sweeper.search.estimates import (
    Estimate,
    confidence_of_each,
    estimate,
    judging,
    paired,
    with_the_wider,
)
from hydra_queue_sweeper.search.trials import Trial
from wavesweep.data.parts import Part
from wavesweep.evaluation.by_origin import ErrorsByOrigin, compare_runs
from wavesweep.evaluation.comparison import compare, is_beyond_noise


class Case(NamedTuple):
    """Two forecasts of some series, again and again.

    Attributes:
        origins: From which each series is forecast.
        horizon: Steps that are forecast from each.
        stride: Steps between origins: 1, so that forecasts overlap, or the horizon.
        memory: How much of an error goes on into the next step.
        series: How many there are.
        common: The correlation of the errors of two series at one step.
    """

    origins: int
    horizon: int
    stride: int = 1
    memory: float = 0.7
    series: int = 1
    common: float = 0.0


SINGLE = [
    Case(origins, horizon, stride)
    for horizon in (12, 24)
    for stride, origins in ((1, 40), (1, 67), (1, 150), (1, 400), (1, 1500), (horizon, 20), (horizon, 67))
]
PANELS = [Case(150, 12, series=20, common=common) for common in (0.0, 0.1, 0.3, 0.5)]
ALIKE = 0.64
"""The correlation of the errors of two forecasts of one value."""

Rule = Callable[[Part, np.ndarray, np.ndarray], bool]
"""Says something of two forecasts, given the errors of each window."""


def windows(case: Case) -> Part:
    """Return the windows of a case, of which nothing but time and series matters."""
    start = np.tile(case.stride * np.arange(case.origins), case.series)
    series = np.repeat(np.arange(case.series), case.origins)
    blank = np.zeros((len(start), case.horizon, 1))
    return Part(blank[:, :0], blank, start, series, slice(0), np.array([0]), start)


def draw(case: Case, gain: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean squared errors of two forecasts by window, (window,) each, the first lower by a true gain."""
    steps = (case.origins - 1) * case.stride + case.horizon
    shape = (3, case.series, steps)  # what both forecasts err, and each by itself
    struck = np.sqrt(case.common) * rng.normal(size=(3, 1, steps)) + np.sqrt(1 - case.common) * rng.normal(size=shape)
    mine, others = by_window(case, struck)
    return (1 - gain) * mine, others


def by_window(case: Case, struck: np.ndarray) -> list[np.ndarray]:
    """Return the mean squared errors by window of forecasts whose shocks, the first of them common to all, are given.

    Args:
        case: Of which they are.
        struck: (1 + forecast, series, time).
    """
    both, *own = lfilter([np.sqrt(1 - case.memory**2)], [1, -case.memory], struck)
    found = []
    for one in own:
        squared = np.square(np.sqrt(ALIKE) * both + np.sqrt(1 - ALIKE) * one)
        each = np.lib.stride_tricks.sliding_window_view(squared, case.horizon, axis=1)[:, :: case.stride]
        found.append(each.mean(axis=2).ravel())
    return found


def share(rule: Rule, case: Case, gain: float, draws: int, seed: int) -> float:
    """Return in which share of draws a rule says yes."""
    part, rng = windows(case), np.random.default_rng(seed)
    return float(np.mean([rule(part, *draw(case, gain, rng)) for _ in range(draws)]))


def differs(part: Part, mine: np.ndarray, others: np.ndarray) -> bool:
    """Say whether the verdict tells two forecasts apart."""
    _, interval = compare(part.by_origin(mine), part.by_origin(others), part.overlap)
    return interval is not None and not interval[0] <= 0 <= interval[1]


def differs_stacked(part: Part, mine: np.ndarray, others: np.ndarray) -> bool:
    """Say the same where windows of several series are taken as independent."""
    _, interval = compare(mine, others, part.overlap)
    return interval is not None and not interval[0] <= 0 <= interval[1]


def is_kept(part: Part, mine: np.ndarray, others: np.ndarray) -> bool:
    """Say whether a forecast is better beyond noise, as it must be to leave the start."""
    return is_beyond_noise(part.by_origin(mine), part.by_origin(others), part.overlap)


def half_interval(mine: np.ndarray, others: np.ndarray, overlap: int) -> bool:
    """Say whether a forecast is better by more than half of the 95% interval: a standard error, where all is known."""
    gain, interval = compare(mine, others, overlap)
    return interval is not None and (1 - gain) * (1 - interval[0]) < 1


def is_kept_by_half(part: Part, mine: np.ndarray, others: np.ndarray) -> bool:
    """See `half_interval`."""
    return half_interval(part.by_origin(mine), part.by_origin(others), part.overlap)


def is_kept_by_half_stacked(part: Part, mine: np.ndarray, others: np.ndarray) -> bool:
    """Say the same where windows of several series are taken as independent."""
    return half_interval(mine, others, part.overlap)


def one_sided(level: float) -> Rule:
    """Return the one-sided test at a level."""

    def rule(part: Part, mine: np.ndarray, others: np.ndarray) -> bool:
        _, interval = compare(part.by_origin(mine), part.by_origin(others), part.overlap, 1 - 2 * level)
        return interval is not None and interval[0] > 0

    return rule


def table(cases: Sequence[Case], rules: dict[str, Rule], gains: Sequence[float], draws: int, seed: int) -> None:
    """Print a row for each case: the shares in which each rule says yes, by the true gain."""
    head = " | ".join(f"{name}, {'equal' if not gain else f'{gain:.0%} better'}" for name in rules for gain in gains)
    print(f"| series | common | origins | horizon | stride | {head} |")
    print("| ---: " * (5 + len(rules) * len(gains)) + "|")
    for case in cases:
        found = [share(rule, case, gain, draws, seed) for rule in rules.values() for gain in gains]
        shares = " | ".join(f"{one:.0%}" for one in found)
        print(
            f"| {case.series} | {case.common} | {case.origins} | {case.horizon} | {case.stride} | {shares} |",
            flush=True,
        )


def verdict(draws: int, seed: int) -> None:
    """Print how often the verdict tells two forecasts of one series apart."""
    table(SINGLE, {"told apart": differs}, (0.0, 0.2), draws, seed)


def panels(draws: int, seed: int) -> None:
    """Print the same for panels, and how often a forecast is better beyond noise."""
    gains = (0.0, 0.1)
    table(PANELS, {"windows told apart": differs_stacked, "means told apart": differs}, gains, draws, seed)
    print()
    rules = {"windows, half the interval": is_kept_by_half_stacked, "beyond noise": is_kept}
    table(PANELS, rules, gains, draws, seed)


def noise(draws: int, seed: int) -> None:
    """Print how often a forecast of one series is better beyond noise, by several rules."""
    rules = {"half the interval": is_kept_by_half} | {f"{level:.0%}": one_sided(level) for level in (0.05, 0.1, 0.16)}
    table(SINGLE, rules, (0.0, 0.2), draws, seed)


def sweeps(draws: int, seed: int) -> None:
    """Print what is said of equal configurations, and how often the best one's interval holds the truth."""
    print("| configurations | seeds | compared | called worse | any in a sweep | one that is better: called so |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    for number in (3, 10, 40):
        for comparisons, name in ((1, "one by one"), (number - 1, "together")):
            rng = np.random.default_rng(seed)
            equal = [worse_than_best(objectives(number, 5, rng), comparisons) for _ in range(draws)]
            better = [worse_than_best(objectives(number, 5, rng, gain=2.0), comparisons) for _ in range(draws)]
            called, each = np.mean([any(one) for one in equal]), np.mean(equal)
            print(f"| {number} | 5 | {name} | {each:.1%} | {called:.0%} | {np.mean(better):.0%} |", flush=True)
    print("\n| the best of 40 on one seed, judged by | its mean, of the true one | its interval holds that |")
    print("| --- | ---: | ---: |")
    rng = np.random.default_rng(seed)
    found: dict[str, list[Estimate]] = {"all six seeds": [], "five further seeds alone": []}
    for _ in range(draws):
        values = objectives(40, 6, rng)
        best = int(values[:, 0].argmin())
        trials = [Trial(number, [], "finished", float(value)) for number, value in enumerate(values[best])]
        for name, fresh in zip(found, ((), range(1, 6)), strict=True):
            scores = [one.objective for one in judging(trials, fresh) if one.objective is not None]
            found[name].append(estimate(scores, logarithmic=True))
    for name, estimates in found.items():
        ratio = np.exp(np.mean([np.log(one.value) for one in estimates]))
        print(f"| {name} | {ratio:.2f} | {np.mean([one.may_be(1.0) for one in estimates]):.0%} |")


def objectives(number: int, seeds: int, rng: np.random.Generator, gain: float = 0.0) -> np.ndarray:
    """Return what equal configurations give on some seeds, (configuration, seed): 1 in the geometric mean.

    Args:
        number: Of configurations.
        seeds: On which each runs.
        rng: What draws.
        gain: By which the first is better, in standard deviations of the logarithm between seeds.
    """
    spread, logarithms = 0.3, rng.normal(size=(number, seeds))
    logarithms[0] -= gain
    return np.exp(spread * logarithms)


def worse_than_best(values: np.ndarray, comparisons: int) -> list[bool]:
    """Say of each configuration but the best, (configuration, seed), whether it is called worse than that."""
    rows = [{str(seed): float(value) for seed, value in enumerate(row)} for row in values]
    best = rows.pop(int(np.log(values).mean(axis=1).argmin()))
    found = [paired(row, best, logarithmic=True, comparisons=comparisons) for row in rows]
    return [one is not None and not one.may_be(1.0) for one in found]


def stretch(draws: int, seed: int) -> None:
    """Print what is said of configurations that were judged on one stretch of 400 origins, 12 ahead, with 3 seeds."""
    case, rules = Case(400, 12), ("seeds", "origins", "the wider")
    print("| configurations | spread between seeds | compared by | equal: called worse | any in a sweep | 20% better |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    for number in (2, 10):
        for spread in (0.0, 0.05, 0.3):
            rng = np.random.default_rng(seed)
            equal = [called_worse(case, number, spread, 0.0, rng) for _ in range(draws)]
            better = [called_worse(case, number, spread, 0.2, rng) for _ in range(draws)]
            for rule, name in enumerate(rules):
                each = [one[rule] for one in equal]
                found = np.mean([one[rule] for one in better])
                any_of_them = np.mean([any(one) for one in each])
                print(f"| {number} | {spread} | {name} | {np.mean(each):.1%} | {any_of_them:.0%} | {found:.0%} |")


def called_worse(
    case: Case, number: int, spread: float, gain: float, rng: np.random.Generator
) -> tuple[list[bool], list[bool], list[bool]]:
    """Say of each configuration but the best whether it is called worse: by seeds, by origins, by the wider interval.

    Args:
        case: The stretch that all are judged on.
        number: Of configurations.
        spread: Standard deviation of the logarithm of their errors between seeds.
        gain: By which the errors of the first are truly lower.
        rng: What draws.
    """
    steps = (case.origins - 1) * case.stride + case.horizon
    errors = np.array(by_window(case, rng.normal(size=(1 + number, 1, steps))))
    errors[0] *= 1 - gain
    runs = np.exp(spread * rng.normal(size=(number, 3, 1))) * errors[:, None]  # (configuration, seed, origin)
    objectives = [{str(seed): float(one.mean()) for seed, one in enumerate(some)} for some in runs]
    kept = [[ErrorsByOrigin(one, case.horizon // case.stride, b"") for one in some] for some in runs]
    best = int(np.log(runs.mean(axis=2)).mean(axis=1).argmin())
    told: list[list[bool]] = [[], [], []]
    for one in set(range(number)) - {best}:
        seeds = paired(objectives[one], objectives[best], logarithmic=True, comparisons=number - 1)
        origins = compare_runs(kept[one], kept[best], confidence_of_each(number - 1))
        assert seeds
        assert origins
        for rule, ratio in enumerate((seeds, Estimate(*origins), with_the_wider(seeds, Estimate(*origins)))):
            told[rule].append(not ratio.may_be(1.0))
    return told[0], told[1], told[2]


TABLES = {"verdict": verdict, "panels": panels, "noise": noise, "sweeps": sweeps, "stretch": stretch}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], default=[])
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.tables or TABLES:
        print(f"\n{name}\n")
        TABLES[name](50 if arguments.quick else 500, arguments.seed)


if __name__ == "__main__":
    main()
