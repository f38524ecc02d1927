"""The leaderboard as a table and as CSV."""

import csv
import html
import io
import math
import re
import sys
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any, TextIO

from wavesweep.base import terminal
from wavesweep.base.errors import Refused, relative
from wavesweep.base.redaction import without_password
from wavesweep.leaderboard.ranking import Leaderboard, Row, shown_number, states, without_seed
from wavesweep.runs.directory import RunDirectory
from wavesweep.search.space import Value
from wavesweep.search.trials import Trial
from wavesweep.sweeps.store import SweepDirectory

MOST, MOST_IN_MLFLOW = 20, 10  # rows that are shown, here and there, whose notes are short; all are in the CSV
MOST_LINKED = 3  # trials of a row
PICTURES = ("heat_map", "parallel_coordinates", "history")  # of which the first that is there says most
TITLES = {"trials": "trial", "interval_95": "± 95%"}  # in the table, where they differ from the CSV's
STYLES = {"finished": "green", "failed": "red", "diverged": "yellow", "pruned": "magenta"}


def _cells(board: Leaderboard, row: Row) -> list[tuple[str, Any, str]]:
    """Return a row's titles, values for the CSV, and how the table shows them; the last is for the CSV alone."""
    done, seconds = row.num_finished, math.fsum(trial.seconds for trial in row.trials)
    reason = "; ".join(dict.fromkeys(_one_line(trial.reason) for trial in row.trials if trial.reason))
    # Spreadsheets take a range for a date.
    first = [("rank", row.rank, str(row.rank or "")), ("trials", " ".join(map(str, row.numbers)), _listed(row.numbers))]
    scores = [("objective", row.objective, shown_number(row.objective)), ("skill", row.skill, _percent(row.skill))]
    if any(other.test is not None for other in board.rows):
        scores.append(("test", row.test, shown_number(row.test)))
    if board.has_seeds:
        scores[1:1] = [
            ("interval_95", row.interval, shown_number(row.interval)),
            ("seeds", done, f"{done}/{len(row.trials)}"),
        ]
    last = [("seconds", seconds, f"{seconds:.1f}"), ("state", row.state, row.state), ("reason", reason, "")]
    return [*first, *((key, value, _short(value)) for key, value in row.varied.items()), *scores, *last]


def to_csv(board: Leaderboard) -> str:
    """Return all rows as CSV, numbers in full: what is read again is the same to the last bit."""
    buffer, rows = io.StringIO(), [_cells(board, row) for row in board.rows]
    titles = [title for title, _, _ in rows[0]] if rows else []
    csv.writer(buffer, lineterminator="\n").writerows([titles, *([value for _, value, _ in row] for row in rows)])
    return buffer.getvalue()


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


def to_markdown(board: Leaderboard, sweep: SweepDirectory) -> str:
    """Return the best rows, whose trials lead to their runs, a picture, and the lines under the table, the best first.

    `run:KEY` and `artifact:PATH` stand for the addresses of a run and of an artifact, which delivery knows.
    """
    rows = [[cell for cell in _cells(board, row) if cell[0] != "reason"] for row in board.rows[:MOST_IN_MLFLOW]]
    titles = [TITLES.get(title, title) for title, _, _ in rows[0]] if rows else []
    lines = [titles, ["---"] * len(titles)]
    for row, cells in zip(board.rows, rows, strict=False):
        more = [f"… {len(row.trials) - MOST_LINKED} more"] * (len(row.trials) > MOST_LINKED)
        links = {"trials": " ".join([*(_link(sweep, trial) for trial in row.trials[:MOST_LINKED]), *more])}
        lines.append([links.get(title, _plain(shown)) for title, _, shown in cells])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    failures = islice(_failures(board), MOST_IN_MLFLOW)
    remarks = [*_left_out(board, sweep, MOST_IN_MLFLOW), *_found(board), *failures]
    drawn = [name for name in PICTURES if (sweep.plots / f"{name}.png").exists()][:1]
    pictures = [f"![{name.replace('_', ' ')}](artifact:{sweep.plots.name}/{name}.png)" for name in drawn]
    return "\n\n".join([table, *pictures, *(_plain(line.strip()) for line, _ in remarks)])


def _plain(text: str) -> str:
    """Return a text such that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(text, quote=False))


def _link(sweep: SweepDirectory, trial: Trial) -> str:
    try:
        return f"[{trial.number}](run:{RunDirectory(sweep.path / trial.directory).read_info().run_key})"
    except (OSError, Refused):  # not begun, or gone
        return str(trial.number)


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
    remarks = [*_left_out(board, sweep, MOST), *_failures(board), *_found(board)]
    console.print(Text(f"sweep {sweep.id}", "bold"), table, *(Text(*line) for line in remarks), sep="\n")


def _left_out(board: Leaderboard, sweep: SweepDirectory, num_shown: int) -> Iterator[tuple[str, str]]:
    """Return the line that says how many rows are not shown, if any, with its style."""
    if len(board.rows) > num_shown:
        yield f"… {len(board.rows) - num_shown} more in {relative(sweep.leaderboard)}", "dim"


def _failures(board: Leaderboard) -> Iterator[tuple[str, str]]:
    """Return a line for each reason for which trials did not end well, with its style."""
    failures: dict[tuple[str, str], dict[int, str]] = {}  # those of one reason stand together
    pairs = [(row, trial) for row in board.rows for trial in row.trials if trial.state in ("failed", "diverged")]
    for row, trial in pairs:
        seed = {*trial.overrides} - {*without_seed(trial)}
        what = " ".join([*(f"{key}={one}" for key, one in row.varied.items()), *seed]) or "nothing varied"
        failures.setdefault((trial.state, _one_line(trial.reason)), {})[trial.number] = what
    for (state, reason), trials in failures.items():
        which = f"trials {_listed(sorted(trials))}" if len(trials) > 1 else "trial {} ({})".format(*trials.popitem())
        yield f"{state}: {which}{': ' * bool(reason)}{reason}", STYLES[state]


def _found(board: Leaderboard) -> Iterator[tuple[str, str]]:
    """Return the lines on the best configuration and on all jobs, each with its style."""
    if best := board.winner:
        overrides = without_seed(best.trials[0]) if board.has_seeds else best.trials[0].overrides
        yield f"best: {' '.join(overrides) or 'as given'}", "bold green"
        skill = "" if best.skill is None else f", skill {_percent(best.skill)}"
        yield f"  objective {shown_number(best.objective, best.interval)}{skill}", ""
        yield from [(f"  {board.test}", "")] if board.test else []
    yield f"{board.counts.total()} job{'s' * (board.counts.total() != 1)}: {states(board.counts)}", ""


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
