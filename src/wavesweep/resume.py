"""`wavesweep resume`: finishes what was interrupted."""

USAGE = """Finishes a run or a sweep that was interrupted or failed: to the last bit as if nothing had happened.

usage: wavesweep resume [RUN_DIR | SWEEP_ID | latest] [--force] [tracking.KEY=VALUE...]

  wavesweep resume                              what was begun last below outputs/ and has not ended
  wavesweep resume outputs/runs/RUN             this run
  wavesweep resume SWEEP                        this sweep: what has finished stays, what has failed runs again

--force goes on with a sweep although code or data have changed. A sweep takes hydra.sweeper.n_workers, hydra/launcher
and hydra.launcher.* too. A run that has ended well is delivered to MLflow, if it is not there yet."""

FORCE = "--force"
LAUNCHING = ("hydra/launcher", "hydra.launcher.", "hydra.sweeper.n_workers")


def run(arguments: list[str]) -> int:
    """Go on with a run or a sweep; return the exit code."""
    from wavesweep.compose import compose_words, read_place

    place, overrides = read_place("resume", [text for text in arguments if text != FORCE], LAUNCHING)
    from wavesweep.resumption import find, finish, finish_sweep
    from wavesweep.rundir import RunDirectory

    launching = [text for key, text in overrides.items() if key.startswith("hydra")]
    own = {key: text for key, text in overrides.items() if not key.startswith("hydra")}
    local = compose_words(list(own.values()))
    found = find(place or "latest", local)
    if found is None:
        return 0
    if isinstance(found, RunDirectory):
        return finish(found, local, own)
    return finish_sweep(found, local, own, launching, force=FORCE in arguments)
