"""What a sweep found: its configurations in order, and which is best; as a table and as CSV.

Reads the sweep's directory alone. Test scores are those of the winner: the others' are not even looked up.
"""

import csv
import io
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from wavesweep import terminal
from wavesweep.redaction import without_password
from wavesweep.report import BASELINES
from wavesweep.rundir import RunDirectory, write_atomically
from wavesweep.sweeps.space import Dimension, Value, varied
from wavesweep.sweeps.store import ENDED, SweepDirectory, Trial

SCORE = "closed_loop_scaled_mse"
STATES = (*ENDED, "interrupted", "running", "waiting")
MOST = 20  # rows that are shown; all are in the CSV
TITLES = {"trials": "trial", "interval_95": "± 95%"}  # in the table, where they differ from the CSV's
STYLES = {"finished": "green", "failed": "red", "diverged": "yellow", "pruned": "magenta"}


class Row(NamedTuple):
    """One configuration, and the jobs that ran it: one a seed where `seed` was swept, else a single one.

    Attributes:
        varied: What it has in the dimensions that are swept, `seed` aside.
        jobs: By number.
        num_finished: How many of these have finished.
        objective: Mean over jobs that have finished; None if none has.
        interval: Half the width of the mean's 95% interval; None for less than two values.
        skill: 1 - score / score of the best baseline, on validation data, mean over seeds; None if unknown.
        test: Closed-loop score on test data, scaled, mean over seeds; None unless asked for.
        rank: From 1; None unless all seeds have finished, since a mean over the lucky ones is no result.
    """

    varied: dict[str, Value]
    jobs: list[Trial]
    num_finished: int
    objective: float | None
    interval: float | None
    skill: float | None
    test: float | None
    rank: int | None = None

    @property
    def trials(self) -> list[int]:
        """The jobs' numbers."""
        return [job.number for job in self.jobs]

    @property
    def state(self) -> str:
        """How it stands: in a word where all seeds agree, else the number of each."""
        counts = Counter(job.state for job in self.jobs)
        return self.jobs[0].state if len(counts) == 1 else _states(counts)


class Leaderboard(NamedTuple):
    """All configurations of a sweep, the best first.

    Attributes:
        has_seeds: Whether `seed` was swept.
        rows: Complete ones by objective, then those of which some seeds have finished, then all others by number.
        counts: The number of jobs in each state; those not yet proposed count as waiting.
        winner: The best configuration that is complete.
        test: How the winner does on test data, beside the best baseline; empty without a winner, or a score of it.
    """

    has_seeds: bool
    rows: list[Row]
    counts: Counter[str]
    winner: Row | None
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
    jobs = sweep.read_trials(plan)
    groups: dict[object, list[Trial]] = {}
    for job in jobs:
        groups.setdefault(tuple(_without_seed(job)) if has_seeds else job.number, []).append(job)
    rows = sorted((_row(sweep, plan.dimensions, group, tests) for group in groups.values()), key=_order)
    rows = [row._replace(rank=i if row.num_finished == len(row.jobs) else None) for i, row in enumerate(rows, start=1)]
    counts = Counter(job.state for job in jobs) + Counter(waiting=plan.n_trials - len(jobs))
    winner = rows[0] if rows and rows[0].rank else None
    return Leaderboard(has_seeds, rows, counts, winner, _test(sweep, winner) if winner else "")


def _without_seed(job: Trial) -> list[str]:
    return [one for one in job.overrides if one.partition("=")[0].lstrip("+~") != "seed"]


def _row(sweep: SweepDirectory, dimensions: list[Dimension], jobs: list[Trial], tests: bool) -> Row:
    """Return the row of jobs that differ in their seed alone."""
    chosen = varied([one for one in dimensions if one.name != "seed"], jobs[0].overrides)
    public = {key: without_password(value) if isinstance(value, str) else value for key, value in chosen.items()}
    finished = [job for job in jobs if job.state == "finished"]
    scores = [job.objective for job in finished if job.objective is not None]
    measured = [_scores(RunDirectory(sweep.path / job.directory)) for job in finished]
    skill = _mean([skill for skill, _ in measured])
    test = _mean([once.get(f"test/{SCORE}", math.inf) for _, once in measured]) if tests else None
    return Row(public, jobs, len(finished), _mean(scores), _half_width(scores), skill, test)


def _order(row: Row) -> tuple[bool, float, list[int]]:
    """Return what sorts complete rows first, the best before others; what has no objective comes last."""
    return row.num_finished < len(row.jobs), math.inf if row.objective is None else row.objective, row.trials


def _mean(values: list[float]) -> float | None:
    """Return the mean, the same whatever the order; None if there are no values, or not all are finite."""
    return float(statistics.mean(values)) if values and all(map(math.isfinite, values)) else None


def _half_width(values: list[float]) -> float | None:
    """Return half the width of the mean's 95% interval; None for less than two values.

    Source:
        Student (1908); it takes the values as drawn from one normal distribution.
    """
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.975)) * statistics.stdev(values) / math.sqrt(n) if (n := len(values)) > 1 else None


def _scores(run: RunDirectory) -> tuple[float, dict[str, float]]:
    """Return a run's skill on validation data, and what was measured once; nan and nothing if its files don't tell.

    What is missing counts as inf, since older runs lack some; null stands for nan and inf.
    """
    try:
        rows = {row.get("epoch"): {key: x for key, x in row.items() if x is not None} for row in run.read_metrics()}
        kept, once = rows[int(run.read_info().tags["wavesweep.kept_epoch"])], rows[None]
    except (OSError, KeyError, ValueError):  # a run that is damaged or gone does not take the table with it
        return math.nan, {}
    baseline = min(once.get(key.replace("test/", "val/"), math.inf) for key in BASELINES)
    return 1 - kept.get(f"val/{SCORE}", math.inf) / baseline if 0 < baseline < math.inf else math.nan, once


def _test(sweep: SweepDirectory, winner: Row) -> str:
    """Return the winner's closed-loop score on test data, mean over seeds, beside the best baseline's on the same."""
    once = [_scores(RunDirectory(sweep.path / job.directory))[1] for job in winner.jobs]
    scores = [row.get(f"test/{SCORE}", math.inf) for row in once]
    score = statistics.fmean(scores)
    means = [(statistics.fmean(row.get(key, math.inf) for row in once), name) for key, name in BASELINES.items()]
    baseline = "; best baseline: {1}, {0:.2e}".format(*min(means)) if min(means)[0] < math.inf else ""
    return f"test, closed loop, scaled MSE {_number(score, _half_width(scores))}{baseline}" if score < math.inf else ""


def _cells(board: Leaderboard, row: Row) -> list[tuple[str, Any, str]]:
    """Return a row's titles, values for the CSV, and how the table shows them; the last is for the CSV alone."""
    done, seconds = row.num_finished, math.fsum(job.seconds for job in row.jobs)
    reason = "; ".join(dict.fromkeys(_one_line(job.reason) for job in row.jobs if job.reason))
    # Spreadsheets take a range for a date.
    first = [("rank", row.rank, str(row.rank or "")), ("trials", " ".join(map(str, row.trials)), _listed(row.trials))]
    scores = [("objective", row.objective, _number(row.objective)), ("skill", row.skill, _percent(row.skill))]
    if any(other.test is not None for other in board.rows):
        scores.append(("test", row.test, _number(row.test)))
    if board.has_seeds:
        scores[1:1] = [("interval_95", row.interval, _number(row.interval)), ("seeds", done, f"{done}/{len(row.jobs)}")]
    last = [("seconds", seconds, f"{seconds:.1f}"), ("state", row.state, row.state), ("reason", reason, "")]
    return [*first, *((key, value, _short(value)) for key, value in row.varied.items()), *scores, *last]


def write_csv(board: Leaderboard, path: Path) -> None:
    """Write all rows, numbers in full: what is read again is the same to the last bit."""
    buffer, rows = io.StringIO(), [_cells(board, row) for row in board.rows]
    titles = [title for title, _, _ in rows[0]] if rows else []
    csv.writer(buffer, lineterminator="\n").writerows([titles, *([value for _, value, _ in row] for row in rows)])
    write_atomically(path, buffer.getvalue().encode())


def show(board: Leaderboard, sweep: SweepDirectory) -> None:
    """Print a leaderboard: in colour and as wide as the terminal, if there is one."""
    if not sys.stdout.isatty():
        return terminal.say(text(board, sweep))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        _print(board, sweep)
    except OSError:
        terminal.say("")  # which knows what to do when nobody listens


def text(board: Leaderboard, sweep: SweepDirectory) -> str:
    """Return a leaderboard in plain lines, as wide as need be."""
    buffer = io.StringIO()
    _print(board, sweep, buffer)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _print(board: Leaderboard, sweep: SweepDirectory, file: TextIO | None = None) -> None:
    """Print title, table, and the lines under it: to a terminal, or plainly to a file."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, width=10_000 if file else None, color_system=None if file else "auto", highlight=False)
    table = Table(box=None if file else SIMPLE_HEAD, pad_edge=False, padding=(0, 2 if file else 1, 0, 0))
    hidden = ("reason",) if file or console.width >= 100 else ("reason", "trials", "seconds")
    rows = [[cell for cell in _cells(board, row) if cell[0] not in hidden] for row in board.rows[:MOST]]
    for title, _, _ in rows[0] if rows else []:
        left = title == "state" or title in board.rows[0].varied
        table.add_column(Text(TITLES.get(title, title)), justify="left" if left else "right", overflow="fold")
    for row, cells in zip(board.rows, rows, strict=False):
        *others, state = (Text(shown) for _, _, shown in cells)  # not strings, in which [64,32] would be a style
        state.stylize(STYLES.get(row.state, "cyan"))
        table.add_row(*others, state, style="bold" if row is board.winner else "")
    console.print(Text(f"sweep {sweep.id}", "bold"), table, *(Text(*line) for line in _remarks(board, sweep)), sep="\n")


def _remarks(board: Leaderboard, sweep: SweepDirectory) -> Iterator[tuple[str, str]]:
    """Return the lines under the table, each with its style."""
    if len(board.rows) > MOST:
        yield f"… {len(board.rows) - MOST} more in {terminal.relative(sweep.leaderboard)}", "dim"
    failures: dict[tuple[str, str], dict[int, str]] = {}  # those of one reason stand together
    for where, job in ((row, job) for row in board.rows for job in row.jobs if job.state in ("failed", "diverged")):
        what = [*(f"{key}={one}" for key, one in where.varied.items()), *({*job.overrides} - {*_without_seed(job)})]
        failures.setdefault((job.state, _one_line(job.reason)), {})[job.number] = " ".join(what) or "nothing varied"
    for (state, reason), jobs in failures.items():
        which = f"trials {_listed(sorted(jobs))}" if len(jobs) > 1 else "trial {} ({})".format(*jobs.popitem())
        yield f"{state}: {which}{': ' * bool(reason)}{reason}", STYLES[state]
    if best := board.winner:
        overrides = _without_seed(best.jobs[0]) if board.has_seeds else best.jobs[0].overrides
        yield f"best: {without_password(' '.join(overrides)) or 'the defaults'}", "bold green"
        skill = "" if best.skill is None else f", skill {_percent(best.skill)}"
        yield f"  objective {_number(best.objective, best.interval)}{skill}", ""
        yield from [(f"  {board.test}", "")] if board.test else []
    yield f"{board.counts.total()} job{'s' * (board.counts.total() != 1)}: {_states(board.counts)}", ""


def _states(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def _number(value: float | None, interval: float | None = None) -> str:
    return "" if value is None else f"{value:.2e}" + ("" if interval is None else f" ± {interval:.2e}")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}" if value > -10 else "< -999%"  # a baseline is exact on pure waves


def _short(value: Value) -> str:
    """Write a value that a person typed as it is, and what a sampler drew with four digits."""
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else str(value)


def _listed(numbers: list[int]) -> str:
    """Write ascending numbers, those in a row as a range: 0-3, 7."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _one_line(reason: str) -> str:
    """Return a reason without secrets, line ends and escape codes; these would break a table."""
    return " ".join(without_password("".join(one if one.isprintable() else " " for one in reason)).split())
