"""`wavesweep sync`: delivers to MLflow what stands on disk and is not there yet."""

from pathlib import Path

from wavesweep.exit_codes import UNTRACKED

USAGE = """Delivers what the tracking server missed; what is there already stays as it is.

usage: wavesweep sync [PATH] [tracking.KEY=VALUE...]

  wavesweep sync                                all runs below outputs, each to the store that it was meant for
  wavesweep sync outputs/runs/RUN               one run
  wavesweep sync tracking.uri=http://HOST       to another store

A run whose process has vanished is marked KILLED; one that runs is left alone."""


def run(arguments: list[str]) -> int:
    """Deliver all runs at and below a path; return the exit code."""
    from wavesweep.compose import compose_words, read_place

    place, overrides = read_place("sync", arguments)
    from wavesweep.deliveries import MISSING, deliver_all
    from wavesweep.stored import find_runs
    from wavesweep.terminal import say

    runs = find_runs(Path(place or "outputs"))
    counts = deliver_all(runs, compose_words(list(overrides.values())), overrides)
    say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no runs there")
    return UNTRACKED if counts[MISSING] else 0
