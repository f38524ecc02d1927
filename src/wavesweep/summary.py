"""`wavesweep summary`: the leaderboard of a sweep, again."""

USAGE = """Shows the leaderboard of a sweep, while it runs too.

usage: wavesweep summary [SWEEP_ID | DIRECTORY | latest] [--test]

  wavesweep summary                             the sweep that was begun last
  wavesweep summary outputs/sweeps/SWEEP        this one

--test shows the test scores of all configurations, not the winner's alone; they play no part in the order."""

TEST = "--test"


def run(arguments: list[str]) -> int:
    """Show a leaderboard; return the exit code."""
    from wavesweep.compose import read_place
    from wavesweep.refusals import Refused

    place, _ = read_place("summary", [text for text in arguments if text != TEST])
    from wavesweep.sweeps.leaderboard import rank, show
    from wavesweep.sweeps.lookup import find_sweep

    sweep = find_sweep(place or "latest")
    if sweep is None:
        raise Refused(
            f"{place or 'outputs/sweeps'} must be a sweep's directory or id, but holds no sweep.json; name another"
        )
    show(rank(sweep, tests=TEST in arguments), sweep)
    return 0
