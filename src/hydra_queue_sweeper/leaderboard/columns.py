"""The leaderboard as a table: for the terminal, a pipe, and as CSV."""

import csv
import io
import shlex
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra_queue_sweeper.base.errors import relative
from hydra_queue_sweeper.base.keys import last_parts
from hydra_queue_sweeper.base.terminal import say
from hydra_queue_sweeper.leaderboard import numbers, words
from hydra_queue_sweeper.leaderboard.ranking import Leaderboard, Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MOST = 20  # rows that are shown; all are in the CSV
FOLDED = 24  # characters to which values and states are folded on a terminal
AS_WIDE_AS_NEED_BE = 10_000  # columns


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
    rows = [_record(board, row) for row in board.rows]
    titles = [title for title, _ in rows[0]] if rows else []
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([titles, *([value for _, value in row] for row in rows)])
    return buffer.getvalue()


def _record(board: Leaderboard, row: Row) -> list[tuple[str, Any]]:
    """Return titles and values of a row of the CSV."""
    trials = " ".join(map(str, row.numbers))  # spreadsheets take a range for a date
    value, low, high = board.as_returned(row.mean) or (None, None, None)
    record = [("rank", row.rank), ("trials", trials), *_values(board, row), ("objective", value)]
    if board.has_seeds:
        record += [("low_95", low), ("high_95", high)]
        name = "ratio" if board.logarithmic else "difference"
        value, low, high = board.compared(row) or (None, None, None)
        record += [(name, value), (f"{name}_low", low), (f"{name}_high", high)]
        record.append(("seeds", len(row.finished)))
    record += row.beside.values.items()
    reasons = dict.fromkeys(words.one_line(trial.reason) for trial in row.trials if trial.reason)
    return [*record, ("seconds", row.seconds), ("state", row.state), ("reason", "; ".join(reasons))]


def _keys(board: Leaderboard) -> list[str]:
    """Return the keys in which configurations differ; some may not have them all."""
    return [*dict.fromkeys(key for row in board.rows for key in row.varied)]


def _values(board: Leaderboard, row: Row) -> list[tuple[str, Any]]:
    """Return the keys in which configurations differ, with a row's values."""
    return [(key, row.varied.get(key)) for key in _keys(board)]


def _columns(board: Leaderboard) -> list[Column]:
    """Return the columns that people see of the first rows; one in which nothing stands is left out."""
    rows = board.rows[:MOST]
    if not rows:
        return []
    marks = ["≈ " if row.alike and board.tells_apart else "" for row in rows]
    means = [board.as_returned(row.mean) for row in rows]
    ratios = [board.compared(row) for row in rows]
    columns = [
        Column("rank", [f"{mark}{row.rank or ''}" for mark, row in zip(marks, rows, strict=True)]),
        Column("trial", [numbers.listed(row.numbers) for row in rows]),
        *(Column(key, [numbers.short(row.varied.get(key, "")) for row in rows], is_key=True) for key in _keys(board)),
        Column("objective", [numbers.error(mean and mean.value) for mean in means]),
        Column("95% interval", [numbers.interval(mean) for mean in means]),
        Column("vs best", [numbers.compared(one, logarithmic=board.logarithmic) for one in ratios]),
        Column("seeds", [f"{len(row.finished)}/{row.num_seeds}" for row in rows]),
        *(Column(title, [row.beside.cells.get(title, "") for row in rows]) for title in _beside(board)),
        Column("seconds", [f"{row.seconds:.1f}" for row in rows]),
        Column("state", [row.state for row in rows]),
    ]
    hidden: set[str] = set()
    if not board.has_seeds:
        hidden = {"seeds"} if board.tells_apart else {"seeds", "vs best"}
    return [one for one in columns if any(one.cells) and (one.is_key or one.title not in hidden)]


def _beside(board: Leaderboard) -> list[str]:
    """Return the titles of what the program knows besides."""
    return [*dict.fromkeys(title for row in board.rows for title in row.beside.cells)]


def show(board: Leaderboard) -> None:
    """Print a leaderboard: in colour and as wide as the terminal, if there is one."""
    if not sys.stdout.isatty():
        say(text(board))
        return
    from rich.console import Console

    console = Console(highlight=False)
    _print(board, console, _fitted(board, console))


def text(board: Leaderboard) -> str:
    """Return a leaderboard in plain lines, as wide as need be."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(file=buffer, width=AS_WIDE_AS_NEED_BE, color_system=None, highlight=False)
    _print(board, console, _drawn(board, _columns(board)))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _print(board: Leaderboard, console: "Console", table: "Table") -> None:
    """Print title and table, and the lines around it."""
    from rich.text import Text

    begin = [Text(f"sweep {board.sweep.id}", "bold"), Text(words.heading(board))]
    remarks = [*words.marks(board), *words.failures(board)]
    if len(board.rows) > MOST:
        remarks.insert(0, (f"… {len(board.rows) - MOST} more in {relative(board.sweep.leaderboard)}", "dim"))
    if best := board.winner:
        first = best.trials[0]
        overrides = first.configuration if board.has_seeds else first.overrides
        remarks.append((f"best: {shlex.join(overrides) or 'as given'}", "bold green"))
    remarks += [(line, "") for line in words.found(board)]
    if board.sweep.leaderboard.exists():
        there = f"pictures: {relative(board.sweep.plots)}, table: {relative(board.sweep.leaderboard)}"
        remarks.append((there, "dim"))
    console.print(*begin, table, *(Text(*line) for line in remarks), sep="\n")


def _fitted(board: Leaderboard, console: "Console") -> "Table":
    """Return the table for a terminal: with short keys, and without what is needed least where it is too narrow."""
    columns = _columns(board)
    keys = last_parts([one.title for one in columns if one.is_key])
    columns = [one._replace(title=keys[one.title]) if one.is_key else one for one in columns]
    least_needed = ["seconds", "trial", *_beside(board), "seeds", "95% interval", "vs best"]
    if all(row.state == "finished" for row in board.rows):
        least_needed.insert(2, "state")
    room = console.options.update(max_width=AS_WIDE_AS_NEED_BE)
    table = _drawn(board, columns, FOLDED)
    for title in least_needed:
        if console.measure(table, options=room).maximum <= console.width:
            break
        columns = [one for one in columns if one.is_key or one.title != title]
        table = _drawn(board, columns, FOLDED)
    return table


def _drawn(board: Leaderboard, columns: list[Column], folded: int | None = None) -> "Table":
    """Return the table of some columns, texts folded to so many characters."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for one in columns:
        if one.is_key or one.title == "state":
            table.add_column(Text(one.title), overflow="fold", max_width=folded)
        else:
            table.add_column(Text(one.title), justify="right", no_wrap=True)
    for row, *cells in zip(board.rows, *(one.cells for one in columns), strict=False):
        colour = words.STYLES.get(row.state, "cyan")
        styles = [colour if one.title == "state" else "" for one in columns]
        shown = map(Text, cells, styles)  # not strings, in which [64,32] would be a style
        table.add_row(*shown, style="bold" if row is board.winner else "")
    return table
