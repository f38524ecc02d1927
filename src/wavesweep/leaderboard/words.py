"""What a leaderboard says in words: above its table, in its cells, and below."""

import math
import shlex
import statistics
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from wavesweep.base.errors import relative
from wavesweep.base.redaction import without_password
from wavesweep.leaderboard.ranking import Leaderboard, Row, states
from wavesweep.models.metric_names import OBJECTIVE
from wavesweep.search.estimates import Estimate
from wavesweep.search.space import Value
from wavesweep.search.trials import ENDED
from wavesweep.sweeps.store import SweepDirectory

Line = tuple[str, str]
"""A line and its style."""

STYLES = {"finished": "green", "failed": "red", "diverged": "yellow", "pruned": "magenta"}


def heading(board: Leaderboard) -> str:
    """Return what the objective is."""
    what = f"{board.metric} of the kept epoch, " * (board.metric != OBJECTIVE)
    numbers = {row.num_seeds for row in board.rows}
    seeds = f"of {max(numbers)} seeds" if len(numbers) == 1 and numbers != {1} else "over seeds"
    averaged = f"; {_mean(board)} {seeds}, 95% interval" * board.has_seeds
    return f"objective: {what}lower is better{averaged}"


def marks(board: Leaderboard) -> Iterator[Line]:
    """Return the lines on what the table leaves open."""
    ranked = _ranked(board)
    if compares(board) and any(row.alike for row in ranked):
        yield "≈: can't be told from the best by the seeds that both ran on (95%)", "dim"
    if fewer := sum(len(row.finished) < len(ranked[0].finished) for row in ranked):
        yield f"{_many(fewer, 'configuration')} ran on fewer seeds than the best, which puts them below", "dim"
    if exact := [row.validation.name for row in board.rows if row.validation and row.validation.baseline_is_exact]:
        yield f"no skill: {exact[0]} is exact on these series, but for rounding", "dim"


def compares(board: Leaderboard) -> bool:
    """Say whether others are compared with the best by seeds that both ran on."""
    return board.winner is not None and len(board.winner.finished) > 1


def found(board: Leaderboard, sweep: SweepDirectory) -> Iterator[Line]:
    """Return the lines on the best configuration and on all jobs."""
    if (best := board.winner) and best.objective is not None:
        first = best.trials[0]
        overrides = first.configuration if board.has_seeds else first.overrides
        yield f"best: {shlex.join(overrides) or 'as given'}", "bold green"
        skill = "" if best.skill is None else f", skill {percent(best.skill)}"
        yield f"  objective {estimated(Estimate(best.objective, *best.interval or ()))}{skill}", ""
        yield from [(f"  test, {_test(best)}", "")] if best.test else []
        yield f"in words: {_sentence(board, best)}", ""
        if len(_ranked(board)) > 1 and not compares(board) and _has_ended(board):
            yield "one seed each: whether the best differs from the next is not known; what tells is", ""
            yield f"  {_more_seeds(best, sweep)}", ""
    elif _ranked(board):
        yield "no best yet: others that were better are still to run on further seeds", "yellow"
    yield _jobs(board), ""


def _test(best: Row) -> str:
    """Return the best configuration's error on test data, beside the best baseline's."""
    assert best.test
    own, baseline, name = best.test
    beside = f"; best baseline: {name}, {number(baseline)}" * (baseline < math.inf)
    return f"closed loop, scaled MSE {estimated(own)}{beside}"


def _sentence(board: Leaderboard, best: Row) -> str:
    """Return what a person may write into a report."""
    ranked, so_far = _ranked(board), "" if _has_ended(board) else " so far"
    numbers = sorted({len(row.finished) for row in ranked})
    each = f"{_many(numbers[0], 'seed')} each" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} seeds each"
    rest = len(board.rows) - len(ranked)
    left = f"; {rest} {'did not finish' if _has_ended(board) else 'not finished yet'}" * (rest > 0)
    what = " ".join(f"{key}={short(value)}" for key, value in best.varied.items()) or "the configuration as given"
    of = f"Of {len(board.rows)} configurations ({each}{left}), {what} is the best{so_far}"
    begin = of if len(board.rows) > 1 else f"{what} ran on {_many(numbers[0], 'seed')}"
    mean = f" ({_mean(board)}, 95% interval {interval(*best.interval, ' to ')})" if best.interval else ""
    parts = [f"{begin}: {board.metric} {number(best.objective)}{mean}"]
    if ratio := ranked[1].ratio if len(ranked) > 1 else None:
        how = f"{_times(ratio.value)} times as high" if board.logarithmic else f"{_difference(ratio.value)} away"
        sure = "" if ratio.low is None else f" (paired by seed, 95% interval {_ends(board, ratio, ' to ')})"
        parts.append(f"the next is {how}{sure}")
    if compares(board):
        known = Counter(bool(row.ratio and row.ratio.low is not None) for row in ranked if row.alike)
        parts += [f"{_many(known[True], 'other')} can't be told from it"] * (known[True] > 0)
        parts += [f"{known[False]} ran on too few of its seeds to tell"] * (known[False] > 0)
    return f"{'; '.join(parts)}.{f' On test data: {_test(best)}.' if best.test else ''}"


def _more_seeds(best: Row, sweep: SweepDirectory) -> str:
    """Return the command that runs the best configurations on four further seeds."""
    seed = best.trials[0].seed  # which may be ${…}
    seeds = ",".join(str(int(seed if seed.isdecimal() else 0) + more) for more in range(1, 5))
    return shlex.join(["wavesweep", "resume", str(relative(sweep.path)), f"seed={seeds}", "--top", "3"])


def _jobs(board: Leaderboard) -> str:
    """Return how many jobs there are, how they ended, and what they took."""
    jobs, sizes = board.counts.total(), {row.num_seeds for row in board.rows}
    even = len(sizes) == 1 and len(board.rows) * max(sizes) == jobs
    seeds = f" × {_many(max(sizes), 'seed')} =" if even else ","
    of = f"{_many(len(board.rows), 'configuration')}{seeds} " * board.has_seeds
    taken = [trial.seconds for row in board.rows for trial in row.trials if trial.ended]
    cost = f"; {_seconds(statistics.median(taken))} a job (median), {_seconds(sum(taken))} in all" if taken else ""
    return f"{of}{_many(jobs, 'job')}: {states(board.counts)}{cost}"


def files(sweep: SweepDirectory) -> Iterator[Line]:
    """Return the line that says where pictures and table are, once these are there."""
    pictures = [f"pictures: {relative(sweep.plots)}"] * any(sweep.plots.glob("*.png"))
    tables = [f"table: {relative(sweep.leaderboard)}"] * sweep.leaderboard.exists()
    yield from [(", ".join([*pictures, *tables]), "dim")] if pictures or tables else []


def failures(board: Leaderboard) -> Iterator[Line]:
    """Return a line for each reason for which trials did not end well."""
    found: dict[tuple[str, str], dict[int, str]] = {}  # those of one reason stand together
    pairs = [(row, trial) for row in board.rows for trial in row.trials if trial.state in ("failed", "diverged")]
    for row, trial in pairs:
        seed = {*trial.overrides} - {*trial.configuration}
        what = " ".join([*(f"{key}={one}" for key, one in row.varied.items()), *seed]) or "nothing varied"
        found.setdefault((trial.state, one_line(trial.reason)), {})[trial.number] = what
    for (state, reason), trials in found.items():
        which = f"trials {listed(sorted(trials))}" if len(trials) > 1 else "trial {} ({})".format(*trials.popitem())
        yield f"{state}: {which}{': ' * bool(reason)}{reason}", STYLES[state]


def left_out(board: Leaderboard, sweep: SweepDirectory, num_shown: int) -> Iterator[Line]:
    """Return the line that says how many rows are not shown, if any."""
    if len(board.rows) > num_shown:
        yield f"… {len(board.rows) - num_shown} more in {relative(sweep.leaderboard)}", "dim"


def number(value: float | None) -> str:
    """Write an error with four significant digits."""
    return "" if value is None else f"{value:.3e}"


def estimated(value: Estimate | None) -> str:
    """Write a mean with its interval."""
    return "" if value is None else f"{number(value.value)} ({interval(value.low, value.high)})".removesuffix(" ()")


def interval(low: float | None, high: float | None, between: str = "–") -> str:
    """Write an interval with two digits, or as many more as tell its ends apart; nothing where there is none."""
    if low is None or high is None:
        return ""
    digits = next((n for n in (1, 2, 3) if f"{low:.{n}e}" != f"{high:.{n}e}"), 3)
    return f"{low:.{digits}e}{between}{high:.{digits}e}"


def compared(board: Leaderboard, ratio: Estimate | None) -> str:
    """Write how a configuration compares with the best: ×1.07 (1.02–1.12), or a difference."""
    if ratio is None:
        return ""
    value = f"×{_times(ratio.value)}" if board.logarithmic else _difference(ratio.value)
    return value if ratio.low is None else f"{value} ({_ends(board, ratio, '–')})"


def _ends(board: Leaderboard, ratio: Estimate, between: str) -> str:
    shown = _times if board.logarithmic else _difference
    return between.join(shown(end) for end in ratio[1:] if end is not None)


def _times(value: float) -> str:
    """Write a ratio: with two decimals near 1, and few digits wherever it is."""
    if 0.1 <= value < 9999.5:
        return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
    return f"{value:.2g}"


def _difference(value: float) -> str:
    return f"{value:+.2e}"


def percent(value: float | None) -> str:
    """Write a skill, in words where the baseline is far better."""
    return "" if value is None else f"{value:.1%}" if value >= -1 else f"{1 - value:.2g}x worse"


def short(value: Value) -> str:
    """Write a value that a person typed as it is, and what a sampler drew with four digits."""
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else str(value)


def listed(numbers: list[int]) -> str:
    """Write ascending numbers, those in a row as a range: 0-3, 7."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def one_line(reason: str) -> str:
    """Return a reason without secrets, line ends and escape codes; these would break a table."""
    return " ".join(without_password("".join(one if one.isprintable() else " " for one in reason)).split())


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 99.95 else f"{value:.0f} s"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _ranked(board: Leaderboard) -> list[Row]:
    return [row for row in board.rows if row.rank]


def _has_ended(board: Leaderboard) -> bool:
    return all(state in ENDED for state in +board.counts)


def _mean(board: Leaderboard) -> str:
    return "geometric mean" if board.logarithmic else "mean"
