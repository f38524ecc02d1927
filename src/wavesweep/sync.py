"""`wavesweep sync`: delivers to MLflow what stands on disk and is not there yet."""

from pathlib import Path

from wavesweep.compose import compose_words, read_place
from wavesweep.deliveries import MISSING, deliver_all
from wavesweep.exit_codes import UNTRACKED
from wavesweep.stored import find_runs
from wavesweep.terminal import say


def run(arguments: list[str]) -> int:
    """Deliver all runs at and below a path; return the exit code."""
    place, overrides = read_place("sync", arguments)
    runs = find_runs(Path(place or "outputs"))
    counts = deliver_all(runs, compose_words(list(overrides.values())), overrides)
    say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no runs there")
    return UNTRACKED if counts[MISSING] else 0
