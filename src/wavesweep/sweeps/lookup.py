"""Finds sweeps that stand on disk."""

from pathlib import Path

from wavesweep.stored import find_sweeps
from wavesweep.sweeps.store import SweepDirectory


def find_sweep(place: str) -> SweepDirectory | None:
    """Return the sweep that a path, an id or `latest` names; None if there is none."""
    if SweepDirectory(Path(place)).plan.exists():
        return SweepDirectory(Path(place))
    found = [sweep for sweep in all_sweeps() if place in ("latest", sweep.id)]
    return max(found, key=began, default=None)


def all_sweeps() -> list[SweepDirectory]:
    """Return the sweeps below outputs/."""
    outputs = Path("outputs")
    return [SweepDirectory(path) for path in find_sweeps(outputs)] if outputs.is_dir() else []


def began(sweep: SweepDirectory) -> float:
    """Return when a sweep's plan was written, in milliseconds since 1970."""
    return sweep.plan.stat().st_mtime * 1000


def is_open(sweep: SweepDirectory) -> bool:
    """Say whether something is left to do: a trial that has not ended, or has failed."""
    plan = sweep.read_plan()
    trials = sweep.read_trials(plan)
    return len(trials) < plan.n_trials or any(not trial.ended or trial.state == "failed" for trial in trials)
