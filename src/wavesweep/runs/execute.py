"""Carrying a run out: an experiment in a directory, observed by all that write, draw, show and judge it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, TypeVar

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Pruned, Refused, relative
from hydra_queue_sweeper.base.files import MOST_BYTES, write_atomically, write_yaml
from hydra_queue_sweeper.base.signals import Interrupted
from wavesweep.base.exit_codes import DIVERGED, UNTRACKED
from wavesweep.base.streams import log
from wavesweep.config import tag_names as names
from wavesweep.config.config import Resolved, digest, dump
from wavesweep.config.device import UNTRIED
from wavesweep.config.replicates import config_hash
from wavesweep.data.data import describe
from wavesweep.experiment.description import configuration, description
from wavesweep.experiment.preparation import Prepared
from wavesweep.files.copies import give_copy_to
from wavesweep.runs.drawer_handle import Drawer
from wavesweep.runs.fingerprints import environment, local_changes
from wavesweep.runs.model import save_model
from wavesweep.tracking.follower_handle import Delivered, Follower
from wavesweep.workspace.configurations import check_unchanged
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo, Status

if TYPE_CHECKING:
    from wavesweep.experiment.checkpoint import Checkpoint
    from wavesweep.experiment.events import Event
    from wavesweep.experiment.result import Result

ENDINGS: dict[type[BaseException], Status] = dict.fromkeys((Interrupted, GeneratorExit, KeyboardInterrupt), "killed")
RESUMED = "; resumed on "
TOO_LARGE = b"The patch is larger than 1 MB.\n"
SECONDS_TO_WAIT = 5.0  # of a sweep's job for its directory
T = TypeVar("T")


class Observer(Protocol):
    """Is told of each event of an experiment, in their order."""

    def on(self, event: "Event") -> None:
        """Take an event; raise `Pruned` to give the run up."""


@dataclass(frozen=True)
class Outcome:
    """The end of a run.

    Attributes:
        result: What it gave; None where it was given up.
        delivered: What is known of its copies.
    """

    result: "Result | None"
    delivered: Delivered

    @property
    def code(self) -> int:
        """The exit code, 0 if all is good."""
        if self.result and self.result.diverged:
            return DIVERGED
        return 0 if self.delivered.complete else UNTRACKED


Execution = Generator["Event", None, Outcome]
"""A run that goes on: yields each event once it was observed, and returns its outcome."""


def execute(
    prepared: Prepared,
    directory: RunDirectory,
    info: RunInfo,
    follower: Follower,
    observers: Sequence[Observer] = (),
    drawer: Drawer | None = None,
) -> Execution:
    """Run a prepared configuration in its directory.

    Args:
        prepared: What it begins with.
        directory: Of the run; it exists. Configuration and run.json are written before anything else.
        info: What is known of the run before it starts.
        follower: Delivers it.
        observers: Are told of each event, after those that write.
        drawer: Draws its pictures; None: one of its own.

    Raises:
        Refused: If the directory holds another run.
        Interrupted: If a signal came; the run can be resumed.
    """
    with _making_ready(drawer) as draws, signals.deferred(), directory.locked():
        if directory.exists():
            raise Refused(f"{directory.path} holds a run already; choose another directory")
        info = _start(prepared, directory, info)
        return (yield from _carry_out(prepared, directory, info, None, follower, observers, draws))


def continue_or_execute(
    prepared: Prepared,
    directory: RunDirectory,
    info: RunInfo,
    follower: Follower,
    observers: Sequence[Observer],
    drawer: Drawer,
) -> float:
    """Run a job of a sweep in its directory: from where it stopped, if it was begun; one that has ended is not run.

    Returns:
        Its objective: nan where it diverged.

    Raises:
        Pruned: If it was given up.
        Interrupted: If a signal came.
        Refused: If it was begun otherwise.
    """
    if not directory.exists():
        return _objective(to_the_end(execute(prepared, directory, info, follower, observers, drawer)))
    with directory.locked(SECONDS_TO_WAIT):
        if directory.read_config() | {"tracking": None} != dump(prepared.config) | {"tracking": None}:
            place = relative(directory.path)
            raise Refused(f"{place} holds another job's run; let hydra.sweep.subdir tell jobs apart")
        check_unchanged(directory)
        info = directory.read_info()
        if not info.complete:
            return _objective(to_the_end(proceed(prepared, directory, follower, observers, drawer)))
        directory.remove_leftovers()
        follower.deliver_rest(directory.path)
    if info.status == "pruned":
        raise Pruned
    return directory.read_objective()


def _objective(outcome: Outcome) -> float:
    if outcome.result is None:
        raise Pruned
    return outcome.result.objective


def proceed(
    prepared: Prepared,
    directory: RunDirectory,
    follower: Follower,
    observers: Sequence[Observer] = (),
    drawer: Drawer | None = None,
) -> Execution:
    """Go on with a run that was interrupted or failed, from its checkpoint; whoever calls holds its lock.

    Args:
        prepared: What the run stored, unchanged since it began, prepared again.
        directory: Of the run.
        follower: Delivers it.
        observers: Are told of each event, after those that write.
        drawer: See `execute`.

    Raises:
        Refused: If the data, or the checkpoint's format, is not what it was.
        Interrupted: If a signal came; the run can be resumed.
    """
    with _making_ready(drawer) as draws:
        directory.remove_parts()
        info, checkpoint = _taken_up(prepared, directory)
        with signals.deferred():
            return (yield from _carry_out(prepared, directory, info, checkpoint, follower, observers, draws))


def _taken_up(prepared: Prepared, directory: RunDirectory) -> "tuple[RunInfo, Checkpoint | None]":
    """Return what is known of a run that goes on, and what it goes on from."""
    from wavesweep.runs.checkpoints import load_checkpoint

    info = directory.read_info()
    then, now = ([part["digest"] for part in parts] for parts in (info.inputs, describe(prepared.data)))
    if then and then != now:
        raise Refused(f"{directory.path} was begun on other data ({', '.join(then)}), got {', '.join(now)}; start anew")
    tags = dict(info.tags)
    checkpoint = load_checkpoint(directory)
    begun = tags.get(names.VERSIONS, "unknown versions")
    if (here := environment()[names.VERSIONS]) != begun.rpartition(RESUMED)[2]:
        log.warning("the run was begun on %s and goes on on %s", begun, here)
        tags[names.VERSIONS] = begun + RESUMED + here
    return replace(info, status="running", ended=None, tags=tags), checkpoint


def to_the_end(events: Generator["Event", None, T]) -> T:
    """Let a run go on to its end; return its outcome."""
    while True:
        try:
            next(events)
        except StopIteration as ended:
            return ended.value


@contextmanager
def _making_ready(drawer: Drawer | None) -> Iterator[Drawer]:
    """Start what draws, and import what computes, while a signal still ends the program at once."""
    with nullcontext(drawer) if drawer else Drawer() as draws:
        draws.start()
        warm_up()
        yield draws


def warm_up() -> None:
    """Import what each job needs."""
    import wavesweep.experiment.experiment  # noqa: F401


def _start(prepared: Prepared, directory: RunDirectory, info: RunInfo) -> RunInfo:
    """Write the configuration; return what is known of the run now."""
    values, own_name = dump(prepared.config), prepared.config.tracking.run_name
    if own_name is None:  # or the same configuration would stand in other words where it is run again
        del values["tracking"]["run_name"]
    # An option of the user's own may be of a kind of ours.
    common = {"name": info.choices.get("dataset", prepared.config.dataset.kind), "source": values["dataset"]}
    named = {names.CONFIG_HASH: config_hash(prepared.composed), names.CONFIGURATION: configuration(info)}
    if file := prepared.config.dataset.file:
        give_copy_to(directory.data, *file)
    write_yaml(directory.config, values)
    write_yaml(directory.composed, dump(prepared.composed))
    if patch := (local_changes() or "").encode(errors="surrogateescape"):
        write_atomically(directory.changes, patch if len(patch) <= MOST_BYTES else TOO_LARGE)
    return replace(
        info,
        name=(not info.sweep_id and own_name) or info.name,
        tags={**named, **environment(), **info.tags},
        config_digest=digest(values),
        inputs=[common | part for part in describe(prepared.data)],
    )


def _carry_out(
    prepared: Prepared,
    directory: RunDirectory,
    info: RunInfo,
    checkpoint: "Checkpoint | None",
    follower: Follower,
    observers: Sequence[Observer],
    drawer: Drawer,
) -> Execution:
    """Run an experiment, record how it ends, however it does, and have that delivered."""
    if prepared.config.runtime.device.startswith("cuda"):
        log.warning(UNTRIED)
    directory.write_info(info)
    follower.follow(directory.path)
    result = None
    try:
        result = yield from _observe(prepared, directory, info, checkpoint, observers, drawer)
    except BaseException as error:
        with suppress(Exception):  # what is written here fails with what failed before
            if not directory.read_info().complete:  # else whoever takes the events has left off at the last one
                directory.write_info(info.finished(ENDINGS.get(type(error), "failed"), ""))
        raise
    finally:
        delivered = follower.deliver_rest(directory.path)
    if not delivered.complete:
        signals.check()
    return Outcome(result, delivered)


def _observe(
    prepared: Prepared,
    directory: RunDirectory,
    info: RunInfo,
    checkpoint: "Checkpoint | None",
    observers: Sequence[Observer],
    drawer: Drawer,
) -> Generator["Event", None, "Result | None"]:
    """Let the observers of an experiment see each event before it is yielded; return what it gave, if it ended."""
    from wavesweep.experiment.events import Finished
    from wavesweep.experiment.experiment import experiment
    from wavesweep.runs.checkpoints import Checkpoints
    from wavesweep.runs.pictures import Pictures
    from wavesweep.runs.records import Records

    config, result = prepared.config, None
    records, pictures = Records(directory), Pictures(directory, config, drawer)
    everyone = [records, pictures, *observers, Checkpoints(directory)]
    pictures.take_up()
    try:
        for event in experiment(config, prepared.data, checkpoint):
            for observer in everyone:
                observer.on(event)
            if isinstance(event, Finished):
                result = event.result
                save_model(directory, config, prepared.data, config.model.forecasts_by(result.epoch))
                drawer.finish_run(pictures.number)
                directory.write_info(_ended(config, directory, info, result))
                directory.remove_leftovers()
            yield event
    except Pruned:
        records.write_costs()
        pictures.give_up()
        drawer.finish_run(pictures.number)
        directory.write_info(info.finished("pruned", ""))
        directory.remove_leftovers()
    return result


def _ended(config: Resolved, directory: RunDirectory, info: RunInfo, result: "Result") -> RunInfo:
    """Return what is known of a run that has ended well, or diverged."""
    weights = sha256(directory.weights.read_bytes()).hexdigest()
    kept = {names.KEPT_EPOCH: str(result.epoch), names.FORECASTS_BY: config.model.forecasts_by(result.epoch)}
    tags = info.tags | kept | {names.WEIGHTS_DIGEST: weights}
    status: Status = "diverged" if result.diverged else "finished"
    return replace(info, tags=tags).finished(status, description(config, result))
