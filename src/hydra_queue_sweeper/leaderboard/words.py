"""What a leaderboard says in words above and below its table."""

import statistics
from collections.abc import Iterator

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.redaction import without_password
from hydra_queue_sweeper.leaderboard import numbers
from hydra_queue_sweeper.leaderboard.ranking import Leaderboard, Row, states
from hydra_queue_sweeper.search.estimates import varies

Line = tuple[str, str]
"""A line and its style."""

ONE_SEED_EACH = "one seed each: whether the best differs from the next is not known; what tells is"
ONE_SEED_COMPARED = "one seed each: whether it would be the best with another seed is not known; what tells is"
NO_BEST_YET = "no best yet: others that were better are still to run on further seeds"
STYLES = {"finished": "green", "failed": "red", "diverged": "yellow", "pruned": "magenta"}


def heading(board: Leaderboard) -> str:
    """Return what the objective is, and how it is averaged over seeds."""
    program = board.program
    what = "" if program.metric == "objective" else f"{' '.join(filter(None, [program.metric, program.of]))}, "
    better = "higher" if board.plan.direction == "maximize" else "lower"
    told = f"objective: {what}{better} is better"
    if board.has_seeds:
        told += f"; {board.kind_of_mean} over seeds, 95% interval"
    return told


def marks(board: Leaderboard) -> Iterator[Line]:
    """Return the lines on what the table leaves open."""
    ranked = board.ranked
    if board.tells_apart and any(row.alike for row in ranked):
        yield f"≈: can't be told from the best by {_compared_by(board)} (95%, of all comparisons together)", "dim"
    elif board.program_compares:
        yield f"vs best: 95% intervals, of all comparisons together, by {_compared_by(board)}", "dim"
    if same := sum(len(row.counted) > 1 and not varies(row.objectives.values()) for row in ranked):
        yield f"{counted(same, 'configuration')} gave the same with every seed, which tells nothing of chance", "dim"
    if any(len(row.counted) < len(row.finished) for row in ranked):
        yield "what was given further seeds as one of the best is judged by these alone: the first were lucky", "dim"
    if fewer := sum(len(row.finished) < len(ranked[0].finished) for row in ranked):
        yield f"{counted(fewer, 'configuration')} ran on fewer seeds than the best, which puts them below", "dim"
    for line in board.program.remarks(ranked):
        yield line, "dim"


def _compared_by(board: Leaderboard) -> str:
    """Return by what configurations are compared with the best."""
    if not board.program_compares:
        return "the seeds that both ran on"
    if not board.pairs_seeds:
        return board.program.compared_by
    return f"the seeds that both ran on and by {board.program.compared_by}, whichever tells less"


def failures(board: Leaderboard) -> Iterator[Line]:
    """Return a line for each reason for which trials did not end well."""
    found: dict[tuple[str, str], dict[int, str]] = {}  # those of one reason stand together
    for row in board.rows:
        for trial in row.trials:
            if trial.state in ("failed", "diverged"):
                found.setdefault((trial.state, one_line(trial.reason)), {})[trial.number] = _described(row, trial.seed)
    for (state, reason), failed in found.items():
        which = f"trials {numbers.listed(sorted(failed))}"
        if len(failed) == 1:
            [(number, described)] = failed.items()
            which = f"trial {number} ({described})"
        yield f"{state}: {which}: {reason}".removesuffix(": "), STYLES[state]


def _described(row: Row, seed: str = "") -> str:
    """Return what a configuration, or a trial on a seed, has in the dimensions that are swept."""
    described = [f"{key}={numbers.short(value)}" for key, value in row.varied.items()]
    if seed:
        described.append(f"seed={seed}")
    return " ".join(described) or "the configuration as given"


def found(board: Leaderboard) -> Iterator[str]:
    """Return in sentences which configuration is best, how sure that is, and how all jobs ended."""
    if (best := board.winner) and _are_equal(board.ranked):
        number = counted(len(board.ranked), "configuration")
        yield f"All of {number} ({_each(board)}) gave the same: {_objective(board, best)}{best.beside.told}"
    elif best:
        yield _sentence(board, best)
        is_open = len(board.ranked) > 1 and not board.pairs_seeds and board.has_ended
        if is_open and (further := board.program.more_seeds(board.sweep, board.plan)):
            yield f"{ONE_SEED_COMPARED if board.program_compares else ONE_SEED_EACH} {further}"
    elif board.ranked:
        yield NO_BEST_YET
    yield _jobs(board)


def _are_equal(ranked: list[Row]) -> bool:
    """Say whether several configurations have the same objective, to the last bit."""
    return len(ranked) > 1 and len({row.mean and row.mean.value for row in ranked}) == 1


def _sentence(board: Leaderboard, best: Row) -> str:
    """Return what a person may write into a report."""
    so_far = "" if board.has_ended else " so far"
    number = counted(len(board.rows), "configuration")
    told = f"Of {number} ({_each(board)}), {_described(best)} is the best{so_far}: {_objective(board, best)}"
    if len(board.ranked) > 1 and (ratio := board.compared(board.ranked[1])):
        told += f"; the next is {numbers.compared(ratio, logarithmic=board.logarithmic)}"
    if board.tells_apart and (alike := sum(row.alike for row in board.ranked)):
        told += f"; {counted(alike, 'other')} can't be told from it"
    return told + best.beside.told


def _each(board: Leaderboard) -> str:
    """Return on how many seeds each configuration ran, and what is made of them."""
    sizes = sorted({len(row.finished) for row in board.ranked})
    seeds = counted(sizes[-1], "seed")
    if sizes[0] < sizes[-1]:
        seeds = f"{sizes[0]} to {seeds}"
    each = f"{seeds} each"
    if board.pairs_seeds:
        each += f", {board.kind_of_mean}s with 95% intervals"
    return each


def _objective(board: Leaderboard, best: Row) -> str:
    """Return the objective of the best, and what it is of."""
    told = f"{board.program.metric} {numbers.estimated(board.as_returned(best.mean))}"
    if len(best.counted) < len(best.finished):
        told += f" on the {counted(len(best.counted), 'seed')} that it was given since it was chosen"
    return told


def _jobs(board: Leaderboard) -> str:
    """Return how many jobs there are, how they ended, and what they took."""
    told = f"{counted(board.counts.total(), 'job')}: {states(board.counts)}"
    if board.has_seeds:
        told = f"{counted(len(board.rows), 'configuration')}, {told}"
    taken = [trial.seconds for row in board.rows for trial in row.trials if trial.ended]
    if taken:
        told += f"; {statistics.median(taken):.1f} s a job (median), {sum(taken):.1f} s in all"
    return told


def one_line(reason: str) -> str:
    """Return a reason without secrets, line ends and escape codes; these would break a table."""
    return " ".join(without_password("".join(one if one.isprintable() else " " for one in reason)).split())
