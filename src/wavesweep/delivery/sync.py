"""Delivering runs that stand on disk, each to those that its configuration names."""

from collections import Counter
from collections.abc import Collection, Sequence

from hydra_queue_sweeper.base.errors import InUse, Refused, in_one_line
from hydra_queue_sweeper.base.terminal import track
from wavesweep.base.streams import log
from wavesweep.config.config import Config, Tracking
from wavesweep.delivery.delivery import SECONDS_TO_WAIT, Delivery
from wavesweep.workspace.configurations import read_config
from wavesweep.workspace.directory import Directory
from wavesweep.workspace.index import recorded_below
from wavesweep.workspace.places import OUTPUTS

MISSING = "not delivered"


def deliver_all(
    runs: Sequence[Directory], local: Config, keys: Collection[str], *, trust: bool = False
) -> Counter[str]:
    """Deliver runs and sweeps; mark those whose process has vanished; say what is missing.

    A tracker that can't be reached is not tried again for each further run.

    Args:
        runs: Which.
        local: What is configured here and now.
        keys: Those of its values that take the place of the stored ones.
        trust: Whether servers that runs name may be sent passwords that are for another.

    Returns:
        How many runs there are in each state.
    """
    counts: Counter[str] = Counter()
    deliveries: dict[str, Delivery | None] = {}
    for directory in track(list(runs), "delivering"):
        try:
            directory.read_info()  # a lock would be a file in what isn't ours
            with directory.locked():
                directory.mark_vanished()
                if directory.read_info().complete:
                    directory.remove_leftovers()
                tracking = read_config(directory, local, keys, trust=trust).tracking
                counts[_deliver(directory, tracking, deliveries)] += 1
        except InUse:
            counts["running"] += 1
        except (Refused, OSError) as error:
            log.warning(in_one_line(error))
            counts[MISSING] += 1
    return counts


def deliver_vanished(local: Config) -> None:
    """Mark runs and sweeps below outputs/ whose process has vanished KILLED, there and in the copies of each."""
    deliver_all([run for run in recorded_below(OUTPUTS) if seems_to_run(run)], local, [])


def seems_to_run(directory: Directory) -> bool:
    """Say whether a run is marked as running, though its process may have vanished; one that can't be read is not."""
    try:
        return directory.read_info().status == "running"
    except (Refused, OSError):  # sync says what is wrong
        return False


def _deliver(directory: Directory, tracking: Tracking, deliveries: dict[str, Delivery | None]) -> str:
    """Deliver one run, whose lock is held; return the state that it is in then.

    Args:
        directory: Of the run.
        tracking: Of the run.
        deliveries: To all that have been named before, None where one can't be reached; brought up to date.
    """
    where = tracking.model_dump_json(include={"followers", "uri", "experiment", "tags"})
    if where not in deliveries:
        deliveries[where] = Delivery(tracking)
    delivery = deliveries[where]
    if delivery is None or not delivery.can_go_on():
        deliveries[where] = None
        return MISSING
    try:
        outcome = delivery.deliver(directory, SECONDS_TO_WAIT, unless_complete=True)
    except InUse as error:
        log.warning(str(error))
        return MISSING
    for called, why in outcome.problems.items():
        log.warning("%s: %s has not taken the %s: %s", directory.path, called, directory.what, why)
    for called, why in outcome.left_alone.items():
        log.warning("%s: %s is left alone: %s", directory.path, called, why)
    if outcome.problems:
        return MISSING
    if outcome.left_alone:
        return "left alone"
    return "delivered" if outcome.ids else "up to date"
