"""One job from configuration to delivered record: what the command line and, later, a sweep's workers run."""

import getpass
import platform
import subprocess
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from wavesweep.config import Config, config_hash, dump
from wavesweep.exit_codes import DIVERGED, UNTRACKED
from wavesweep.redaction import public_address
from wavesweep.report import description
from wavesweep.rundir import RunDirectory, RunInfo, Status
from wavesweep.schema import Refused
from wavesweep.shapes import fill_in, find_device
from wavesweep.splits import Split, decide_difference, describe, load
from wavesweep.tracking import Courier, require, save_model

if TYPE_CHECKING:
    from wavesweep.experiment import Listener, Metrics, Record, Result


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its exit code, 0 if all is good, its result, and MLflow's id of it, if MLflow has it."""

    code: int
    result: "Result"
    run_id: str | None


def prepare(config: Config) -> tuple[Config, Split]:
    """Do all that can refuse a configuration, the cheapest first.

    Returns:
        The configuration with each `null` and `auto` replaced by what will be used, and its data.

    Raises:
        Refused: If values can't go together, the data can't be used, the device is not there, or tracking is
            required and not there.
    """
    filled = fill_in(config)
    data = load(filled)
    filled = decide_difference(filled, data)
    if filled.tracking.required:
        require(filled.tracking)
    runtime = filled.runtime.model_copy(update={"device": find_device(filled.runtime.device)})
    return filled.model_copy(update={"runtime": runtime}), data


def execute(config: Config, data: Split, directory: RunDirectory, info: RunInfo, listen: "Listener") -> Outcome:
    """Run a prepared configuration in its directory, and deliver it to MLflow.

    Args:
        config: As `prepare` gave it.
        data: Likewise.
        directory: Of the run; it exists. Configuration and run.json are written before anything else.
        info: What is known of the run before it starts.
        listen: Is told of each record.

    Raises:
        Refused: If the directory holds another run.
    """
    from filelock import Timeout

    try:
        with directory.lock():
            refuse_taken(directory)
            return _execute(config, data, directory, info, listen)
    except Timeout:
        raise Refused(f"{directory.path} is in use by another run; choose another directory") from None


def refuse_taken(directory: RunDirectory) -> None:
    """Refuse a directory that holds a run already."""
    if directory.info.exists():
        raise Refused(f"{directory.path} holds a run already; choose another directory")


def _execute(config: Config, data: Split, directory: RunDirectory, info: RunInfo, listen: "Listener") -> Outcome:
    from wavesweep.experiment import run

    info = _start(config, data, directory, info)
    courier = Courier(directory, config.tracking)

    def tell(record: "Record", metrics: "Metrics", epochs: int) -> None:
        courier.send_when_due()
        listen(record, metrics, epochs)

    try:
        courier.send()
        result = run(config, data, directory, tell)
        save_model(directory, config)
    except BaseException as error:
        status: Status = "killed" if isinstance(error, KeyboardInterrupt) else "failed"
        directory.write_info(info.finished(status, description(info)))
        courier.send()
        raise
    status = "diverged" if result.diverged else "finished"
    digest = sha256(directory.weights.read_bytes()).hexdigest()
    info = replace(
        info, tags=info.tags | {"wavesweep.kept_epoch": str(result.epoch), "wavesweep.weights_digest": digest}
    )
    directory.write_info(info.finished(status, description(info, config, result)))
    run_id = courier.send()
    return Outcome(DIVERGED if result.diverged else 0 if run_id else UNTRACKED, result, run_id)


def _start(config: Config, data: Split, directory: RunDirectory, info: RunInfo) -> RunInfo:
    """Write configuration and run.json; return what the latter holds."""
    public = config.tracking.model_copy(update={"uri": public_address(config.tracking.uri)})
    values = dump(config.model_copy(update={"tracking": public}))
    common = {"name": config.dataset.kind, "source": values["dataset"]}
    inputs = [common | part for part in describe(data)]
    info = replace(info, tags=_tags(config), inputs=inputs, description=description(info))
    directory.write_config(values)
    directory.write_info(info)
    return info


def _tags(config: Config) -> dict[str, str]:
    """Return what the run runs on."""
    packages = ("wavesweep", "torch", "numpy", "mlflow", "hydra-core")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    commit = _git_commit()
    return {
        "wavesweep.versions": f"{versions}, python {platform.python_version()}",
        "wavesweep.platform": platform.platform(),
        "wavesweep.config_hash": config_hash(config),
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": "wavesweep",
        "mlflow.source.type": "LOCAL",
        **({"mlflow.source.git.commit": commit} if commit else {}),
    }


def _git_commit() -> str | None:
    """Return the commit of the code that runs; None where it isn't tracked by git, as in an environment."""
    here = Path(__file__)
    try:
        for command in (["ls-files", "--error-unmatch", here.name], ["rev-parse", "HEAD"]):
            git = ["git", "-C", str(here.parent), *command]
            done = subprocess.run(git, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
