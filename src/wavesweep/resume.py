"""`wavesweep resume`: finishes what was interrupted."""

USAGE = """Finishes a run that was interrupted or failed: to the last bit as if nothing had happened.

usage: wavesweep resume [RUN_DIR | latest] [tracking.KEY=VALUE...]

  wavesweep resume                              the run below outputs/ that was begun last and has not ended
  wavesweep resume outputs/runs/RUN             this one

A run that has ended well is delivered to MLflow, if it is not there yet."""


def run(arguments: list[str]) -> int:
    """Go on with a run from its checkpoint; return the exit code."""
    from wavesweep.compose import compose_words, read_place

    place, overrides = read_place("resume", arguments)
    from wavesweep.resumption import find, finish

    local = compose_words(list(overrides.values()))
    directory = find(place or "latest", local)
    return finish(directory, local, overrides) if directory else 0
