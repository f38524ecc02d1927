"""Delivering runs that stand on disk, each to the store that its configuration names."""

from collections import Counter
from collections.abc import Collection, Sequence

from wavesweep.base.errors import InUse, Refused, in_one_line
from wavesweep.base.terminal import log, track
from wavesweep.config.config import Config, Tracking
from wavesweep.tracking.answers import reason
from wavesweep.tracking.delivery import LeftAlone, deliver, is_delivered
from wavesweep.tracking.store import reach, require
from wavesweep.workspace.configurations import read_config
from wavesweep.workspace.directory import Directory
from wavesweep.workspace.index import recorded_below
from wavesweep.workspace.layout import OUTPUTS

MISSING = "not delivered"


def deliver_all(runs: Sequence[Directory], local: Config, keys: Collection[str]) -> Counter[str]:
    """Deliver runs and sweeps; mark those whose process has vanished; say what is missing.

    A store that can't be reached is not tried again for each further run.

    Args:
        runs: Which.
        local: What is configured here and now.
        keys: Those of its values that take the place of the stored ones.

    Returns:
        How many runs there are in each state.
    """
    counts: Counter[str] = Counter()
    reachable: dict[tuple[str, str], bool | None] = {}
    for directory in track(list(runs), "delivering"):
        try:
            directory.read_info()  # a lock would be a file in what isn't ours
            with directory.locked():
                directory.mark_vanished()
                if directory.read_info().complete:
                    directory.remove_leftovers()
                counts[_deliver(directory, read_config(directory, local, keys).tracking, reachable)] += 1
        except InUse:
            counts["running"] += 1
        except (Refused, OSError) as error:
            log.warning(in_one_line(error))
            counts[MISSING] += 1
    return counts


def deliver_vanished(local: Config) -> None:
    """Mark runs and sweeps below outputs/ whose process has vanished KILLED, there and in the store that each names."""
    deliver_all([run for run in recorded_below(OUTPUTS) if seems_to_run(run)], local, [])


def seems_to_run(directory: Directory) -> bool:
    """Say whether a run is marked as running, though its process may have vanished; one that can't be read is not."""
    try:
        return directory.read_info().status == "running"
    except (Refused, OSError):  # sync says what is wrong
        return False


def _deliver(directory: Directory, tracking: Tracking, reachable: dict[tuple[str, str], bool | None]) -> str:
    """Deliver one run, whose lock is held; return the state that it is in then.

    Raises:
        Refused: If its store can't be used, at the first try.
    """
    store = tracking.uri, tracking.experiment
    if reachable.get(store) is None:
        ask = require if store in reachable else reach  # the latter writes nothing, and need not where all is there
        reachable[store] = False
        ask(tracking)  # which may say no
        reachable[store] = True
    if not reachable[store]:
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
        reachable[store] = None  # ask again before the next run
        return MISSING
    return "delivered"
