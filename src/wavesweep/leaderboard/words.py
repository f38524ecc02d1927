"""What a leaderboard says in words above and below its table, and in MLflow."""

import html
import math
import re
import shlex
import statistics
from collections.abc import Iterator

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import relative
from hydra_queue_sweeper.base.redaction import without_password
from wavesweep.evaluation.metric_names import OBJECTIVE
from wavesweep.leaderboard import numbers
from wavesweep.leaderboard.ranking import Leaderboard, Row, states

Line = tuple[str, str]
"""A line and its style."""

ONE_SEED_EACH = "one seed each: whether the best differs from the next is not known; what tells is"
NO_BEST_YET = "no best yet: others that were better are still to run on further seeds"
STYLES = {"finished": "green", "failed": "red", "diverged": "yellow", "pruned": "magenta"}


def heading(board: Leaderboard) -> str:
    """Return what the objective is, and how it is averaged over seeds."""
    what = "" if board.metric == OBJECTIVE else f"{board.metric} of the kept epoch, "
    told = f"objective: {what}lower is better"
    if board.has_seeds:
        told += f"; {board.kind_of_mean} over seeds, 95% interval"
    return told


def marks(board: Leaderboard) -> Iterator[Line]:
    """Return the lines on what the table leaves open."""
    ranked = board.ranked
    if board.pairs_seeds and any(row.alike for row in ranked):
        yield "≈: can't be told from the best by the seeds that both ran on (95%)", "dim"
    if fewer := sum(len(row.finished) < len(ranked[0].finished) for row in ranked):
        yield f"{counted(fewer, 'configuration')} ran on fewer seeds than the best, which puts them below", "dim"
    if ranked and all(row.skill is None for row in ranked):
        yield "skill is left empty: the best baseline is exact, or was not measured", "dim"


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
    if best := board.winner:
        yield _sentence(board, best)
        if len(board.ranked) > 1 and not board.pairs_seeds and board.has_ended:
            more = ["wavesweep", "resume", str(relative(board.sweep.path)), "seed=1,2,3,4", "--top", "3"]
            yield f"{ONE_SEED_EACH} {shlex.join(more)}"
    elif board.ranked:
        yield NO_BEST_YET
    yield _jobs(board)


def note(board: Leaderboard) -> str:
    """Return for MLflow, in Markdown, what was found; letters that Markdown reads otherwise are escaped."""
    told = html.escape("\n\n".join(found(board)), quote=False)
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", told)


def _sentence(board: Leaderboard, best: Row) -> str:
    """Return what a person may write into a report."""
    sizes = sorted({len(row.finished) for row in board.ranked})
    seeds = counted(sizes[-1], "seed")
    if sizes[0] < sizes[-1]:
        seeds = f"{sizes[0]} to {seeds}"
    each = f"{seeds} each"
    if board.pairs_seeds:
        each += f", {board.kind_of_mean}s with 95% intervals"
    so_far = "" if board.has_ended else " so far"
    told = f"Of {counted(len(board.rows), 'configuration')} ({each}), {_described(best)} is the best{so_far}: "
    told += f"{board.metric} {numbers.estimated(best.mean)}"
    if len(board.ranked) > 1 and board.ranked[1].ratio:
        told += f"; the next is {numbers.compared(board.ranked[1].ratio, logarithmic=board.logarithmic)}"
    if board.pairs_seeds and (alike := sum(row.alike for row in board.ranked)):
        told += f"; {counted(alike, 'other')} can't be told from it"
    if best.test:
        told += f". On test data: closed loop, scaled MSE {numbers.estimated(best.test.own)}"
        if best.test.baseline < math.inf:
            told += f"; best baseline: {best.test.name}, {numbers.error(best.test.baseline)}"
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
