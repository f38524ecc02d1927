"""One job from configuration to delivered record: what the command line and a sweep's workers run."""

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from wavesweep import interrupts
from wavesweep.config import Config, config_hash, dump
from wavesweep.exit_codes import DIVERGED, UNTRACKED
from wavesweep.fingerprints import environment
from wavesweep.interrupts import Interrupted, Pruned
from wavesweep.redaction import public_address
from wavesweep.report import description
from wavesweep.results import Checkpoint, Listener, Result
from wavesweep.rundir import RunDirectory, RunInfo, Status
from wavesweep.schema import Refused
from wavesweep.shapes import fill_in, find_device
from wavesweep.splits import Split, decide_difference, describe, load
from wavesweep.terminal import relative
from wavesweep.tracking import Courier, import_mlflow, require, save_model

log = logging.getLogger("wavesweep")

ENDINGS: dict[type[BaseException], Status] = {Interrupted: "killed", Pruned: "pruned"}
RESUMED = "; resumed on "
SECONDS_TO_WAIT = 5.0  # of a sweep's job for its directory


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        result: What it gave.
        run_id: MLflow's id of it, if that is known.
        tracked: Whether MLflow's record is complete, or not ours to complete.
    """

    result: Result
    run_id: str | None
    tracked: bool

    @property
    def code(self) -> int:
        """The exit code, 0 if all is good."""
        return DIVERGED if self.result.diverged else 0 if self.tracked else UNTRACKED


def prepare(config: Config, *, ask_server: bool = True) -> tuple[Config, Split]:
    """Do all that can refuse a configuration, the cheapest first.

    Args:
        config: As it was composed.
        ask_server: Whether required tracking is looked for: a sweep has done so for all its jobs.

    Returns:
        The configuration with each `null` and `auto` replaced by what will be used, and its data.

    Raises:
        Refused: If values can't go together, the data can't be used, the device is not there, or tracking is
            required and not there.
    """
    filled = fill_in(config)
    data = load(filled)
    filled = decide_difference(filled, data)
    if filled.tracking.required and ask_server:
        require(filled.tracking)
    runtime = filled.runtime.model_copy(update={"device": find_device(filled.runtime.device)})
    return filled.model_copy(update={"runtime": runtime}), data


def execute(config: Config, data: Split, directory: RunDirectory, info: RunInfo, listen: Listener) -> Outcome:
    """Run a prepared configuration in its directory, and deliver it to MLflow.

    Args:
        config: As `prepare` gave it.
        data: Likewise.
        directory: Of the run; it exists. Configuration and run.json are written before anything else.
        info: What is known of the run before it starts.
        listen: Is told of each record.

    Raises:
        Refused: If the directory holds another run.
        Interrupted: If a signal came; the run can be resumed.
    """
    _get_ready(config)
    with interrupts.deferred(), directory.locked():
        refuse_taken(directory)
        info = _start(config, data, directory, info)
        return _carry_out(config, data, directory, info, listen, checkpoint=None)


def continue_or_execute(config: Config, data: Split, directory: RunDirectory, info: RunInfo, listen: Listener) -> float:
    """Run a job of a sweep in its directory: from where it stopped, if it was begun; one that has ended is not run.

    Returns:
        Its objective: nan where it diverged.

    Raises:
        Pruned, Interrupted: As `experiment.run` does.
        Refused: If it was begun otherwise.
    """
    if not directory.info.exists():
        return execute(config, data, directory, info, listen).result.objective
    with directory.locked(SECONDS_TO_WAIT):
        if directory.read_config() | {"tracking": None} != dump(config) | {"tracking": None}:
            place = relative(directory.path)
            raise Refused(f"{place} holds another job's run; let hydra.sweep.subdir tell jobs apart")
        info = directory.read_info()
        if not info.complete:
            return proceed(config, data, directory, listen).result.objective
        directory.remove_leftovers()
        with Courier(directory, config.tracking):
            pass
    if info.status == "pruned":
        raise Pruned
    return directory.read_objective()


def proceed(config: Config, data: Split, directory: RunDirectory, listen: Listener) -> Outcome:
    """Go on with a run that was interrupted or failed, from its checkpoint; whoever calls holds its lock.

    Args:
        config: As the run stored it, prepared again.
        data: Likewise.
        directory: Of the run.
        listen: Is told of each record.

    Raises:
        Refused: If configuration, data, or the checkpoint's format is not what it was.
        Interrupted: If a signal came; the run can be resumed.
    """
    _get_ready(config)
    from wavesweep.experiment import load_checkpoint

    info = directory.read_info()
    if (now := config_hash(config)) != info.tags.get("wavesweep.config_hash", now):
        raise Refused(f"{directory.config} was changed since the run began; undo that, or start a new run")
    then, now = ([part["digest"] for part in parts] for parts in (info.inputs, describe(data)))
    if then and then != now:
        raise Refused(f"{directory.path} was begun on other data ({', '.join(then)}), got {', '.join(now)}; start anew")
    tags = _tags(config) | info.tags
    checkpoint = load_checkpoint(directory)
    if (here := environment()["wavesweep.versions"]) != tags["wavesweep.versions"].rpartition(RESUMED)[2]:
        log.warning("the run was begun on %s and goes on on %s", tags["wavesweep.versions"], here)
        tags["wavesweep.versions"] += RESUMED + here
    with interrupts.deferred():
        info = replace(info, status="running", ended=None, tags=tags)
        return _carry_out(config, data, directory, info, listen, checkpoint)


def warm_up() -> None:
    """Import what each job needs."""
    import wavesweep.experiment  # noqa: F401

    import_mlflow()


def _get_ready(config: Config) -> None:
    """Import what takes long, while a signal still ends the program at once."""
    warm_up()
    if config.model.kind != "linear":
        import torch._dynamo  # noqa: F401  as its first optimizer would


def refuse_taken(directory: RunDirectory) -> None:
    """Refuse a directory that holds a run already."""
    if directory.info.exists():
        raise Refused(f"{directory.path} holds a run already; choose another directory")


def _carry_out(
    config: Config, data: Split, directory: RunDirectory, info: RunInfo, listen: Listener, checkpoint: Checkpoint | None
) -> Outcome:
    from wavesweep.experiment import run

    directory.write_info(info)
    with Courier(directory, config.tracking) as courier:
        try:
            result = run(config, data, directory, listen, checkpoint)
            save_model(directory, config)
            info = _ended(config, directory, info, result)
            directory.write_info(info)
        except BaseException as error:
            with suppress(Exception):  # what is written here fails with what failed before
                directory.write_info(info.finished(ENDINGS.get(type(error), "failed"), description(info)))
            if isinstance(error, Pruned):
                directory.remove_leftovers()
            raise
    directory.remove_leftovers()
    if not courier.has_all:
        interrupts.check()
    return Outcome(result, courier.run_id, courier.has_all)


def _ended(config: Config, directory: RunDirectory, info: RunInfo, result: Result) -> RunInfo:
    """Return what is known of a run that has ended well, or diverged."""
    digest = sha256(directory.weights.read_bytes()).hexdigest()
    tags = info.tags | {"wavesweep.kept_epoch": str(result.epoch), "wavesweep.weights_digest": digest}
    status: Status = "diverged" if result.diverged else "finished"
    return replace(info, tags=tags).finished(status, description(info, config, result))


def _start(config: Config, data: Split, directory: RunDirectory, info: RunInfo) -> RunInfo:
    """Write the configuration; return what is known of the run now."""
    values = public_values(config)
    common = {"name": config.dataset.kind, "source": values["dataset"]}
    inputs = [common | part for part in describe(data)]
    directory.write_config(values)
    return replace(info, tags=_tags(config), inputs=inputs, description=description(info))


def public_values(config: Config) -> dict[str, Any]:
    """Return the values of a configuration, without the password of its store."""
    public = config.tracking.model_copy(update={"uri": public_address(config.tracking.uri)})
    return dump(config.model_copy(update={"tracking": public}))


def _tags(config: Config) -> dict[str, str]:
    return {"wavesweep.config_hash": config_hash(config), **environment()}
