"""Finding sweeps that stand on disk."""

from pathlib import Path

from wavesweep.base.errors import Refused
from wavesweep.base.files import SWEEP
from wavesweep.runs.finding import folders
from wavesweep.sweeps.store import SweepDirectory


def find_sweep(place: str) -> SweepDirectory | None:
    """Return the sweep that a path names or, of those below outputs/, an id or `latest`; None if there is none."""
    if (sweep := SweepDirectory(Path(place))).plan.exists():
        return sweep
    sweeps = [SweepDirectory(folder) for folder, files in folders(Path("outputs")) if SWEEP in files]
    named = [sweep for sweep in sweeps if place.rstrip("/") in ("latest", sweep.id)]
    return max(named, key=lambda sweep: sweep.plan.stat().st_mtime, default=None)


def open_sweep(place: str) -> SweepDirectory:
    """Return the sweep that a place names, as `find_sweep` does.

    Raises:
        Refused: If there is none.
    """
    if sweep := find_sweep(place):
        return sweep
    named = "outputs/sweeps" if place == "latest" else place
    raise Refused(f"{named} must be a sweep's directory or id, but holds no sweep.json; name another")
