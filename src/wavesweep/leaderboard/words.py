"""What a leaderboard says in words above and below its table, and in MLflow."""

import html
import math
import re
import shlex
import statistics
from collections.abc import Iterator

from wavesweep.base.counting import counted
from wavesweep.base.errors import relative
from wavesweep.base.redaction import without_password
from wavesweep.evaluation.metric_names import OBJECTIVE
from wavesweep.leaderboard import numbers
from wavesweep.leaderboard.ranking import Leaderboard, Row, states
from wavesweep.leaderboard.scores import Scores
from wavesweep.search.estimates import Estimate
from wavesweep.search.trials import Trial
from wavesweep.sweeps.store import SweepDirectory

Line = tuple[str, str]
"""A line and its style."""

ONE_SEED_EACH = "one seed each: whether the best differs from the next is not known; what tells is"
NO_BEST_YET = "no best yet: others that were better are still to run on further seeds"
STYLES = {"finished": "green", "failed": "red", "diverged": "yellow", "pruned": "magenta"}


def heading(board: Leaderboard) -> str:
    """Return what the objective is, and over how many seeds it is averaged."""
    what = "" if board.metric == OBJECTIVE else f"{board.metric} of the kept epoch, "
    told = f"objective: {what}lower is better"
    if not board.has_seeds:
        return told
    sizes = {row.num_seeds for row in board.rows}
    seeds = f"of {max(sizes)} seeds" if len(sizes) == 1 and sizes != {1} else "over seeds"
    return f"{told}; {board.kind_of_mean} {seeds}, 95% interval"


def left_out(board: Leaderboard, num_shown: int) -> Iterator[Line]:
    """Return the line that says how many rows are not shown, if any."""
    if len(board.rows) > num_shown:
        yield f"… {len(board.rows) - num_shown} more in {relative(board.sweep.leaderboard)}", "dim"


def marks(board: Leaderboard) -> Iterator[Line]:
    """Return the lines on what the table leaves open."""
    ranked = board.ranked
    if board.pairs_seeds and any(row.alike for row in ranked):
        yield "≈: can't be told from the best by the seeds that both ran on (95%)", "dim"
    if fewer := sum(len(row.finished) < len(ranked[0].finished) for row in ranked):
        yield f"{counted(fewer, 'configuration')} ran on fewer seeds than the best, which puts them below", "dim"
    if exact := [row.validation.name for row in board.rows if row.validation and row.validation.baseline_is_exact]:
        yield f"no skill: {exact[0]} is exact on these series, but for rounding", "dim"


def failures(board: Leaderboard) -> Iterator[Line]:
    """Return a line for each reason for which trials did not end well."""
    found: dict[tuple[str, str], list[tuple[Row, Trial]]] = {}  # those of one reason stand together
    for row in board.rows:
        for trial in row.trials:
            if trial.state in ("failed", "diverged"):
                found.setdefault((trial.state, one_line(trial.reason)), []).append((row, trial))
    for (state, reason), failed in found.items():
        if len(failed) == 1:
            which = _described(*failed[0])
        else:
            which = f"trials {numbers.listed(sorted(trial.number for _, trial in failed))}"
        yield f"{state}: {which}: {reason}" if reason else f"{state}: {which}", STYLES[state]


def _described(row: Row, trial: Trial) -> str:
    """Return a trial with what it has in the dimensions that are swept."""
    seed = {*trial.overrides} - {*trial.configuration}
    what = " ".join([*(f"{key}={value}" for key, value in row.varied.items()), *seed])
    return f"trial {trial.number} ({what or 'nothing varied'})"


def found(board: Leaderboard) -> Iterator[Line]:
    """Return the lines on the best configuration and on all jobs."""
    if best := board.winner:
        first = best.trials[0]
        overrides = first.configuration if board.has_seeds else first.overrides
        skill = "" if best.skill is None else f", skill {numbers.percent(best.skill)}"
        yield f"best: {shlex.join(overrides) or 'as given'}", "bold green"
        yield f"  objective {numbers.estimated(best.mean)}{skill}", ""
        if best.test:
            yield f"  test, {_tested(best.test)}", ""
        yield f"in words: {_sentence(board, best)}", ""
        if _needs_seeds(board):
            yield ONE_SEED_EACH, ""
            yield f"  {_more_seeds(best, board.sweep)}", ""
    elif board.ranked:
        yield NO_BEST_YET, "yellow"
    yield _jobs(board), ""


def files(sweep: SweepDirectory) -> Iterator[Line]:
    """Return the line that says where pictures and table are, once these are there."""
    there = []
    if any(sweep.plots.glob("*.png")):
        there.append(f"pictures: {relative(sweep.plots)}")
    if sweep.leaderboard.exists():
        there.append(f"table: {relative(sweep.leaderboard)}")
    if there:
        yield ", ".join(there), "dim"


def note(board: Leaderboard) -> str:
    """Return for MLflow, in Markdown, which configuration is best, how sure that is, and how all jobs ended."""
    told = []
    if best := board.winner:
        told.append(_sentence(board, best))
        if _needs_seeds(board):
            told.append(f"{ONE_SEED_EACH} {_more_seeds(best, board.sweep)}")
    elif board.ranked:
        told.append(NO_BEST_YET)
    told.append(_jobs(board))
    return "\n\n".join(map(_as_markdown, told))


def _as_markdown(text: str) -> str:
    """Return a text such that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(text, quote=False))


def _tested(test: Scores) -> str:
    """Return an error on test data, beside the best baseline's."""
    told = f"closed loop, scaled MSE {numbers.estimated(test.own)}"
    if test.baseline < math.inf:
        told += f"; best baseline: {test.name}, {numbers.error(test.baseline)}"
    return told


def _sentence(board: Leaderboard, best: Row) -> str:
    """Return what a person may write into a report."""
    objective = f"{board.metric} {numbers.error(best.objective)}"
    if best.interval:
        objective += f" ({board.kind_of_mean}, 95% interval {numbers.interval(best.mean, ' to ')})"
    parts = [f"{_which_is_best(board, best)}: {objective}"]
    if len(board.ranked) > 1 and board.ranked[1].ratio:
        parts.append(_how_far_is_the_next(board.ranked[1].ratio, logarithmic=board.logarithmic))
    if board.pairs_seeds:
        parts += _what_is_alike(board)
    told = f"{'; '.join(parts)}."
    return f"{told} On test data: {_tested(best.test)}." if best.test else told


def _which_is_best(board: Leaderboard, best: Row) -> str:
    """Return which configuration is the best, of how many, by how many seeds."""
    what = " ".join(f"{key}={numbers.short(value)}" for key, value in best.varied.items())
    what = what or "the configuration as given"
    sizes = sorted({len(row.finished) for row in board.ranked})
    seeds = counted(sizes[0], "seed") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} seeds"
    if len(board.rows) == 1:
        return f"{what} ran on {seeds}"
    each = f"{seeds} each"
    if others := len(board.rows) - len(board.ranked):
        each += f"; {others} did not finish" if board.has_ended else f"; {others} not finished yet"
    so_far = "" if board.has_ended else " so far"
    return f"Of {len(board.rows)} configurations ({each}), {what} is the best{so_far}"


def _how_far_is_the_next(ratio: Estimate, *, logarithmic: bool) -> str:
    """Return how the second best configuration compares with the best."""
    if logarithmic:
        told = f"the next is {numbers.times(ratio.value)} times as high"
    else:
        told = f"the next is {numbers.difference(ratio.value)} away"
    if ratio.low is None:
        return told
    return f"{told} (paired by seed, 95% interval {numbers.ends(ratio, ' to ', logarithmic=logarithmic)})"


def _what_is_alike(board: Leaderboard) -> Iterator[str]:
    """Return how many configurations can't be told from the best, with an interval and for want of one."""
    alike = [row for row in board.ranked if row.alike]
    paired = sum(row.ratio is not None and row.ratio.low is not None for row in alike)
    if paired:
        yield f"{counted(paired, 'other')} can't be told from it"
    if paired < len(alike):
        yield f"{len(alike) - paired} ran on too few of its seeds to tell"


def _needs_seeds(board: Leaderboard) -> bool:
    """Say whether all has ended, and only further seeds can tell whether the best is better than the next."""
    return len(board.ranked) > 1 and not board.pairs_seeds and board.has_ended


def _more_seeds(best: Row, sweep: SweepDirectory) -> str:
    """Return the command that runs the best configurations on four further seeds."""
    written = best.trials[0].seed  # which may be ${…}
    seed = int(written) if written.isdecimal() else 0
    seeds = ",".join(str(seed + more) for more in range(1, 5))
    return shlex.join(["wavesweep", "resume", str(relative(sweep.path)), f"seed={seeds}", "--top", "3"])


def _jobs(board: Leaderboard) -> str:
    """Return how many jobs there are, how they ended, and what they took."""
    count = board.counts.total()
    told = f"{counted(count, 'job')}: {states(board.counts)}"
    if board.has_seeds:
        configurations = counted(len(board.rows), "configuration")
        sizes = {row.num_seeds for row in board.rows}
        if len(sizes) == 1 and len(board.rows) * max(sizes) == count:
            told = f"{configurations} × {counted(max(sizes), 'seed')} = {told}"
        else:
            told = f"{configurations}, {told}"
    taken = [trial.seconds for row in board.rows for trial in row.trials if trial.ended]
    if not taken:
        return told
    return f"{told}; {numbers.seconds(statistics.median(taken))} a job (median), {numbers.seconds(sum(taken))} in all"


def one_line(reason: str) -> str:
    """Return a reason without secrets, line ends and escape codes; these would break a table."""
    return " ".join(without_password("".join(one if one.isprintable() else " " for one in reason)).split())
