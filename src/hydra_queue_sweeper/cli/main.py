"""The entrypoint of `hydra-queue`."""

import sys
from argparse import REMAINDER, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT

from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.base.redaction import without_password
from hydra_queue_sweeper.base.terminal import say
from hydra_queue_sweeper.sweeps.store import SweepDirectory

REFUSED = 2
EXAMPLES = """
  hydra-queue summary multirun/2026-12-01/12-00-00
  hydra-queue summary SWEEP --csv > leaderboard.csv
  hydra-queue watch SWEEP                             its live view, from anywhere; Ctrl-C ends the view alone
  hydra-queue stop SWEEP                              its workers end in order
  hydra-queue work SWEEP python train.py              one worker more
  hydra-queue plots SWEEP                             pictures, into its plots/
  hydra-queue export SWEEP study.log                  a journal, which optuna-dashboard opens
  hydra-queue export SWEEP sqlite:///study.db
"""


def main() -> None:
    """Run a command, and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        given.carry_out(_find(Path(given.sweep)), given)
    except (Refused, OSError) as error:
        print(f"hydra-queue: {without_password(in_one_line(error))}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:  # of a view
        return 128 + SIGINT
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "hydra-queue",
        description="Looks at a sweep of hydra/sweeper=queue, of any Hydra program, while it runs too.",
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str, carry_out: Callable[[SweepDirectory, Namespace], None]) -> ArgumentParser:
        command = commands.add_parser(name, help=text, allow_abbrev=False)
        command.add_argument("sweep", metavar="SWEEP", help="the sweep's directory")
        command.set_defaults(carry_out=carry_out)
        return command

    summary = add("summary", "its leaderboard", _sum_up)
    summary.add_argument("--csv", action="store_true", help="all rows as CSV, numbers in full")
    add("watch", "its live view", _watch)
    add("stop", "end its workers in order", _stop)
    work = add("work", "be one worker more", _work)
    work.add_argument("program", metavar="PROGRAM", nargs=REMAINDER, help="that began it, as it is called")
    add("plots", "its pictures, and what its objective depends on", _plot)
    export = add("export", "an Optuna study of it", _export)
    export.add_argument("to", metavar="TO", help="a file, for a journal, or the address of a database: sqlite:///FILE")
    export.add_argument("--name", help="of the study; else that of the directory")
    return parser


def _find(place: Path) -> SweepDirectory:
    """Return the sweep that a place names.

    Raises:
        Refused: If it holds none.
    """
    sweep = SweepDirectory(place)
    if not sweep.plan.exists():
        raise Refused(f"{place} must be the directory of a sweep, but holds no {sweep.plan.name}; name hydra.sweep.dir")
    return sweep


def _sum_up(sweep: SweepDirectory, given: Namespace) -> None:
    from hydra_queue_sweeper.leaderboard.columns import show, to_csv
    from hydra_queue_sweeper.leaderboard.ranking import rank

    board = rank(sweep)
    if given.csv:
        print(to_csv(board), end="")
    else:
        show(board)


def _watch(sweep: SweepDirectory, _: Namespace) -> None:
    from hydra_queue_sweeper.cli.watching import watch

    watch(sweep)


def _stop(sweep: SweepDirectory, _: Namespace) -> None:
    from hydra_queue_sweeper.cli.watching import stop

    stop(sweep)


def _work(sweep: SweepDirectory, given: Namespace) -> None:
    from hydra_queue_sweeper.cli.watching import work

    work(sweep, given.program)


def _plot(sweep: SweepDirectory, _: Namespace) -> None:
    from hydra_queue_sweeper.cli.plots import plot

    plot(sweep)


def _export(sweep: SweepDirectory, given: Namespace) -> None:
    from hydra_queue_sweeper.cli.export import export

    count = export(sweep, given.to, given.name or sweep.id)
    say(f"{count} trials are in the study {given.name or sweep.id} of {given.to}")
