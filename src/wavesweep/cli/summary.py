"""`wavesweep summary`: the leaderboard of a sweep."""

from hydra_queue_sweeper.leaderboard.columns import show
from wavesweep.cli.arguments import read_place
from wavesweep.leaderboard.ranking import rank
from wavesweep.workspace.index import LATEST, find_sweep


def run(arguments: list[str]) -> int:
    """Show a sweep's leaderboard, of a sweep that runs too; return the exit code."""
    place, _ = read_place("summary", [text for text in arguments if text != "--test"])
    show(rank(find_sweep(place or LATEST).sweep, tests="--test" in arguments))
    return 0
