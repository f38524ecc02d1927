"""The configurations of a sweep in order, and the best of them.

Reads the sweep's directory alone. Test scores are those of the winner: the others' are not even looked up.
"""

import math
import statistics
from collections import Counter
from typing import NamedTuple

from wavesweep.base.names import KEPT_EPOCH, SCALED, baseline_score, metric
from wavesweep.runs.description import BASELINES
from wavesweep.runs.directory import RunDirectory
from wavesweep.search.plan import Plan
from wavesweep.search.space import Dimension, Value, varied
from wavesweep.search.trials import ENDED, Trial
from wavesweep.sweeps.store import SweepDirectory

STATES = (*ENDED, "interrupted", "running", "waiting")


class Row(NamedTuple):
    """One configuration, and the trials that ran it: one a seed where `seed` was swept, else a single one.

    Attributes:
        varied: What it has in the dimensions that are swept, `seed` aside.
        trials: By number.
        num_finished: How many of these have finished.
        objective: Mean over trials that have finished; None if none has.
        interval: Half the width of the mean's 95% interval; None for less than two values.
        skill: 1 - score / score of the best baseline, on validation data, mean over seeds; None if unknown.
        test: Closed-loop score on test data, scaled, mean over seeds; None unless asked for.
        rank: From 1; None unless all seeds have finished, since a mean over the lucky ones is no result.
    """

    varied: dict[str, Value]
    trials: list[Trial]
    num_finished: int
    objective: float | None
    interval: float | None
    skill: float | None
    test: float | None
    rank: int | None = None

    @property
    def numbers(self) -> list[int]:
        """The numbers of its trials."""
        return [trial.number for trial in self.trials]

    @property
    def state(self) -> str:
        """The state of its trials: a word where all agree, else the number in each."""
        counts = Counter(trial.state for trial in self.trials)
        return self.trials[0].state if len(counts) == 1 else states(counts)


class Leaderboard(NamedTuple):
    """All configurations of a sweep, the best first.

    Attributes:
        has_seeds: Whether `seed` was swept.
        rows: Complete ones by objective, then those of which some seeds have finished, then all others by number.
        counts: The number of trials in each state; those not yet proposed count as waiting.
        winner: The best configuration that is complete.
        test_score: The winner's closed-loop score on test data, scaled, mean over seeds; None without one.
        test: The same in words, beside the best baseline; empty without one.
    """

    has_seeds: bool
    rows: list[Row]
    counts: Counter[str]
    winner: Row | None
    test_score: float | None
    test: str


def rank(sweep: SweepDirectory, *, tests: bool = False) -> Leaderboard:
    """Order a sweep's configurations by objective, mean over seeds; ties by trial number.

    Args:
        sweep: Its directory.
        tests: Whether to look up all test scores; they play no part in the order.

    Raises:
        Refused: If plan or trials can't be read.
    """
    plan = sweep.read_plan()
    has_seeds = any(one.swept and one.name == "seed" for one in plan.dimensions)
    trials = sweep.read_trials(plan)
    groups = _replicates(sweep, plan, trials) if has_seeds else [[trial] for trial in trials]
    rows = sorted((_row(sweep, plan.dimensions, group, tests) for group in groups), key=_order)
    rows = [row._replace(rank=n if row.num_finished == len(row.trials) else None) for n, row in enumerate(rows, 1)]
    counts = Counter(trial.state for trial in trials) + Counter(waiting=plan.n_trials - len(trials))
    winner = rows[0] if rows and rows[0].rank else None
    return Leaderboard(has_seeds, rows, counts, winner, *(_test(sweep, winner) if winner else (None, "")))


def _replicates(sweep: SweepDirectory, plan: Plan, trials: list[Trial]) -> list[list[Trial]]:
    """Return trials in groups: those that differ in their seed alone."""
    from wavesweep.leaderboard.replicates import config_hashes  # imports Hydra

    groups: dict[str, list[Trial]] = {}
    for trial, shared in zip(trials, config_hashes(sweep, plan, list(map(without_seed, trials))), strict=True):
        groups.setdefault(shared, []).append(trial)
    return list(groups.values())


def without_seed(trial: Trial) -> list[str]:
    """Return the overrides of a trial but that of its seed."""
    return [one for one in trial.overrides if one.partition("=")[0].lstrip("+~") != "seed"]


def _row(sweep: SweepDirectory, dimensions: list[Dimension], trials: list[Trial], tests: bool) -> Row:
    """Return the row of trials that differ in their seed alone."""
    chosen = varied([one for one in dimensions if one.name != "seed"], trials[0].overrides)
    finished = [trial for trial in trials if trial.state == "finished"]
    by_seed = {frozenset({*trial.overrides} - {*without_seed(trial)}): trial.objective for trial in finished}
    scores = [score for score in by_seed.values() if score is not None]  # a sampler may have proposed a seed twice
    measured = [_scores(RunDirectory(sweep.path / trial.directory)) for trial in finished]
    skill = _mean([skill for skill, _ in measured])
    test = _mean([once.get(metric("test", SCALED), math.inf) for _, once in measured]) if tests else None
    return Row(chosen, trials, len(finished), _mean(scores), _half_width(scores), skill, test)


def _order(row: Row) -> tuple[bool, float, list[int]]:
    """Return what sorts complete rows first, the best before others; what has no objective comes last."""
    return row.num_finished < len(row.trials), math.inf if row.objective is None else row.objective, row.numbers


def _mean(values: list[float]) -> float | None:
    """Return the mean, the same whatever the order; None if there are no values, or not all are finite."""
    return float(statistics.mean(values)) if values and all(map(math.isfinite, values)) else None


def _half_width(values: list[float]) -> float | None:
    """Return half the width of the mean's 95% interval; None for less than two values, or one that is not finite.

    Source:
        Student (1908); it takes the values as drawn from one normal distribution.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2 or not all(map(math.isfinite, values)):
        return None
    return float(stdtrit(n - 1, 0.975)) * statistics.stdev(values) / math.sqrt(n)


def _scores(run: RunDirectory) -> tuple[float, dict[str, float]]:
    """Return a run's skill on validation data, and what was measured once; nan and nothing if its files don't tell.

    What is missing counts as inf, since older runs lack some; null stands for nan and inf.
    """
    try:
        rows = {row.get("epoch"): {key: x for key, x in row.items() if x is not None} for row in run.read_metrics()}
        kept, once = rows[int(run.read_info().tags[KEPT_EPOCH])], rows[None]
    except (OSError, KeyError, ValueError):  # a run that is damaged or gone does not take the table with it
        return math.nan, {}
    baseline = min(once.get(metric("val", baseline_score(key)), math.inf) for key in BASELINES)
    score = kept.get(metric("val", SCALED), math.inf)
    return 1 - score / baseline if 0 < baseline < math.inf else math.nan, once


def _test(sweep: SweepDirectory, winner: Row) -> tuple[float | None, str]:
    """Return the winner's closed-loop score on test data, mean over seeds; and in words, beside the best baseline's."""
    once = [_scores(RunDirectory(sweep.path / trial.directory))[1] for trial in winner.trials]
    scores = [row.get(metric("test", SCALED), math.inf) for row in once]
    score = statistics.fmean(scores)
    keys = {metric("test", baseline_score(key)): name for key, name in BASELINES.items()}
    means = [(statistics.fmean(row.get(key, math.inf) for row in once), name) for key, name in keys.items()]
    baseline = "; best baseline: {1}, {0:.2e}".format(*min(means)) if min(means)[0] < math.inf else ""
    own = shown_number(score, _half_width(scores))
    return (score, f"test, closed loop, scaled MSE {own}{baseline}") if score < math.inf else (None, "")


def states(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def shown_number(value: float | None, interval: float | None = None) -> str:
    return "" if value is None else f"{value:.2e}" + ("" if interval is None else f" ± {interval:.2e}")
