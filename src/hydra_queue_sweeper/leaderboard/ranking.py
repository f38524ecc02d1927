"""The configurations of a sweep in order, and the best of them, as the sweep's directory tells."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hydra_queue_sweeper.base.errors import relative
from hydra_queue_sweeper.search.estimates import (
    Estimate,
    Reports,
    all_positive,
    confidence_of_each,
    estimate,
    judging,
    no_difference,
    paired,
    rank_key,
    with_the_wider,
)
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.seeds import SEED
from hydra_queue_sweeper.search.space import Dimension, Value, varied
from hydra_queue_sweeper.search.trials import ENDED, GIVEN_UP, Trial
from hydra_queue_sweeper.sweeps.reports import read_reports
from hydra_queue_sweeper.sweeps.store import SweepDirectory

STATES = (*ENDED, "interrupted", "running", "waiting")


@dataclass(frozen=True)
class Beside:
    """What a program knows of a configuration beside its objective.

    Attributes:
        cells: By the titles of the columns in which people see them.
        values: By the titles of columns of the CSV.
        told: Of the best, what follows in the sentence on it.
    """

    cells: dict[str, str] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)
    told: str = ""


class Row(NamedTuple):
    """One configuration, and the trials that ran it: one a seed where there are several seeds, else a single one.

    Attributes:
        varied: What it has in the dimensions that are swept, `seed` aside.
        trials: By what they override, then by number.
        num_seeds: How many seeds these have.
        finished: Those that have finished, by seed; of a seed that ran twice, one.
        counted: Those of them that tell what it is worth: of one that was given further seeds as one of the best, these
            alone (see `estimates.judging`).
        mean: Of the objectives that count, geometric where the sweep's are logarithmic; None if none has finished.
        ratio: The objective over the winner's, or where objectives are not logarithmic their difference, paired on
            seeds that both ran on, on those that count where both have some; None of the winner itself, and without
            such seeds. Its interval is one of as many as are compared so: that by seeds, or that of `ratio_of_program`
            where this is the wider.
        ratio_of_program: The same ratio as the program can tell it; None where it can't.
        rank: From 1; None unless all seeds have finished, since a mean over the lucky ones is no result.
        alike: Whether it has a rank, but can't be told from the winner: since the ratio's interval holds 1 (that of a
            difference 0), or since there is none.
        beside: What the program knows besides.
    """

    varied: dict[str, Value]
    trials: list[Trial]
    num_seeds: int
    finished: dict[str, Trial]
    counted: dict[str, Trial]
    mean: Estimate | None = None
    ratio: Estimate | None = None
    ratio_of_program: Estimate | None = None
    rank: int | None = None
    alike: bool = False
    beside: Beside = Beside()

    @property
    def objective(self) -> float | None:
        """The mean alone."""
        return None if self.mean is None else self.mean.value

    @property
    def objectives(self) -> dict[str, float]:
        """The objective of each seed that has finished."""
        return _objectives(self.finished)

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


def _further_seeds(sweep: SweepDirectory, plan: Plan) -> str:
    """Return how a sweep gets further seeds; nothing where its jobs have none."""
    if not any(SEED in digests for digests in plan.digests.values()):
        return ""
    again = f"the same command with hydra.sweep.dir={relative(sweep.path)} hydra.sweeper.resume=true"
    return f"{again} seed=1,2,3,4 hydra.sweeper.top=3"


@dataclass(frozen=True)
class Program:
    """What a leaderboard is told by the program whose jobs it shows.

    Attributes:
        metric: What the objective is.
        of: What of, in words that follow the metric.
        look: Returns what is known beside the objective, given a row and whether it is the best.
        more_seeds: Returns the command, in words, that gives the best configurations further seeds; nothing where
            there are none.
        compare: Returns the ratio of the objectives of a configuration to those of the best with an interval of some
            confidence, by what the program knows of how each was measured, given trials of each on common seeds; None
            where it knows nothing.
        compared_by: What that interval is of, in words.
        remarks: Returns lines below the table, dimmed.
        step: What jobs count in their reports.
        read_reports: Returns what a job has reported, given its directory.
        reported: Returns what that is, given its directory; nothing where it is the metric itself.
    """

    metric: str = "objective"
    of: str = ""
    look: Callable[[Row, bool], Beside] = lambda _, __: Beside()
    more_seeds: Callable[[SweepDirectory, Plan], str] = _further_seeds
    compare: Callable[[list[Trial], list[Trial], float], Estimate | None] = lambda *_: None
    compared_by: str = ""
    remarks: Callable[[list[Row]], list[str]] = lambda _: []
    step: str = "step"
    read_reports: Callable[[Path], Reports] = read_reports
    reported: Callable[[Path], str] = lambda _: ""


class Leaderboard(NamedTuple):
    """All configurations of a sweep, the best first.

    Attributes:
        sweep: Its directory.
        plan: Of the sweep.
        program: Whose jobs they are.
        dimensions: In which configurations differ: what is swept, `seed` aside.
        has_seeds: Whether a configuration has several seeds, or `seed` was swept.
        rows: In the order that `rank` tells.
        counts: The number of trials in each state; those not yet proposed count as waiting.
        winner: The best configuration that is complete; None while others are to run on more seeds than that.
        logarithmic: Whether objectives, all positive, are compared by ratios; else by differences.
    """

    sweep: SweepDirectory
    plan: Plan
    program: Program
    dimensions: list[Dimension]
    has_seeds: bool
    rows: list[Row]
    counts: Counter[str]
    winner: Row | None
    logarithmic: bool

    @property
    def trials(self) -> list[Trial]:
        """All trials that there are, by number."""
        return sorted((trial for row in self.rows for trial in row.trials), key=lambda trial: trial.number)

    @property
    def ranked(self) -> list[Row]:
        """The configurations that are complete and have an objective, the best first."""
        return [row for row in self.rows if row.rank is not None and row.mean is not None]

    def compared(self, row: Row) -> Estimate | None:
        """Return how a row compares with the best, by objectives as jobs return them: their ratio is the same."""
        return row.ratio if self.logarithmic else self.as_returned(row.ratio)

    def as_returned(self, estimate: Estimate | None) -> Estimate | None:
        """Return a mean or a difference of objectives as jobs return them."""
        if estimate is None or self.plan.direction == "minimize":
            return estimate
        ends = (None if end is None else -end for end in (estimate.high, estimate.low))
        return Estimate(-estimate.value, *ends)

    @property
    def has_ended(self) -> bool:
        """Whether no trial runs or waits."""
        return all(state in ENDED for state, count in self.counts.items() if count)

    @property
    def pairs_seeds(self) -> bool:
        """Whether configurations are compared with the best by seeds that both ran on."""
        return self.winner is not None and len(self.winner.counted) > 1

    @property
    def program_compares(self) -> bool:
        """Whether configurations are compared with the best by what the program knows."""
        return any(row.ratio_of_program for row in self.rows)

    @property
    def tells_apart(self) -> bool:
        """Whether there is anything by which configurations could be told from the best."""
        return self.pairs_seeds or self.program_compares

    @property
    def kind_of_mean(self) -> str:
        """What objectives are averaged by."""
        return "geometric mean" if self.logarithmic else "mean"


def rank(sweep: SweepDirectory, program: Program = Program()) -> Leaderboard:
    """Order a sweep's configurations: complete ones first, then by how many seeds have finished, then by objective.

    A sweep may have been grown by further seeds of its best configurations alone: `rank_key` says why these stand
    first.

    Args:
        sweep: Its directory.
        program: Whose jobs they are.

    Raises:
        Refused: If plan or trials can't be read.
    """
    plan = sweep.read_plan()
    trials = plan.in_order(sweep.read_trials(plan))
    logarithmic = all_positive([score for trial in trials if (score := _objective(trial)) is not None])
    rows = [_row(plan, group, logarithmic) for group in _groups(plan, trials)]
    rows.sort(key=_order)
    winner = _winner(rows, logarithmic)
    rows = [row._replace(rank=number if row.is_complete else None) for number, row in enumerate(rows, start=1)]
    if winner is not None:
        rows = [rows[0], *_beside_the_best(rows[1:], winner, program, logarithmic)]
    has_best = winner is not None
    rows = [row._replace(beside=program.look(row, has_best and index == 0)) for index, row in enumerate(rows)]
    return Leaderboard(
        sweep=sweep,
        plan=plan,
        program=program,
        dimensions=[one for one in [*plan.dimensions, *_shared(trials)] if one.swept and one.name != SEED],
        has_seeds=_sweeps_seeds(plan) or any(row.num_seeds > 1 for row in rows),
        rows=rows,
        counts=Counter(trial.state for trial in trials) + Counter(waiting=plan.n_trials - len(trials)),
        winner=rows[0] if has_best else None,
        logarithmic=logarithmic,
    )


def _shared(trials: list[Trial]) -> list[Dimension]:
    """Return the further dimensions that all trials have alike."""
    first = trials[0].further if trials else []
    return [one for one in first if all(one in trial.further for trial in trials)]


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


def _row(plan: Plan, group: list[tuple[str, Trial]], logarithmic: bool) -> Row:
    """Return the row of trials that differ in their seed alone, without its place."""
    trials = [trial for _, trial in group]
    dimensions = [*plan.dimensions, *trials[0].further]
    chosen = varied([one for one in dimensions if one.name != SEED], trials[0].overrides)
    finished = {seed: trial for seed, trial in reversed(group) if _objective(trial) is not None}
    telling = {trial.number for trial in judging([*finished.values()], plan.fresh)}
    counting = {seed: trial for seed, trial in finished.items() if trial.number in telling}
    row = Row(chosen, trials, len({seed for seed, _ in group}), finished, counting)
    if not finished:
        return row
    return row._replace(mean=estimate([*_objectives(counting).values()], logarithmic=logarithmic))


def _objectives(trials: dict[str, Trial]) -> dict[str, float]:
    """Return the objective of each seed that has finished."""
    return {seed: score for seed, trial in trials.items() if (score := _objective(trial)) is not None}


def _objective(trial: Trial) -> float | None:
    """Return the objective of a trial that has finished."""
    known = trial.state == "finished" and trial.objective is not None and math.isfinite(trial.objective)
    return trial.objective if known else None


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


def _beside_the_best(rows: list[Row], winner: Row, program: Program, logarithmic: bool) -> list[Row]:
    """Return rows with how they compare with the winner.

    Those that share seeds with it that count are compared on these, as one family; the others on all that they share,
    as another.
    """
    beside: dict[int, Row] = {}
    families: dict[bool, list[int]] = {True: [], False: []}
    for place, row in enumerate(rows):
        families[bool(row.counted.keys() & winner.counted.keys())].append(place)
    for counts, places in families.items():
        pairs = {place: _on_common_seeds(rows[place], winner, counts=counts) for place in places}
        telling = sum(pair.tells(program, logarithmic=logarithmic) for pair in pairs.values())
        comparisons = max(telling, 1)
        for place, pair in pairs.items():
            ratio = pair.ratio(comparisons, logarithmic=logarithmic)
            of_program = pair.ratio_of_program(program, comparisons, logarithmic=logarithmic)
            if ratio is not None:
                ratio = with_the_wider(ratio, of_program)
            may_be_equal = ratio is None or ratio.may_be(no_difference(logarithmic=logarithmic))
            row = rows[place]
            alike = may_be_equal and row.rank is not None
            beside[place] = row._replace(ratio=ratio, ratio_of_program=of_program, alike=alike)
    return [beside[place] for place in range(len(rows))]


class _Pair(NamedTuple):
    """The trials of a configuration and of the best, by the seeds that both ran on."""

    mine: dict[str, Trial]
    best: dict[str, Trial]

    def tells(self, program: Program, *, logarithmic: bool) -> bool:
        """Say whether there is an interval of their ratio."""
        return len(self.mine) > 1 or self.ratio_of_program(program, 1, logarithmic=logarithmic) is not None

    def ratio(self, comparisons: int, *, logarithmic: bool) -> Estimate | None:
        """Return how they compare by seeds, as one of so many comparisons."""
        scores, others = _objectives(self.mine), _objectives(self.best)
        return paired(scores, others, logarithmic=logarithmic, comparisons=comparisons)

    def ratio_of_program(self, program: Program, comparisons: int, *, logarithmic: bool) -> Estimate | None:
        """Return how they compare by what the program knows."""
        if not logarithmic or not self.mine:
            return None
        return program.compare([*self.mine.values()], [*self.best.values()], confidence_of_each(comparisons))


def _on_common_seeds(row: Row, winner: Row, *, counts: bool) -> _Pair:
    """Return the trials that two rows are compared by: those that count, or all that have finished."""
    mine, best = (row.counted, winner.counted) if counts else (row.finished, winner.finished)
    common = sorted(mine.keys() & best.keys())
    return _Pair({seed: mine[seed] for seed in common}, {seed: best[seed] for seed in common})


def states(counts: Counter[str]) -> str:
    """Return in words how many trials are in each state."""
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
