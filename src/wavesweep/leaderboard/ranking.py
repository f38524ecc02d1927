"""The configurations of a sweep in order, and the best of them.

Reads the sweep's directory alone. Test scores are those of the winner: the others' are not even looked up.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hydra_queue_sweeper.search.estimates import Estimate, all_positive, estimate, no_difference, paired, rank_key
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.space import Dimension, Value, varied
from hydra_queue_sweeper.search.trials import ENDED, GIVEN_UP, SEED, Trial
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from wavesweep.evaluation.metric_names import OBJECTIVE
from wavesweep.leaderboard.scores import Scores, scores
from wavesweep.workspace.directory import RunDirectory, SweepRecord

STATES = (*ENDED, "interrupted", "running", "waiting")


class Row(NamedTuple):
    """One configuration, and the trials that ran it: one a seed where there are several seeds, else a single one.

    Attributes:
        varied: What it has in the dimensions that are swept, `seed` aside.
        trials: By what they override, then by number.
        num_seeds: How many seeds these have.
        finished: Those that have finished, by seed; of a seed that ran twice, one.
        mean: Of their objectives, geometric where the sweep's are logarithmic; None if none has finished.
        skill: 1 - error / error of the best baseline, on validation data; None if unknown, or if the baseline is exact.
        test: Closed-loop errors on test data; None but of the winner, unless asked for.
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
    mean: Estimate | None = None
    skill: float | None = None
    test: Scores | None = None
    ratio: Estimate | None = None
    rank: int | None = None
    alike: bool = False

    @property
    def objective(self) -> float | None:
        """The mean alone."""
        return None if self.mean is None else self.mean.value

    @property
    def objectives(self) -> dict[str, float]:
        """The objective of each seed that has finished."""
        return {seed: score for seed, trial in self.finished.items() if (score := _objective(trial)) is not None}

    @property
    def numbers(self) -> list[int]:
        """The numbers of its trials, ascending."""
        return sorted(trial.number for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Spent on its trials."""
        return math.fsum(trial.seconds for trial in self.trials)

    @property
    def is_complete(self) -> bool:
        """Whether all of its trials have finished."""
        return all(trial.state == "finished" for trial in self.trials)

    @property
    def state(self) -> str:
        """The state of its trials: a word where all agree, else the number in each."""
        counts = Counter(trial.state for trial in self.trials)
        return self.trials[0].state if len(counts) == 1 else states(counts)


class Leaderboard(NamedTuple):
    """All configurations of a sweep, the best first.

    Attributes:
        sweep: Its directory.
        dimensions: In which configurations differ: what is swept, `seed` aside.
        has_seeds: Whether a configuration has several seeds, or `seed` was swept.
        rows: In the order that `rank` tells.
        counts: The number of trials in each state; those not yet proposed count as waiting.
        winner: The best configuration that is complete; None while others are to run on more seeds than that.
        logarithmic: Whether objectives, all positive, are compared by ratios; else by differences.
        metric: What the objective is; "objective" where the sweep's record does not tell.
    """

    sweep: SweepDirectory
    dimensions: list[Dimension]
    has_seeds: bool
    rows: list[Row]
    counts: Counter[str]
    winner: Row | None
    logarithmic: bool
    metric: str

    @property
    def trials(self) -> list[Trial]:
        """All trials that there are, by number."""
        return sorted((trial for row in self.rows for trial in row.trials), key=lambda trial: trial.number)

    @property
    def ranked(self) -> list[Row]:
        """The configurations that are complete and have an objective, the best first."""
        return [row for row in self.rows if row.rank is not None and row.mean is not None]

    def run(self, trial: Trial) -> RunDirectory:
        """Return the directory of a trial's run."""
        return RunDirectory(self.sweep.path / trial.directory)

    @property
    def has_ended(self) -> bool:
        """Whether no trial runs or waits."""
        return all(state in ENDED for state, count in self.counts.items() if count)

    @property
    def pairs_seeds(self) -> bool:
        """Whether configurations are compared with the best by seeds that both ran on."""
        return self.winner is not None and len(self.winner.finished) > 1

    @property
    def kind_of_mean(self) -> str:
        """What objectives are averaged by."""
        return "geometric mean" if self.logarithmic else "mean"


def rank(sweep: SweepDirectory, *, tests: bool = False) -> Leaderboard:
    """Order a sweep's configurations: complete ones first, then by how many seeds have finished, then by objective.

    A sweep may have been grown by further seeds of its best configurations alone: `rank_key` says why these stand
    first.

    Args:
        sweep: Its directory.
        tests: Whether to look up all test scores; they play no part in the order.

    Raises:
        Refused: If plan or trials can't be read.
    """
    plan = sweep.read_plan()
    trials = _in_order(sweep.read_trials(plan), plan.dimensions)
    logarithmic = all_positive([score for trial in trials if (score := _objective(trial)) is not None])
    rows = [_row(sweep, plan, group, logarithmic) for group in _groups(plan, trials)]
    rows.sort(key=_order)
    winner = _winner(rows, logarithmic)
    rows = [_placed(row, number, winner, logarithmic) for number, row in enumerate(rows, start=1)]
    for index, row in enumerate(rows):
        if tests or (winner and index == 0):
            rows[index] = row._replace(test=_scores(sweep, row.finished.values(), "test"))
    return Leaderboard(
        sweep=sweep,
        dimensions=[one for one in plan.dimensions if one.swept and one.name != SEED],
        has_seeds=_sweeps_seeds(plan) or any(row.num_seeds > 1 for row in rows),
        rows=rows,
        counts=Counter(trial.state for trial in trials) + Counter(waiting=plan.n_trials - len(trials)),
        winner=rows[0] if winner else None,
        logarithmic=logarithmic,
        metric=_metric(sweep),
    )


def _in_order(trials: list[Trial], dimensions: list[Dimension]) -> list[Trial]:
    """Return trials by where their values stand in the lists of their dimensions, or by the values of intervals.

    Not by number, which breaks ties alone: a sweep that was grown numbers its trials otherwise than one made at once.
    """
    places = {one.key: {value: place for place, value in enumerate(one.values)} for one in dimensions}

    def position(trial: Trial) -> list[float]:
        pairs = (text.partition("=") for text in trial.configuration)
        return [places[key][value] if places[key] else float(value) for key, _, value in pairs]

    return sorted(trials, key=lambda trial: (position(trial), trial.number))


def _groups(plan: Plan, trials: list[Trial]) -> list[list[tuple[str, Trial]]]:
    """Return trials with their seeds, in groups that differ in their seed alone.

    What tells that of a trial that has not begun is one that overrides the same.
    """
    if not _sweeps_seeds(plan) and len({trial.seed for trial in trials}) < 2:
        return [[(trial.seed, trial)] for trial in trials]
    identities = {trial.configuration: trial.identity for trial in trials if trial.identity}
    groups: dict[str, list[tuple[str, Trial]]] = {}
    for trial in trials:
        identity = identities.get(trial.configuration, " ".join(trial.configuration))
        groups.setdefault(identity, []).append((trial.own_seed or trial.seed, trial))
    return list(groups.values())


def _sweeps_seeds(plan: Plan) -> bool:
    return any(one.swept and one.name == SEED for one in plan.dimensions)


def _row(sweep: SweepDirectory, plan: Plan, group: list[tuple[str, Trial]], logarithmic: bool) -> Row:
    """Return the row of trials that differ in their seed alone, without its place."""
    trials = [trial for _, trial in group]
    chosen = varied([one for one in plan.dimensions if one.name != SEED], trials[0].overrides)
    finished = {seed: trial for seed, trial in reversed(group) if _objective(trial) is not None}
    row = Row(chosen, trials, len({seed for seed, _ in group}), finished)
    if not finished:
        return row
    mean = estimate([*row.objectives.values()], logarithmic=logarithmic)
    validation = _scores(sweep, finished.values(), "val")
    return row._replace(mean=mean, skill=validation and validation.skill)


def _objective(trial: Trial) -> float | None:
    """Return the objective of a trial that has finished."""
    known = trial.state == "finished" and trial.objective is not None and math.isfinite(trial.objective)
    return trial.objective if known else None


def _scores(sweep: SweepDirectory, finished: Iterable[Trial], part: str) -> Scores | None:
    return scores(part, [RunDirectory(sweep.path / trial.directory) for trial in finished])


def _order(row: Row) -> tuple[bool, int, float]:
    """Return what sorts complete rows first."""
    objective = math.inf if row.objective is None else row.objective
    return not row.is_complete, *rank_key(len(row.finished), objective)


def _winner(rows: list[Row], logarithmic: bool) -> Row | None:
    """Return the first row if it is the best: complete, and with nothing that is to run still ahead of it."""
    if not rows or not rows[0].is_complete or rows[0].mean is None:
        return None
    is_behind = any(_is_ahead(row, rows[0], logarithmic=logarithmic) for row in rows)
    return None if is_behind else rows[0]


def _is_ahead(row: Row, best: Row, *, logarithmic: bool) -> bool:
    """Say whether a configuration that is still to run stands before the best that is complete.

    It does where a sweep grows by seeds of its best, which had won before, and where it is better on common seeds,
    surely or not: a best that is called now may have to be taken back.
    """
    states = {trial.state for trial in row.trials}
    if row.is_complete or states & {*GIVEN_UP}:
        return False
    if row.num_seeds > best.num_seeds:
        return True
    ratio = paired(row.objectives, best.objectives, logarithmic=logarithmic)
    is_better = ratio is not None and ratio.value < no_difference(logarithmic=logarithmic)
    return is_better and not states <= {*ENDED}


def _placed(row: Row, number: int, winner: Row | None, logarithmic: bool) -> Row:
    """Return a row with its rank, and beside the winner, which is the first."""
    row = row._replace(rank=number if row.is_complete else None)
    if winner is None or number == 1:
        return row
    ratio = paired(row.objectives, winner.objectives, logarithmic=logarithmic)
    may_be_equal = ratio is None or ratio.may_be(no_difference(logarithmic=logarithmic))
    return row._replace(ratio=ratio, alike=may_be_equal and row.rank is not None)


def _metric(sweep: SweepDirectory) -> str:
    """Return what a sweep's objective is, as its record tells."""
    try:
        return str(SweepRecord(sweep.path).read_config().get(OBJECTIVE, OBJECTIVE))
    except (OSError, ValueError):  # as of a sweep that has just begun
        return OBJECTIVE


def states(counts: Counter[str]) -> str:
    """Return in words how many trials are in each state."""
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
