"""One job from configuration to delivered record: what the command line and, later, a sweep's workers run."""

import logging
import platform
import subprocess
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from wavesweep.config import Config, config_hash, dump
from wavesweep.redaction import without_password
from wavesweep.report import description
from wavesweep.rundir import RunDirectory, RunInfo, Status
from wavesweep.schema import Refused
from wavesweep.splits import load
from wavesweep.tracking import connect, deliver, reason, save_model

if TYPE_CHECKING:
    from wavesweep.experiment import Listener, Metrics, Record, Result
    from wavesweep.splits import Split

log = logging.getLogger("wavesweep")

FAILED, REFUSED, DIVERGED, UNTRACKED, INTERRUPTED = 1, 2, 3, 4, 130
"""Exit codes."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its exit code, 0 if all is good, and its result."""

    code: int
    result: "Result"


def execute(config: Config, directory: RunDirectory, info: RunInfo, listen: "Listener") -> Outcome:
    """Run a configuration in its directory, and deliver it to MLflow.

    Args:
        config: With derived values filled in (see shapes.fill_in).
        directory: Of the run; it exists. Configuration and run.json are written before anything else.
        info: What is known of the run before it starts.
        listen: Is told of each record.

    Raises:
        Refused: If the data can't be used, the directory holds another run, or tracking is required and
            not there. Nothing is trained then.
    """
    data = check(config)
    if directory.info.exists():
        raise Refused(f"hydra.run.dir: {directory.path} holds a run already; choose another directory")
    from wavesweep.experiment import describe_inputs, run

    public = config.tracking.model_copy(update={"uri": without_password(config.tracking.uri)})
    values = dump(config.model_copy(update={"tracking": public}))
    common = {"name": config.dataset.kind, "source": values["dataset"]}
    inputs = [common | part for part in describe_inputs(data)]
    info = replace(info, tags=_tags(config), inputs=inputs, description=description(info))
    with directory.lock():
        directory.write_config(values)
        directory.write_info(info)
        courier = _Courier(directory, config)
        courier.send()
        try:
            result = run(config, data, directory, _both(courier.listen, listen))
            save_model(directory, config)
        except BaseException as error:
            status: Status = "killed" if isinstance(error, KeyboardInterrupt) else "failed"
            directory.write_info(info.finished(status, description(info)))
            courier.send()
            raise
        status = "diverged" if result.diverged else "finished"
        directory.write_info(info.finished(status, description(info, config, result)))
        delivered = courier.send()
    return Outcome(DIVERGED if result.diverged else 0 if delivered else UNTRACKED, result)


def check(config: Config) -> "Split":
    """Do all that can refuse a configuration, with derived values filled in, and return its data.

    Raises:
        Refused: If the data can't be used, or tracking is required and not there.
    """
    data = load(config)
    if config.tracking.required:
        try:
            connect(config.tracking)
        except Exception as error:
            raise Refused(
                f"tracking.uri={without_password(config.tracking.uri)} can't be used ({reason(error)}); "
                "correct the address, start the server, or set tracking.required=false to run without it"
            ) from None
    return data


def _tags(config: Config) -> dict[str, str]:
    """Return what the run runs on."""
    packages = ("wavesweep", "torch", "numpy", "mlflow", "hydra-core")
    tags = {f"wavesweep.version.{package}": version(package) for package in packages}
    commit = _git_commit()
    return tags | {
        "wavesweep.version.python": platform.python_version(),
        "wavesweep.platform": platform.platform(),
        "wavesweep.config_hash": config_hash(config),
        "mlflow.source.name": "wavesweep",
        "mlflow.source.type": "LOCAL",
        **({"mlflow.source.git.commit": commit} if commit else {}),
    }


def _git_commit() -> str | None:
    """Return the commit of the code that runs; None where it isn't in a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None


def _both(first: "Listener", second: "Listener") -> "Listener":
    def listen(record: "Record", metrics: "Metrics", epochs: int) -> None:
        first(record, metrics, epochs)
        second(record, metrics, epochs)

    return listen


class _Courier:
    """Delivers a run while it trains, spaced such that this takes at most a fiftieth of the time."""

    def __init__(self, directory: RunDirectory, config: Config) -> None:
        self.directory, self.tracking, self.next = directory, config.tracking, 0.0

    def listen(self, *_: object) -> None:
        if time.monotonic() >= self.next:
            self.send()

    def send(self) -> bool:
        """Deliver now; return whether it worked."""
        began = time.monotonic()
        try:
            deliver(self.directory, self.tracking)
        except Exception as error:
            log.warning("MLflow has not taken the run yet: %s", reason(error))
            return False
        finally:
            ended = time.monotonic()
            self.next = ended + max(2.0, 50 * (ended - began))
        return True
