"""`wavesweep sync`: what the tracking server missed."""

from pathlib import Path

from wavesweep.base.exit_codes import UNTRACKED
from wavesweep.base.terminal import say
from wavesweep.cli.arguments import read_place
from wavesweep.config.composing import compose
from wavesweep.runs.finding import find_runs
from wavesweep.tracking.sync import MISSING, deliver_all


def run(arguments: list[str]) -> int:
    """Deliver the runs at or below a place, and say how many of them are where; return the exit code."""
    place, overrides = read_place("sync", arguments)
    runs = find_runs(Path(place or "outputs"))
    counts = deliver_all(runs, compose(*overrides.values()), overrides)
    say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no runs there")
    return UNTRACKED if counts[MISSING] else 0
