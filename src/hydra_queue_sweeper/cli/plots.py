"""The pictures of a sweep, and what its objective depends on."""

import sys
from importlib.util import find_spec

from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.base.terminal import say
from hydra_queue_sweeper.leaderboard.columns import AS_WIDE_AS_NEED_BE
from hydra_queue_sweeper.leaderboard.ranking import Program, rank
from hydra_queue_sweeper.sweeps.store import SweepDirectory

NEEDED = {"matplotlib": "matplotlib", "sklearn": "scikit-learn"}
"""Modules, each with the package that brings it."""


def plot(sweep: SweepDirectory) -> None:
    """Draw a sweep's pictures into its directory; print which files these are, and what the objective depends on.

    Raises:
        Refused: If what draws is not installed, or a link stands where a picture would be written.
    """
    if missing := [package for module, package in NEEDED.items() if find_spec(module) is None]:
        raise Refused(f"pictures need {' and '.join(missing)}; pip install 'hydra-queue-sweeper[plots]'")
    from hydra_queue_sweeper.charts.pictures import compared, draw, shares

    sweep.check_plain()
    board = rank(sweep, Program(metric=sweep.read_plan().objective or "objective"))
    written = draw(board)
    if not written:
        say(f"there is nothing to draw of {relative(sweep.path)} yet: no job has run to its end")
        return
    for path in written:
        say(str(relative(path)))
    names = {one.name for one in board.dimensions}
    others = dict.fromkeys(key for row in board.rows for key in row.varied if key not in names)
    if others:
        say(f"left out, since not all jobs draw it from the same range: {', '.join(others)}")
    if known := shares(board):
        _show(known, f"share of the variance of {compared(board)}")


def _show(known: dict[str, float], title: str) -> None:
    """Print shares by key."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("key", overflow="fold")
    table.add_column("share", justify="right", no_wrap=True)
    for key, share in known.items():
        table.add_row(Text(key), f"{share:.1%}")
    width = None if sys.stdout.isatty() else AS_WIDE_AS_NEED_BE
    Console(highlight=False, width=width).print(Text(title), table, sep="\n")
