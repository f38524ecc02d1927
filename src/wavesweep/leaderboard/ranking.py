"""The configurations of a sweep in order, and the best of them.

Reads the sweep's directory alone. Test scores are those of the winner: the others' are not even looked up.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from wavesweep.leaderboard.scores import Scores, scores
from wavesweep.models.metric_names import OBJECTIVE
from wavesweep.runs.directory import RunDirectory, SweepRecord
from wavesweep.search.estimates import Estimate, all_positive, estimate, paired
from wavesweep.search.plan import Plan
from wavesweep.search.space import Dimension, Value, varied
from wavesweep.search.trials import ENDED, GIVEN_UP, SEED, Trial
from wavesweep.sweeps.store import SweepDirectory

STATES = (*ENDED, "interrupted", "running", "waiting")
Position = Callable[[Trial], list[float]]
"""Tells where a trial's values stand in the lists of their dimensions; of an interval, the value."""


class Row(NamedTuple):
    """One configuration, and the trials that ran it: one a seed where there are several seeds, else a single one.

    Attributes:
        varied: What it has in the dimensions that are swept, `seed` aside.
        trials: By what they override, then by number.
        num_seeds: How many seeds these have.
        finished: Those that have finished, by seed; of a seed that ran twice, one.
        objective: The mean of theirs, geometric where the sweep's are logarithmic; None if none has finished.
        interval: The mean's 95% interval; None for less than two seeds.
        validation: Closed-loop errors on validation data; None if unknown.
        test: Likewise on test data; None but of the winner, unless asked for.
        ratio: The objective over the winner's, or where objectives are not logarithmic their difference, paired on
            seeds that both ran on; None of the winner itself, and without such seeds.
        rank: From 1; None unless all seeds have finished, since a mean over the lucky ones is no result.
        alike: Whether it has a rank, but can't be told from the winner: since the ratio's interval holds 1 (that of a
            difference 0), or since both ran on less than two seeds.
    """

    varied: dict[str, Value]
    trials: list[Trial]
    num_seeds: int
    finished: dict[str, Trial]
    objective: float | None = None
    interval: tuple[float, float] | None = None
    validation: Scores | None = None
    test: Scores | None = None
    ratio: Estimate | None = None
    rank: int | None = None
    alike: bool = False

    @property
    def objectives(self) -> dict[str, float]:
        """The objective of each seed that has finished."""
        return {seed: score for seed, trial in self.finished.items() if (score := _objective(trial)) is not None}

    @property
    def skill(self) -> float | None:
        """1 - error / error of the best baseline, on validation data; None if unknown, or if the baseline is exact."""
        return self.validation.skill if self.validation else None

    @property
    def numbers(self) -> list[int]:
        """The numbers of its trials, ascending."""
        return sorted(trial.number for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Spent on its trials."""
        return math.fsum(trial.seconds for trial in self.trials)

    @property
    def num_finished(self) -> int:
        """How many of its trials have finished."""
        return sum(trial.state == "finished" for trial in self.trials)

    @property
    def state(self) -> str:
        """The state of its trials: a word where all agree, else the number in each."""
        counts = Counter(trial.state for trial in self.trials)
        return self.trials[0].state if len(counts) == 1 else states(counts)


class Leaderboard(NamedTuple):
    """All configurations of a sweep, the best first.

    Attributes:
        has_seeds: Whether a configuration has several seeds, or `seed` was swept.
        rows: In the order that `rank` tells.
        counts: The number of trials in each state; those not yet proposed count as waiting.
        winner: The best configuration that is complete; None while others are to run on more seeds than that.
        logarithmic: Whether objectives, all positive, are compared by ratios; else by differences.
        metric: What the objective is; "objective" where the sweep's record does not tell.
    """

    has_seeds: bool
    rows: list[Row]
    counts: Counter[str]
    winner: Row | None
    logarithmic: bool
    metric: str


def rank(sweep: SweepDirectory, *, tests: bool = False) -> Leaderboard:
    """Order a sweep's configurations: complete ones first, then by how many seeds have finished, then by objective.

    A sweep may have been grown by further seeds of its best configurations alone. The best of many single seeds is
    mostly lucky, so that it must not stand above a mean over six. Ties are broken by where values stand in the lists
    of their dimensions, not by number: a sweep that was grown numbers its trials otherwise than one made at once.

    Args:
        sweep: Its directory.
        tests: Whether to look up all test scores; they play no part in the order.

    Raises:
        Refused: If plan or trials can't be read.
    """
    plan = sweep.read_plan()
    trials = sweep.read_trials(plan)
    logarithmic = all_positive([score for trial in trials if (score := _objective(trial)) is not None])
    position = _positions(plan.dimensions)
    rows = [_row(sweep, plan.dimensions, group, position, logarithmic) for group in _groups(sweep, plan, trials)]
    rows.sort(key=lambda row: _order(row, position))
    first = rows[0] if rows and _is_complete(rows[0]) else None
    winner = None if first and any(_is_ahead(row, first, logarithmic=logarithmic) for row in rows) else first
    rows = [_ranked(row, number, winner, logarithmic) for number, row in enumerate(rows, start=1)]
    rows = [
        row._replace(test=_scores(sweep, row, "test")) if tests or (winner and row.rank == 1) else row for row in rows
    ]
    return Leaderboard(
        has_seeds=_sweeps_seeds(plan) or any(row.num_seeds > 1 for row in rows),
        rows=rows,
        counts=Counter(trial.state for trial in trials) + Counter(waiting=plan.n_trials - len(trials)),
        winner=rows[0] if winner else None,
        logarithmic=logarithmic,
        metric=_metric(sweep),
    )


def _groups(sweep: SweepDirectory, plan: Plan, trials: list[Trial]) -> list[list[tuple[str, Trial]]]:
    """Return trials with their seeds, in groups that differ in their seed alone."""
    if not _sweeps_seeds(plan) and len({trial.seed for trial in trials}) < 2:
        return [[(trial.seed, trial)] for trial in trials]
    from wavesweep.leaderboard.replicates import identities  # imports Hydra

    groups: dict[str, list[tuple[str, Trial]]] = {}
    for trial, (shared, seed) in zip(trials, identities(sweep, plan, trials), strict=True):
        groups.setdefault(shared, []).append((seed, trial))
    return list(groups.values())


def _sweeps_seeds(plan: Plan) -> bool:
    return any(one.swept and one.name == SEED for one in plan.dimensions)


def _positions(dimensions: list[Dimension]) -> Position:
    """Return what tells a trial's position."""
    places = {one.key: {value: place for place, value in enumerate(one.values)} for one in dimensions}

    def position(trial: Trial) -> list[float]:
        pairs = (text.partition("=") for text in trial.configuration)
        return [places[key][value] if places[key] else float(value) for key, _, value in pairs]

    return position


def _row(
    sweep: SweepDirectory,
    dimensions: list[Dimension],
    group: list[tuple[str, Trial]],
    position: Position,
    logarithmic: bool,
) -> Row:
    """Return the row of trials that differ in their seed alone, without its place."""
    group = sorted(group, key=lambda pair: (position(pair[1]), pair[1].number))
    trials = [trial for _, trial in group]
    chosen = varied([one for one in dimensions if one.name != SEED], trials[0].overrides)
    finished = {seed: trial for seed, trial in reversed(group) if _objective(trial) is not None}
    row = Row(chosen, trials, len({seed for seed, _ in group}), finished)
    if not finished:
        return row
    value, low, high = estimate([*row.objectives.values()], logarithmic=logarithmic)
    interval = None if low is None or high is None else (low, high)
    return row._replace(objective=value, interval=interval, validation=_scores(sweep, row, "val"))


def _objective(trial: Trial) -> float | None:
    """Return the objective of a trial that has finished."""
    known = trial.state == "finished" and trial.objective is not None and math.isfinite(trial.objective)
    return trial.objective if known else None


def _scores(sweep: SweepDirectory, row: Row, part: str) -> Scores | None:
    return scores(part, [RunDirectory(sweep.path / trial.directory) for trial in row.finished.values()])


def _is_complete(row: Row) -> bool:
    return row.num_finished == len(row.trials)


def _is_ahead(row: Row, best: Row, *, logarithmic: bool) -> bool:
    """Say whether a configuration that is still to run stands before the best that is complete.

    It does where a sweep grows by seeds of its best, which had won before, and where it is better on common seeds.
    """
    states = {trial.state for trial in row.trials}
    if _is_complete(row) or states & {*GIVEN_UP}:
        return False
    ratio = paired(row.objectives, best.objectives, logarithmic=logarithmic)
    is_better = ratio is not None and ratio.high is not None and ratio.high < (1 if logarithmic else 0)
    return row.num_seeds > best.num_seeds or (is_better and not states <= {*ENDED})


def _order(row: Row, position: Position) -> tuple[bool, int, float, list[float]]:
    """Return what sorts complete rows first, those of more seeds before others, and then the best before others."""
    objective = math.inf if row.objective is None else row.objective
    return not _is_complete(row), -len(row.finished), objective, position(row.trials[0])


def _ranked(row: Row, number: int, winner: Row | None, logarithmic: bool) -> Row:
    """Return a row with its rank, and beside the winner."""
    rank = number if _is_complete(row) else None
    if winner is None or row is winner:
        return row._replace(rank=rank)
    ratio = paired(row.objectives, winner.objectives, logarithmic=logarithmic)
    same = 1 if logarithmic else 0
    alike = ratio is None or ratio.low is None or ratio.high is None or ratio.low <= same <= ratio.high
    return row._replace(rank=rank, ratio=ratio, alike=alike and rank is not None)


def _metric(sweep: SweepDirectory) -> str:
    """Return what a sweep's objective is, as its record tells."""
    try:
        return str(SweepRecord(sweep.path).read_config().get(OBJECTIVE, OBJECTIVE))
    except (OSError, ValueError):  # as of a sweep that has just begun
        return OBJECTIVE


def states(counts: Counter[str]) -> str:
    """Return in words how many trials are in each state."""
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
