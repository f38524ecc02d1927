"""`wavesweep summary`: the leaderboard of a sweep."""

from wavesweep.cli.arguments import read_place
from wavesweep.leaderboard.finding import open_sweep
from wavesweep.leaderboard.ranking import rank
from wavesweep.leaderboard.table import show


def run(arguments: list[str]) -> int:
    """Show a sweep's leaderboard, of a sweep that runs too; return the exit code."""
    place, _ = read_place("summary", [text for text in arguments if text != "--test"])
    sweep = open_sweep(place or "latest")
    show(rank(sweep, tests="--test" in arguments), sweep)
    return 0
