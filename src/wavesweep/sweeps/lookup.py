"""Finds sweeps that stand on disk."""

from pathlib import Path

from wavesweep.refusals import Refused
from wavesweep.rundir import read_info
from wavesweep.sweeps.store import SweepDirectory

SWEEPS = Path("outputs/sweeps")


def find_sweep(place: str) -> SweepDirectory | None:
    """Return the sweep that a path, an id or `latest` names; None if there is none."""
    if place == "latest":
        return max(all_sweeps(), key=began, default=None)
    found = (SweepDirectory(path) for path in (Path(place), SWEEPS / place))
    return next((sweep for sweep in found if sweep.plan.exists()), None)


def all_sweeps(place: Path = SWEEPS) -> list[SweepDirectory]:
    """Return the sweeps in a folder."""
    return [SweepDirectory(plan.parent) for plan in sorted(place.glob("*/sweep.json"))]


def began(sweep: SweepDirectory) -> int:
    """Return when a sweep began, in milliseconds since 1970; 0 where that can't be read."""
    try:
        return read_info(sweep.parent).started
    except (OSError, Refused):
        return 0


def is_open(sweep: SweepDirectory) -> bool:
    """Say whether something is left to do: a trial that has not ended, or has failed."""
    plan = sweep.read_plan()
    trials = sweep.read_trials(plan)
    return len(trials) < plan.n_trials or any(not trial.ended or trial.state == "failed" for trial in trials)
