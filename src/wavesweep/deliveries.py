"""Delivers runs that stand on disk, each to the store that it was meant for."""

import logging
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from filelock import Timeout

from wavesweep.config import Config, Tracking, dump, flatten, parse
from wavesweep.failures import in_one_line
from wavesweep.refusals import Refused
from wavesweep.rundir import RunDirectory, read_info, write_info
from wavesweep.stored import find_runs, find_sweeps, known_address, read_config
from wavesweep.sweeps.store import Busy, SweepDirectory
from wavesweep.terminal import track
from wavesweep.tracking import LeftAlone, deliver, deliver_parent, has_all, is_delivered, reason, require

log = logging.getLogger("wavesweep")

MISSING = "not delivered"
TRACKING = {name: f"tracking.{name}" for name in ("uri", "experiment", "required")}


def deliver_all(runs: list[RunDirectory], local: Config, keys: Collection[str]) -> Counter[str]:
    """Deliver runs; mark those whose process has vanished; say what can't be delivered, and why.

    A store that can't be reached is not tried again for each further run.

    Args:
        runs: Which.
        local: What is configured here and now.
        keys: Those of its values that take the place of the stored ones.

    Returns:
        How many runs there are in each state.
    """
    counts: Counter[str] = Counter()
    reachable: dict[Tracking, bool] = {}
    for directory in track(runs, "delivering"):
        try:
            with directory.lock():
                directory.mark_vanished()
                if directory.read_info().complete:
                    directory.remove_leftovers()
                counts[_deliver(directory, read_config(directory, local, keys).tracking, reachable)] += 1
        except Timeout:
            counts["running"] += 1
        except (Refused, OSError) as error:
            log.warning(in_one_line(error))
            counts[MISSING] += 1
    return counts


def deliver_sweeps(places: list[Path], local: Config, keys: Collection[str]) -> Counter[str]:
    """Deliver sweeps, the parents of runs; mark those whose process has vanished. For the arguments see `deliver_all`.

    Returns:
        How many sweeps there are in each state.
    """
    counts: Counter[str] = Counter()
    for sweep in map(SweepDirectory, places):
        try:
            with sweep.locked():
                counts[_deliver_sweep(sweep, local, keys)] += 1
        except Busy:
            counts["running"] += 1
        except (Refused, OSError) as error:
            log.warning(in_one_line(error))
            counts[MISSING] += 1
    return counts


def _deliver_sweep(sweep: SweepDirectory, local: Config, keys: Collection[str]) -> str:
    """Deliver a sweep whose lock is held; return the state that it is in then."""
    tracking = read_tracking(sweep, local, keys)
    if not sweep.parent.exists():
        return "not begun"
    info = read_info(sweep.parent)
    if info.status == "running":
        info = info.finished("killed", info.description)
        write_info(sweep.parent, info)
    try:
        if has_all(info, tracking):
            return "up to date"
        deliver_parent(sweep.path, tracking)
    except LeftAlone as error:
        log.warning("%s: %s", sweep.path, error)
        return "left alone"
    except Exception as error:
        log.warning("%s: MLflow has not taken the sweep: %s", sweep.path, reason(error, tracking))
        return MISSING
    return "delivered"


def read_tracking(sweep: SweepDirectory, local: Config, keys: Collection[str]) -> Tracking:
    """Read where a sweep is tracked; values of `local` take the place of the stored ones, if their keys are named.

    Raises:
        Refused: If it can't be used, or hides a password that is not known here.
    """
    stored, now = sweep.read_plan().local, flatten(dump(local))
    values = {name: now[key] if key in keys else stored.get(key) for name, key in TRACKING.items()}
    if "${" in str(values):
        raise Refused(f"{sweep.plan} must hold plain values, got ${{…}}; write the value itself")
    if "***" in str(values["uri"]):
        values["uri"] = known_address(str(values["uri"]), sweep.plan, local)
    return parse(dump(local) | {"tracking": values}).tracking


def deliver_vanished(local: Config) -> None:
    """Mark runs and sweeps below outputs/ whose process has vanished KILLED, there and in the store that each names."""
    outputs = Path("outputs")
    if outputs.is_dir():
        deliver_all([run for run in find_runs(outputs) if _vanished(run)], local, [])
        deliver_sweeps([sweep for sweep in find_sweeps(outputs) if _counts_as_running(sweep)], local, [])


def _counts_as_running(sweep: Path) -> bool:
    try:
        return read_info(SweepDirectory(sweep).parent).status == "running"
    except (Refused, OSError):
        return False


def _vanished(directory: RunDirectory) -> bool:
    try:
        return directory.vanished()
    except (Refused, OSError):  # sync says so
        return False


def _deliver(directory: RunDirectory, tracking: Tracking, reachable: dict[Tracking, bool]) -> str:
    """Deliver one run, whose lock is held; return the state that it is in then."""
    if tracking not in reachable:
        reachable[tracking] = _is_reachable(tracking)
    if not reachable[tracking]:
        return MISSING
    try:
        if is_delivered(directory, tracking):
            directory.undelivered.unlink(missing_ok=True)
            return "up to date"
        deliver(directory, tracking)
    except LeftAlone as error:
        log.warning("%s: %s", directory.path, error)
        return "left alone"
    except Exception as error:
        log.warning("%s: MLflow has not taken the run: %s", directory.path, reason(error, tracking))
        del reachable[tracking]  # ask again before the next run
        return MISSING
    return "delivered"


def _is_reachable(tracking: Tracking) -> bool:
    try:
        require(tracking)
    except Refused as error:
        log.warning("%s", error)
        return False
    return True
