"""One job from configuration to delivered record, as the command line and a sweep's workers run it."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from wavesweep.base import signals
from wavesweep.base.errors import Pruned, Refused, relative
from wavesweep.base.exit_codes import DIVERGED, UNTRACKED
from wavesweep.base.files import MOST_BYTES, write_atomically, write_yaml
from wavesweep.base.signals import Interrupted
from wavesweep.base.terminal import log
from wavesweep.config import tag_names as names
from wavesweep.config.config import Config, digest, dump
from wavesweep.config.replicates import config_hash
from wavesweep.data.data import describe
from wavesweep.files.copies import give_copy_to
from wavesweep.runs.description import configuration, description
from wavesweep.runs.fingerprints import environment, local_changes
from wavesweep.runs.preparation import Prepared, prepare
from wavesweep.runs.progress import Listener
from wavesweep.tracking.courier import Courier, Patience
from wavesweep.tracking.model import save_model
from wavesweep.tracking.store import import_mlflow, require
from wavesweep.workspace.configurations import check_unchanged
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo, Status

if TYPE_CHECKING:
    from wavesweep.runs.checkpoint import Checkpoint
    from wavesweep.runs.result import Result

ENDINGS: dict[type[BaseException], Status] = {Interrupted: "killed", Pruned: "pruned"}
RESUMED = "; resumed on "
TOO_LARGE = b"The patch is larger than 1 MB.\n"
SECONDS_TO_WAIT = 5.0  # of a sweep's job for its directory


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    Attributes:
        result: What it gave.
        ids: MLflow's ids of its experiment and of itself, if they are known.
        tracked: Whether MLflow's record is complete, or not ours to complete.
    """

    result: "Result"
    ids: tuple[str, str] | None
    tracked: bool

    @property
    def code(self) -> int:
        """The exit code, 0 if all is good."""
        if self.result.diverged:
            return DIVERGED
        return 0 if self.tracked else UNTRACKED


def prepare_alone(composed: Config) -> Prepared:
    """Prepare a single run: of a sweep, required tracking is looked for once, not by each of its jobs.

    Raises:
        Refused: As `prepare` does, or if tracking is required and not there.
    """
    tracking = composed.tracking
    return prepare(composed, lambda: require(tracking) if tracking.required else None)


def execute(
    prepared: Prepared, directory: RunDirectory, info: RunInfo, listen: Listener, patience: Patience | None = None
) -> Outcome:
    """Run a prepared configuration in its directory, and deliver it to MLflow.

    Args:
        prepared: What it begins with.
        directory: Of the run; it exists. Configuration and run.json are written before anything else.
        info: What is known of the run before it starts.
        listen: Is told of each record.
        patience: With MLflow at the end, which runs of one process share; None: its own.

    Raises:
        Refused: If the directory holds another run.
        Interrupted: If a signal came; the run can be resumed.
    """
    _get_ready(prepared.config)
    with signals.deferred(), directory.locked():
        if directory.info.exists():
            raise Refused(f"{directory.path} holds a run already; choose another directory")
        info = _start(prepared, directory, info)
        return _carry_out(prepared, directory, info, listen, None, patience)


def continue_or_execute(
    prepared: Prepared, directory: RunDirectory, info: RunInfo, listen: Listener, patience: Patience
) -> float:
    """Run a job of a sweep in its directory: from where it stopped, if it was begun; one that has ended is not run.

    Returns:
        Its objective: nan where it diverged.

    Raises:
        Pruned, Interrupted: As `experiment.run` does.
        Refused: If it was begun otherwise.
    """
    if not directory.info.exists():
        return execute(prepared, directory, info, listen, patience).result.objective
    with directory.locked(SECONDS_TO_WAIT):
        if directory.read_config() | {"tracking": None} != dump(prepared.config) | {"tracking": None}:
            place = relative(directory.path)
            raise Refused(f"{place} holds another job's run; let hydra.sweep.subdir tell jobs apart")
        check_unchanged(directory)
        info = directory.read_info()
        if not info.complete:
            return proceed(prepared, directory, listen, patience).result.objective
        directory.remove_leftovers()
        with Courier(directory, prepared.config.tracking, patience):
            pass
    if info.status == "pruned":
        raise Pruned
    return directory.read_objective()


def proceed(prepared: Prepared, directory: RunDirectory, listen: Listener, patience: Patience | None = None) -> Outcome:
    """Go on with a run that was interrupted or failed, from its checkpoint; whoever calls holds its lock.

    Args:
        prepared: What the run stored, unchanged since it began, prepared again.
        directory: Of the run.
        listen: Is told of each record.
        patience: With MLflow at the end, which runs of one process share; None: its own.

    Raises:
        Refused: If the data, or the checkpoint's format, is not what it was.
        Interrupted: If a signal came; the run can be resumed.
    """
    _get_ready(prepared.config)
    from wavesweep.runs.checkpoint import load_checkpoint

    directory.remove_parts()
    info = directory.read_info()
    then, now = ([part["digest"] for part in parts] for parts in (info.inputs, describe(prepared.data)))
    if then and then != now:
        raise Refused(f"{directory.path} was begun on other data ({', '.join(then)}), got {', '.join(now)}; start anew")
    tags, checkpoint = dict(info.tags), load_checkpoint(directory)
    begun = tags.get(names.VERSIONS, "unknown versions")
    if (here := environment()[names.VERSIONS]) != begun.rpartition(RESUMED)[2]:
        log.warning("the run was begun on %s and goes on on %s", begun, here)
        tags[names.VERSIONS] = begun + RESUMED + here
    with signals.deferred():
        info = replace(info, status="running", ended=None, tags=tags)
        return _carry_out(prepared, directory, info, listen, checkpoint, patience)


def warm_up() -> None:
    """Import what each job needs."""
    import wavesweep.runs.experiment  # noqa: F401

    import_mlflow()


def _get_ready(config: Config) -> None:
    """Import what takes long, while a signal still ends the program at once."""
    warm_up()
    if config.model.has_gradient:
        import torch._dynamo  # noqa: F401  as its first optimizer would


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
    listen: Listener,
    checkpoint: "Checkpoint | None",
    patience: Patience | None,
) -> Outcome:
    from wavesweep.runs.experiment import run

    config = prepared.config
    directory.write_info(info)
    with Courier(directory, config.tracking, patience) as courier:
        try:
            result = run(config, prepared.data, directory, listen, checkpoint)
            save_model(directory, config, prepared.data)
            info = _ended(config, directory, info, result)
            directory.write_info(info)
        except BaseException as error:
            with suppress(Exception):  # what is written here fails with what failed before
                directory.write_info(info.finished(ENDINGS.get(type(error), "failed"), ""))
            if isinstance(error, Pruned):
                directory.remove_leftovers()
            raise
    directory.remove_leftovers()
    if not courier.has_all:
        signals.check()
    return Outcome(result, courier.ids, courier.has_all)


def _ended(config: Config, directory: RunDirectory, info: RunInfo, result: "Result") -> RunInfo:
    """Return what is known of a run that has ended well, or diverged."""
    weights = sha256(directory.weights.read_bytes()).hexdigest()
    tags = info.tags | {names.KEPT_EPOCH: str(result.epoch), names.WEIGHTS_DIGEST: weights}
    status: Status = "diverged" if result.diverged else "finished"
    return replace(info, tags=tags).finished(status, description(config, result))


@contextmanager
def left_as_it_was() -> Iterator[None]:
    """Put back what computing and tracking set for the whole process."""
    import torch

    from wavesweep.evaluation.forecasting import on_threads

    before = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), on_threads(torch.get_num_threads()):
            yield
    finally:
        for name in [one for one in os.environ if one.startswith("MLFLOW_")]:  # which a command would take for chosen
            del os.environ[name]
        os.environ.update(before)
