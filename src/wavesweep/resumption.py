"""Finds a run that has not ended, and goes on with it."""

import logging.config
from collections.abc import Collection
from pathlib import Path

from omegaconf import OmegaConf

from wavesweep.config import Config
from wavesweep.deliveries import MISSING, deliver_all, deliver_vanished
from wavesweep.exit_codes import DIVERGED, UNTRACKED
from wavesweep.failures import in_one_line
from wavesweep.groups import conf_dir
from wavesweep.jobs import locked, prepare, proceed
from wavesweep.refusals import Refused
from wavesweep.rundir import RunDirectory
from wavesweep.runner import fail, show
from wavesweep.stored import find_runs, read_config
from wavesweep.terminal import relative, say

log = logging.getLogger("wavesweep")


def find(place: str, local: Config) -> RunDirectory | None:
    """Return the run that a place names; of `latest`, that which was begun last of those that have not ended.

    Args:
        place: What was typed.
        local: What is configured here and now.

    Returns:
        None if all have ended, which has been said.

    Raises:
        Refused: If there is no such run.
    """
    if place != "latest":
        if not RunDirectory(Path(place)).info.exists():
            raise Refused(f"{place} must be a run's directory, or latest, but holds no run.json; name another")
        return RunDirectory(Path(place))
    deliver_vanished(local)
    begun = {}
    for run in find_runs(Path("outputs")):
        try:
            info = run.read_info()
        except (Refused, OSError) as error:
            log.warning(in_one_line(error))
            continue
        if not info.complete and info.status != "running":
            begun[run] = info.started
    if not begun:
        say("no run below outputs waits to be resumed; wavesweep sync delivers what MLflow has missed")
        return None
    return max(begun, key=lambda run: begun[run])


def finish(directory: RunDirectory, local: Config, keys: Collection[str]) -> int:
    """Go on with a run; only deliver one that has ended. Return the exit code.

    Raises:
        Refused: If that can't be done exactly, or by another process only.
    """
    config = read_config(directory, local, keys)
    wanted = config.runtime.model_dump()
    for key, value in read_config(directory, local, []).runtime.model_dump().items():
        if wanted[key] != value:
            text = f"runtime.{key} must stay {value}, since results depend on it, got {wanted[key]}; start a new run"
            raise Refused(text)
    with locked(directory):
        info = directory.read_info()
        if info.complete:
            say(f"{relative(directory.path)} has {info.status} already")
            missing = deliver_all([directory], local, keys)[MISSING]
            return DIVERGED if info.status == "diverged" else UNTRACKED if missing else 0
        _log_into(directory)
        try:
            prepared, data = prepare(config)
            return show(prepared, directory, lambda listen: proceed(prepared, data, directory, listen))[0]
        except Refused:
            raise
        except Exception as error:
            return fail(error, directory)


def _log_into(directory: RunDirectory) -> None:
    """Log as a run of Hydra's does: its own configuration names the files."""
    known = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(directory.path)}, "job": {"name": "wavesweep"}}})
    known.logging = OmegaConf.load(conf_dir() / "hydra" / "job_logging" / "wavesweep.yaml")
    logging.config.dictConfig(OmegaConf.to_container(known.logging, resolve=True))  # type: ignore[arg-type]
