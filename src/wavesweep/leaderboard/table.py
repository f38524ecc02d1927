"""The leaderboard as a table: for the terminal, a pipe, MLflow, and as CSV."""

import csv
import html
import io
import re
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from wavesweep.base.errors import Refused
from wavesweep.base.keys import last_parts
from wavesweep.base.terminal import say
from wavesweep.leaderboard import words
from wavesweep.leaderboard.ranking import Leaderboard, Row
from wavesweep.runs.directory import RunDirectory
from wavesweep.search.trials import Trial
from wavesweep.sweeps.store import SweepDirectory

if TYPE_CHECKING:
    from rich.table import Table

MOST, MOST_IN_MLFLOW = 20, 10  # rows that are shown, here and there, whose notes are short; all are in the CSV
MOST_LINKED = 3  # trials of a row
PICTURES = ("heat_map", "slices", "history")  # of which the first that is there says most
FOLDED = (24, 12)  # characters to which values and states are folded where a terminal is narrow


class Column(NamedTuple):
    """A column of the table that people see.

    Attributes:
        title: Above it.
        cells: From the top.
        is_key: Whether it holds the values of a dimension.
    """

    title: str
    cells: list[str]
    is_key: bool = False


def to_csv(board: Leaderboard) -> str:
    """Return all rows as CSV, numbers in full: what is read again is the same to the last bit."""
    buffer, rows = io.StringIO(), [_record(board, row) for row in board.rows]
    titles = [title for title, _ in rows[0]] if rows else []
    csv.writer(buffer, lineterminator="\n").writerows([titles, *([value for _, value in row] for row in rows)])
    return buffer.getvalue()


def _record(board: Leaderboard, row: Row) -> list[tuple[str, Any]]:
    """Return titles and values of a row of the CSV."""
    numbers = " ".join(map(str, row.numbers))  # spreadsheets take a range for a date
    scores = [("objective", row.objective)]
    if board.has_seeds:
        name = "ratio" if board.logarithmic else "difference"
        scores += zip(("low_95", "high_95"), row.interval or (None, None), strict=True)
        scores += zip((name, f"{name}_low", f"{name}_high"), row.ratio or (None, None, None), strict=True)
        scores.append(("seeds", len(row.finished)))
    scores.append(("skill", row.skill))
    if _has_tests(board):
        scores.append(("test", row.test and row.test.own.value))
    reason = "; ".join(dict.fromkeys(words.one_line(trial.reason) for trial in row.trials if trial.reason))
    last = [("seconds", row.seconds), ("state", row.state), ("reason", reason)]
    return [("rank", row.rank), ("trials", numbers), *row.varied.items(), *scores, *last]


def _has_tests(board: Leaderboard) -> bool:
    return any(row.test for row in board.rows[1:])


def _columns(board: Leaderboard, rows: list[Row]) -> list[Column]:
    """Return the columns that people see of some rows; one in which nothing stands is left out."""
    tests = [row.test.own if row.test and _has_tests(board) else None for row in rows]
    marks = ["≈ " * (row.alike and words.compares(board)) for row in rows]
    columns = [
        Column("rank", [f"{mark}{row.rank or ''}" for mark, row in zip(marks, rows, strict=True)]),
        Column("trial", [words.listed(row.numbers) for row in rows]),
        *(Column(key, [words.short(row.varied[key]) for row in rows], is_key=True) for key in rows[0].varied),
        Column("objective", [words.number(row.objective) for row in rows]),
        Column("95% interval", [words.interval(*row.interval or (None, None)) for row in rows]),
        Column("vs best", [words.compared(board, row.ratio) * board.has_seeds for row in rows]),
        Column("seeds", [f"{len(row.finished)}/{row.num_seeds}" * board.has_seeds for row in rows]),
        Column("skill", [words.percent(row.skill) for row in rows]),
        Column("test", list(map(words.estimated, tests))),
        Column("seconds", [f"{row.seconds:.1f}" for row in rows]),
        Column("state", [row.state for row in rows]),
    ]
    return [column for column in columns if any(column.cells)]


def show(board: Leaderboard, sweep: SweepDirectory) -> None:
    """Print a leaderboard: in colour and as wide as the terminal, if there is one."""
    if sys.stdout.isatty():
        _print(board, sweep)
    else:
        say(text(board, sweep))


def text(board: Leaderboard, sweep: SweepDirectory) -> str:
    """Return a leaderboard in plain lines, as wide as need be."""
    buffer = io.StringIO()
    _print(board, sweep, buffer)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def to_markdown(board: Leaderboard, sweep: SweepDirectory) -> str:
    """Return the best rows, whose trials lead to their runs, a picture, and the lines under the table, the best first.

    `run:KEY` and `artifact:PATH` stand for the addresses of a run and of an artifact, which delivery knows.
    """
    rows = board.rows[:MOST_IN_MLFLOW]
    columns = _columns(board, rows) if rows else []
    links = [_links(sweep, row.trials) for row in rows]
    cells = [links if one.title == "trial" else list(map(_plain, one.cells)) for one in columns]
    lines = [[_plain(one.title) for one in columns], ["---"] * len(columns), *zip(*cells, strict=True)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    remarks = [*words.left_out(board, sweep, MOST_IN_MLFLOW), *words.marks(board), *words.found(board, sweep)]
    remarks += islice(words.failures(board), MOST_IN_MLFLOW)
    drawn = [name for name in PICTURES if (sweep.plots / f"{name}.png").exists()][:1]
    pictures = [f"![{name.replace('_', ' ')}](artifact:{sweep.plots.name}/{name}.png)" for name in drawn]
    return "\n\n".join([_plain(words.heading(board)), table, *pictures, *(_plain(line.strip()) for line, _ in remarks)])


def _plain(text: str) -> str:
    """Return a text such that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(text, quote=False))


def _links(sweep: SweepDirectory, trials: list[Trial]) -> str:
    """Return links to the first of a row's trials."""
    more = [f"… {len(trials) - MOST_LINKED} more"] * (len(trials) > MOST_LINKED)
    return " ".join([*(_link(sweep, trial) for trial in trials[:MOST_LINKED]), *more])


def _link(sweep: SweepDirectory, trial: Trial) -> str:
    try:
        return f"[{trial.number}](run:{RunDirectory(sweep.path / trial.directory).read_info().run_key})"
    except (OSError, Refused):  # not begun, or gone
        return str(trial.number)


def _print(board: Leaderboard, sweep: SweepDirectory, file: TextIO | None = None) -> None:
    """Print title, table, and the lines around it: to a terminal, or plainly to a file."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, width=10_000 if file else None, color_system=None if file else "auto", highlight=False)
    rows = board.rows[:MOST]
    columns = _columns(board, rows) if rows else []
    table = _drawn(board, columns, None, plain=True) if file else _fitted(board, columns, console.width)
    begin = [Text(f"sweep {sweep.id}", "bold"), Text(words.heading(board))]
    remarks = [*words.left_out(board, sweep, MOST), *words.marks(board), *words.failures(board)]
    remarks += [*words.found(board, sweep), *words.files(sweep)]
    console.print(*begin, table, *(Text(*line) for line in remarks), sep="\n")


def _fitted(board: Leaderboard, columns: list[Column], width: int) -> "Table":
    """Return the table for a terminal: where that is narrow, with short keys, and without what is least needed."""
    from rich.console import Console

    keys = last_parts([one.title for one in columns if one.is_key])
    brief = [one._replace(title=keys[one.title]) if one.is_key else one for one in columns]
    told = ["state"] * all(row.state == "finished" for row in board.rows)
    dropped = ["seconds", "trial", *told, "skill", "seeds", "95% interval", "vs best", "test"]
    fewer = [[one for one in brief if one.is_key or one.title not in dropped[:n]] for n in range(len(dropped) + 1)]
    attempts = [(columns, None), (brief, None), *((some, FOLDED[0]) for some in fewer), (fewer[-1], FOLDED[1])]
    tables = (_drawn(board, some, folded) for some, folded in attempts)
    wide = Console(width=10_000)
    return next((table for table in tables if wide.measure(table).maximum <= width), _drawn(board, *attempts[-1]))


def _drawn(board: Leaderboard, columns: list[Column], folded: int | None, *, plain: bool = False) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    box, gap = (None, 2) if plain else (SIMPLE_HEAD, 1)
    table = Table(box=box, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))
    for title, _, is_key in columns:
        left = is_key or title == "state"
        most = max(folded, len(title)) if folded and left else None
        justify = "left" if left else "right"
        table.add_column(Text(title), justify=justify, overflow="fold", max_width=most, no_wrap=not most)
    for row, *cells in zip(board.rows, *(one.cells for one in columns), strict=False):
        styles = [words.STYLES.get(row.state, "cyan") * (one.title == "state") for one in columns]
        shown = map(Text, cells, styles)  # not strings, in which [64,32] would be a style
        table.add_row(*shown, style="bold" if row is board.winner else "")
    return table
