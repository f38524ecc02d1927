"""What a sweep found: its configurations in order, and which is best; as a table, in plain lines, and as CSV.

Reads the sweep's directory alone. Test scores are those of the winner: the others' are not even looked up.
"""

import csv
import io
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavesweep import terminal
from wavesweep.redaction import without_password
from wavesweep.refusals import Refused
from wavesweep.report import BASELINES
from wavesweep.rundir import RunDirectory, write_atomically
from wavesweep.sweeps.space import Value, varied
from wavesweep.sweeps.store import ENDED, SweepDirectory, Trial

if TYPE_CHECKING:
    from rich.console import Group

SCORE = "closed_loop_scaled_mse"
STATES = (*ENDED, "interrupted", "running", "waiting")
ROOMY, LEFT_OUT = 100, ("trial", "seconds")  # columns of a terminal; what is left out where there are fewer
STYLES = {"finished": "green", "failed": "red", "diverged": "yellow", "pruned": "magenta"}


@dataclass(frozen=True)
class Row:
    """One configuration, and the jobs that ran it: one a seed where `seed` was swept, else a single one.

    Attributes:
        varied: What it has in the dimensions that are swept, `seed` aside.
        jobs: By number; a sampler may have proposed a seed twice.
        counted: Those that count, one a seed: one that finished, where there is one.
        num_finished: How many of these have finished.
        objective: Mean over seeds that have finished; None if none has.
        interval: Half the width of the mean's 95% interval; None for less than two values.
        skill: 1 - score / score of the best baseline, on validation data, mean over seeds; None if unknown.
        rank: From 1; None unless all seeds have finished, since a mean over the lucky ones is no result.
    """

    varied: dict[str, Value]
    jobs: tuple[Trial, ...]
    counted: tuple[Trial, ...]
    num_finished: int
    objective: float | None
    interval: float | None
    skill: float | None
    rank: int | None = None

    @property
    def complete(self) -> bool:
        """Whether all seeds have finished."""
        return self.num_finished == len(self.counted)

    @property
    def seconds(self) -> float:
        """Spent on all jobs."""
        return math.fsum(job.seconds for job in self.jobs)

    @property
    def trials(self) -> list[int]:
        """The jobs' numbers."""
        return [job.number for job in self.jobs]

    @property
    def reason(self) -> str:
        """Why jobs failed, in one line."""
        return "; ".join(dict.fromkeys(_one_line(job.reason) for job in self.counted if job.reason))

    @property
    def state(self) -> str:
        """How it stands: in a word where all seeds agree, else the number of each."""
        counts = Counter(job.state for job in self.counted)
        if len(counts) == 1:
            return self.counted[0].state
        others = [f"{counts[state]} {state}" for state in STATES[1:] if counts[state]]
        return ", ".join([f"{self.num_finished} of {len(self.counted)} finished", *others])


@dataclass(frozen=True)
class FinalScore:
    """The winner's closed-loop score on test data, scaled, mean over seeds, beside the best baseline's.

    Attributes:
        score: Lower is better.
        interval: Half the width of its 95% interval; None for a single seed.
        baseline: The best baseline, in words; empty if none has a score.
        baseline_score: Its mean over the same seeds.
    """

    score: float
    interval: float | None
    baseline: str
    baseline_score: float


@dataclass(frozen=True)
class Leaderboard:
    """All configurations of a sweep, the best first.

    Attributes:
        keys: The dimensions that were swept, `seed` aside.
        has_seeds: Whether `seed` was swept.
        rows: Complete ones by objective, then those of which some seeds have finished, then all others by number.
        counts: The number of jobs in each state; those not yet proposed count as waiting.
        test: How the winner does on test data; None without a winner, or if it has no score.
    """

    keys: list[str]
    has_seeds: bool
    rows: list[Row]
    counts: Counter[str]
    test: FinalScore | None

    @property
    def winner(self) -> Row | None:
        """The best configuration that is complete."""
        return self.rows[0] if self.rows and self.rows[0].complete else None


def rank(sweep: SweepDirectory) -> Leaderboard:
    """Order a sweep's configurations by objective, mean over seeds; ties by trial number.

    Raises:
        Refused: If plan or trials can't be read.
    """
    plan = sweep.read_plan()
    swept = [dimension for dimension in plan.dimensions if dimension.swept]
    has_seeds = any(dimension.name == "seed" for dimension in swept)
    jobs = [_honest(job) for job in sweep.read_trials(plan)]
    rows = [
        _row(sweep, {key: value for key, value in varied(swept, group[0].overrides).items() if key != "seed"}, group)
        for group in _configurations(jobs, has_seeds)
    ]
    rows = [replace(row, rank=i if row.complete else None) for i, row in enumerate(sorted(rows, key=_order), start=1)]
    counts = Counter(job.state for job in jobs) + Counter(waiting=plan.n_trials - len(jobs))
    test = _test(sweep, rows[0]) if rows and rows[0].complete else None
    return Leaderboard([one.name for one in swept if one.name != "seed"], has_seeds, rows, counts, test)


def _honest(job: Trial) -> Trial:
    """Return a job as it is to be shown; one whose objective is not finite has diverged, whatever its record says."""
    finite = job.objective is not None and math.isfinite(job.objective)
    return replace(job, state="diverged") if job.state == "finished" and not finite else job


def _configurations(jobs: list[Trial], has_seeds: bool) -> Iterable[list[Trial]]:
    """Group jobs that differ in their seed alone; where it isn't swept, each stands for itself."""
    groups: dict[object, list[Trial]] = {}
    for job in jobs:
        groups.setdefault(tuple(_without_seed(job)) if has_seeds else job.number, []).append(job)
    return groups.values()


def _without_seed(job: Trial) -> list[str]:
    return [override for override in job.overrides if override != _seed(job)]


def _seed(job: Trial) -> str:
    return next((one for one in job.overrides if one.partition("=")[0].lstrip("+~") == "seed"), "")


def _row(sweep: SweepDirectory, chosen: dict[str, Value], jobs: list[Trial]) -> Row:
    counted: dict[str, Trial] = {}
    for job in jobs:
        if counted.setdefault(_seed(job), job).state != "finished":
            counted[_seed(job)] = job
    finished = [job for job in counted.values() if job.state == "finished"]
    objectives = [job.objective for job in finished if job.objective is not None]
    return Row(
        varied={key: without_password(value) if isinstance(value, str) else value for key, value in chosen.items()},
        jobs=tuple(jobs),
        counted=tuple(counted.values()),
        num_finished=len(finished),
        objective=_mean(objectives),
        interval=half_width(objectives),
        skill=_mean(_skill(RunDirectory(sweep.path / job.directory)) for job in finished),
    )


def _order(row: Row) -> tuple[bool, float, int]:
    """Return what sorts complete rows first, the best before others; what has no objective comes last."""
    return not row.complete, math.inf if row.objective is None else row.objective, row.jobs[0].number


def _mean(values: Iterable[float]) -> float | None:
    """Return the mean, the same whatever the order; None if there are no values, or not all are finite."""
    known = list(values)
    return float(statistics.mean(known)) if known and all(map(math.isfinite, known)) else None


def half_width(values: list[float]) -> float | None:
    """Return half the width of the mean's 95% interval; None for less than two values.

    Source:
        Student (1908); it takes the values as drawn from one normal distribution.
    """
    from scipy.special import stdtrit

    if len(values) < 2:
        return None
    return float(stdtrit(len(values) - 1, 0.975)) * statistics.stdev(values) / math.sqrt(len(values))


def _skill(directory: RunDirectory) -> float:
    """Return a run's skill on validation data; nan if its files don't tell."""
    try:
        kept = int(directory.read_info().tags["wavesweep.kept_epoch"])
        rows = {row.get("epoch"): row for row in directory.read_metrics()}
    except (OSError, KeyError, ValueError):  # a run that is damaged or gone does not take the table with it
        return math.nan
    once = rows.get(None, {})
    baseline = min(_finite_or_inf(once, key.replace("test/", "val/")) for key in BASELINES)
    score = _finite_or_inf(rows.get(kept, {}), f"val/{SCORE}")
    return 1 - score / baseline if 0 < baseline < math.inf else math.nan


def _finite_or_inf(record: dict[str, Any], key: str) -> float:
    """Return a record's value, inf where there is none: older runs lack some, and null stands for nan and inf."""
    value = record.get(key)
    return math.inf if value is None or not math.isfinite(value) else value


def _test(sweep: SweepDirectory, winner: Row) -> FinalScore | None:
    try:
        records = [RunDirectory(sweep.path / job.directory).read_metrics() for job in winner.counted]
    except (OSError, Refused):
        return None
    once = [next((row for row in rows if "epoch" not in row), {}) for rows in records]
    scores = [_finite_or_inf(row, f"test/{SCORE}") for row in once]
    means = ((_mean(_finite_or_inf(row, key) for row in once), name) for key, name in BASELINES.items())
    best, name = min(((mean, name) for mean, name in means if mean is not None), default=(math.nan, ""))
    score = _mean(scores)
    return None if score is None else FinalScore(score, half_width(scores), name, best)


def write_csv(board: Leaderboard, path: Path) -> None:
    """Write all rows, numbers in full: what is read again is the same to the last bit."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    seeds = ["interval_95", "seeds"] if board.has_seeds else []
    writer.writerow(["rank", *board.keys, "objective", *seeds, "skill", "seconds", "state", "reason", "trials"])
    for row in board.rows:
        spread = [row.interval, row.num_finished] if board.has_seeds else []
        trials = " ".join(map(str, row.trials))  # no range: spreadsheets take one for a date
        numbers = [row.objective, *spread, row.skill, row.seconds]
        writer.writerow([row.rank, *row.varied.values(), *numbers, row.state, row.reason, trials])
    write_atomically(path, buffer.getvalue().encode())


def show(board: Leaderboard, sweep: SweepDirectory, most: int = 20, took: float | None = None) -> None:
    """Print a leaderboard: as a table on a terminal, else in plain lines. The arguments are those of `text`."""
    from rich.console import Console

    if not sys.stdout.isatty():
        return terminal.say(text(board, sweep, most, took))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        console = Console(highlight=False)
        console.print(render(board, sweep, most, took, console.width))
    except OSError:
        terminal.say("")  # which knows what to do when nobody listens


def text(board: Leaderboard, sweep: SweepDirectory, most: int = 20, took: float | None = None) -> str:
    """Return a leaderboard in plain lines, as wide as need be.

    Args:
        board: The leaderboard.
        sweep: Where it comes from.
        most: How many ranked rows are shown, and how many others.
        took: Seconds from the sweep's start to its end, if known.
    """
    columns = []
    for title, side, cells in _columns(board, _shown(board, most)):
        width = max(map(len, [title, *cells]))
        columns.append([f"{cell:{side}{width}}" for cell in [title, *cells]])
    table = ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]
    return "\n".join([f"sweep {sweep.id}", *table, *(line for line, _ in _remarks(board, sweep, most, took))])


def render(
    board: Leaderboard, sweep: SweepDirectory, most: int = 20, took: float | None = None, width: int = ROOMY
) -> "Group":
    """Return what rich shows on a terminal of so many columns. The other arguments are those of `text`."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = _shown(board, most)
    table = Table(title=f"sweep {sweep.id}", title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 1, 0, 0)
    columns = [column for column in _columns(board, rows) if width >= ROOMY or column[0] not in LEFT_OUT]
    for title, side, cells in columns:
        least = min(max(map(len, cells), default=0), 12)  # so that no short word is broken
        justify = "left" if side == "<" else "right"
        table.add_column(Text(title), justify=justify, no_wrap=side == ">", min_width=least)
    for row, *cells in zip(rows, *(cells for _, _, cells in columns), strict=True):
        *others, state = map(Text, cells)  # not strings, in which [64,32] would be a style
        state.stylize(STYLES.get(row.state, "cyan"))
        table.add_row(*others, state, style="bold" if row is board.winner else "")
    return Group(table, *(Text(line, style) for line, style in _remarks(board, sweep, most, took)))


def summary(board: Leaderboard, took: float | None = None) -> str:
    """Say in a line how the jobs ended."""
    total, states = board.counts.total(), [f"{board.counts[state]} {state}" for state in STATES if board.counts[state]]
    return f"{total} job{'s' * (total != 1)}: {', '.join(states)}" + ("" if took is None else f" in {_duration(took)}")


def _titles(board: Leaderboard) -> list[str]:
    seeds = ["± 95%", "seeds"] if board.has_seeds else []
    return ["rank", "trial", *board.keys, "objective", *seeds, "skill", "seconds", "state"]


def _columns(board: Leaderboard, rows: list[Row]) -> Iterator[tuple[str, str, list[str]]]:
    """Return titles, the side to which cells are moved (numbers to the right), and cells."""
    for title, *cells in zip(_titles(board), *(_cells(board, row) for row in rows), strict=True):
        yield title, "<" if title == "state" or title in board.keys else ">", cells


def _cells(board: Leaderboard, row: Row) -> list[str]:
    seeds = [_number(row.interval), f"{row.num_finished}/{len(row.counted)}"] if board.has_seeds else []
    chosen = [_short(value) for value in row.varied.values()]
    ends = [_number(row.objective), *seeds, _percent(row.skill), f"{row.seconds:.1f}", row.state]
    return [str(row.rank or ""), _listed(row.trials), *chosen, *ends]


def _shown(board: Leaderboard, most: int) -> list[Row]:
    ranked = [row for row in board.rows if row.complete]
    return ranked[:most] + board.rows[len(ranked) :][:most]


def _remarks(board: Leaderboard, sweep: SweepDirectory, most: int, took: float | None) -> Iterator[tuple[str, str]]:
    """Return the lines under the table, each with its style."""
    if hidden := len(board.rows) - len(_shown(board, most)):
        yield f"… {hidden} more in {terminal.relative(sweep.leaderboard)}", "dim"
    yield from _failures(board)
    yield from _praise(board)
    yield summary(board, took), ""


def _failures(board: Leaderboard) -> Iterator[tuple[str, str]]:
    """Name all jobs that failed or diverged, those of one reason together."""
    groups: dict[tuple[str, str], dict[int, str]] = {}
    for row in board.rows:
        for job in row.jobs:
            if job.state in ("failed", "diverged"):
                groups.setdefault((job.state, _one_line(job.reason)), {})[job.number] = _what(row, job)
    for (state, reason), members in groups.items():
        where = f"trials {_listed(sorted(members))}"
        if len(members) == 1:
            where = "trial {} ({})".format(*members.popitem())
        yield f"{state}: {where}{': ' * bool(reason)}{reason}", STYLES[state]


def _what(row: Row, job: Trial) -> str:
    seed = [_seed(job)] if len(row.jobs) > 1 else []
    return " ".join([*(f"{key}={value}" for key, value in row.varied.items()), *seed]) or "nothing varied"


def _praise(board: Leaderboard) -> Iterator[tuple[str, str]]:
    """Say which configuration is best, and what it is worth."""
    if (best := board.winner) is None:
        return
    overrides = _without_seed(best.jobs[0]) if board.has_seeds else best.jobs[0].overrides
    yield f"best: {without_password(' '.join(overrides)) or 'the defaults'}", "bold green"
    skill = "" if best.skill is None else f", skill {_percent(best.skill)}"
    yield f"  objective {_number(best.objective, best.interval)}{skill}", ""
    if test := board.test:
        baseline = f"; best baseline: {test.baseline}, {_number(test.baseline_score)}" if test.baseline else ""
        yield f"  test, closed loop, scaled MSE {_number(test.score, test.interval)}{baseline}", ""


def _number(value: float | None, interval: float | None = None) -> str:
    spread = "" if interval is None else f" ± {interval:.2e}"
    return "" if value is None else f"{value:.2e}{spread}"


def _percent(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if value > -10 else "< -999%"  # where a baseline is exact, as on pure waves


def _short(value: Value) -> str:
    """Write a value that a person typed as it is, and what a sampler drew with four digits."""
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else str(value)


def _listed(numbers: list[int]) -> str:
    """Write ascending numbers, those in a row as a range: 0-3, 7."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _one_line(reason: str) -> str:
    """Return a reason without secrets, line ends and escape codes; these would break a table."""
    printable = "".join(letter if letter.isprintable() else " " for letter in reason)
    return " ".join(without_password(printable).split())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{seconds:.1f} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
