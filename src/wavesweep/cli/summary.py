"""`wavesweep summary`: the leaderboard of a sweep."""

from wavesweep.base.errors import Refused
from wavesweep.cli.arguments import read_place
from wavesweep.leaderboard.ranking import rank
from wavesweep.leaderboard.table import show
from wavesweep.workspace.index import LATEST, find_sweep


def run(arguments: list[str]) -> int:
    """Show a sweep's leaderboard, of a sweep that runs too; return the exit code."""
    place, overrides = read_place("summary", [text for text in arguments if text != "--test"], more=("",))
    for text in overrides.values():
        raise Refused(f"summary takes no overrides, got {text}; leave it out")
    show(rank(find_sweep(place or LATEST).sweep, tests="--test" in arguments))
    return 0
