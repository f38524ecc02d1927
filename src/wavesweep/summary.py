"""`wavesweep summary`: the leaderboard of a sweep, again."""

from wavesweep.compose import read_place
from wavesweep.refusals import Refused
from wavesweep.stored import find_sweep
from wavesweep.sweeps.leaderboard import rank, show

TEST = "--test"


def run(arguments: list[str]) -> int:
    """Show a leaderboard; return the exit code."""
    place, _ = read_place("summary", [text for text in arguments if text != TEST])
    sweep = find_sweep(place or "latest")
    if sweep is None:
        raise Refused(
            f"{place or 'outputs/sweeps'} must be a sweep's directory or id, but holds no sweep.json; name another"
        )
    show(rank(sweep, tests=TEST in arguments), sweep)
    return 0
