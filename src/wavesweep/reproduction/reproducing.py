"""Running a stored run again."""

from collections.abc import Collection
from dataclasses import replace

from wavesweep.base.errors import Pruned, Refused
from wavesweep.config.config import Config, with_runtime
from wavesweep.config.overrides import overrides_of
from wavesweep.config.replicates import config_hash
from wavesweep.config.tag_names import CONFIG_HASH, CONFIGURATION, REPRODUCES
from wavesweep.reproduction.comparison import compare
from wavesweep.reproduction.report import verdict
from wavesweep.reproduction.stored import StoredRun, from_directory
from wavesweep.runs.description import origin_name
from wavesweep.runs.preparation import Prepared
from wavesweep.runs.progress import Listener
from wavesweep.runs.result import Result
from wavesweep.tracking.tracked_run import Outcome, execute, prepare_alone
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo


def check_rtol(rtol: float) -> None:
    """Refuse what can't be a greatest relative difference."""
    if not 0 <= rtol < 1:
        raise Refused(f"rtol must be from 0 to 1, got {rtol:g}; leave it out to compare every bit")


def conclude(stored: StoredRun, directory: RunDirectory, rtol: float) -> tuple[bool, str]:
    """Say whether a run equals the stored one that it repeats, and how they compare, in words.

    Args:
        stored: The run that was there before.
        directory: Of the new one, which has ended.
        rtol: Greatest relative difference of metrics; 0: none.
    """
    again = from_directory(directory)
    comparison = compare(stored, again, rtol)
    return comparison.equal, verdict(stored, again, comparison, rtol)


def prepare_again(stored: StoredRun, local: Config, keys: Collection[str]) -> Prepared:
    """Prepare a stored configuration, tracked as configured here and now.

    Args:
        stored: The run.
        local: What is configured here and now.
        keys: Those of its values of `runtime` that take the place of the stored ones, by dotted key.

    Raises:
        Refused: If it can't be run here, or recorded nothing: equality would mean nothing then.
    """
    if not stored.records:
        raise Refused(f"{stored.place} recorded nothing to compare with; run its config.yaml, or vary it")
    config, composed = (
        with_runtime(one, local.runtime, keys).model_copy(update={"tracking": local.tracking})
        for one in (stored.config, stored.composed)
    )
    return replace(prepare_alone(config), composed=composed)


def run_again(stored: StoredRun, prepared: Prepared, directory: RunDirectory, listen: Listener) -> Outcome:
    """Run a stored configuration again as a new run; where the stored one was pruned, stop at the same epoch.

    Args:
        stored: The run.
        prepared: What `prepare_again` gave.
        directory: Of the new run; it exists.
        listen: Is told of each record.

    Raises:
        Refused: If the directory holds another run.
        Interrupted: If a signal came; the new run can be resumed.
    """
    last = max(stored.records, default=0) if stored.status == "pruned" else 0

    def listen_and_stop(epoch: int, metrics: dict[str, float], epochs: int) -> None:
        listen(epoch, metrics, epochs)
        if epoch == last:
            raise Pruned

    overrides, _ = overrides_of(prepared.composed)
    name, tags = f"again {origin_name(stored.place)}", {REPRODUCES: stored.place}
    if CONFIGURATION in stored.tags and stored.tags.get(CONFIG_HASH) == config_hash(prepared.composed):
        tags[CONFIGURATION] = stored.tags[CONFIGURATION]
    info = RunInfo(overrides, stored.choices, sweep_id=None, name=name, tags=tags)
    try:
        return execute(prepared, directory, info, listen_and_stop)
    except Pruned:
        return Outcome(Result(False, float("nan"), 0), None, tracked=not directory.undelivered.exists())
