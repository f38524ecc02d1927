"""Running a stored run again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.errors import Pruned, Refused
from wavesweep.config.config import Config, with_runtime
from wavesweep.config.overrides import overrides_of
from wavesweep.config.replicates import config_hash
from wavesweep.config.tag_names import CONFIG_HASH, CONFIGURATION, REPRODUCES
from wavesweep.experiment.description import origin_name
from wavesweep.experiment.preparation import Prepared, prepare
from wavesweep.reproduction.comparison import compare
from wavesweep.reproduction.report import verdict
from wavesweep.reproduction.stored import StoredRun, from_directory
from wavesweep.runs.execute import Execution, Observer, execute
from wavesweep.tracking.follower_handle import Follower
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

if TYPE_CHECKING:
    from wavesweep.experiment.events import Event


def check_rtol(rtol: float) -> None:
    """Refuse what can't be a greatest relative difference."""
    if not isinstance(rtol, Real) or not 0 <= rtol < 1:
        got = f"{rtol:g}" if isinstance(rtol, Real) else f"{rtol!s:.40}"
        raise Refused(f"rtol must be from 0 to 1, got {got}; leave it out to compare every bit")


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


def prepare_again(stored: StoredRun, local: Config, keys: Collection[str], follower: Follower) -> Prepared:
    """Prepare a stored configuration, tracked as configured here and now.

    Args:
        stored: The run.
        local: What is configured here and now.
        keys: Those of its values of `runtime` that take the place of the stored ones, by dotted key.
        follower: Will deliver the new run.

    Raises:
        Refused: If it can't be run here, or recorded nothing: equality would mean nothing then.
    """
    if not stored.records:
        raise Refused(f"{stored.place} recorded nothing to compare with; run its config.yaml, or vary it")
    config, composed = (
        with_runtime(one, local.runtime, keys).model_copy(update={"tracking": local.tracking})
        for one in (stored.config, stored.composed)
    )
    return replace(prepare(config, follower.require), composed=composed)


@dataclass(frozen=True)
class StopAt:
    """Gives a run up at an epoch.

    Attributes:
        epoch: Which.
    """

    epoch: int

    def on(self, event: "Event") -> None:
        """See `Observer.on`."""
        from wavesweep.experiment.events import Recorded

        if isinstance(event, Recorded) and event.epoch == self.epoch:
            raise Pruned


def run_again(
    stored: StoredRun, prepared: Prepared, directory: RunDirectory, follower: Follower, observers: Sequence[Observer]
) -> Execution:
    """Run a stored configuration again as a new run; where the stored one was pruned, stop at the same epoch.

    Args:
        stored: The run.
        prepared: What `prepare_again` gave.
        directory: Of the new run; it exists.
        follower: Delivers it.
        observers: See `execute`.

    Raises:
        Refused: If the directory holds another run.
        Interrupted: If a signal came; the new run can be resumed.
    """
    if stored.status == "pruned":
        observers = [*observers, StopAt(max(stored.records, default=0))]
    overrides, _ = overrides_of(prepared.composed)
    name, tags = f"again {origin_name(stored.place)}", {REPRODUCES: stored.place}
    if CONFIGURATION in stored.tags and stored.tags.get(CONFIG_HASH) == config_hash(prepared.composed):
        tags[CONFIGURATION] = stored.tags[CONFIGURATION]
    info = RunInfo(overrides, stored.choices, sweep_id=None, name=name, tags=tags)
    return execute(prepared, directory, info, follower, observers)
