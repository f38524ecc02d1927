"""`wavesweep resume`: finds a run or a sweep that has not ended, and goes on with it."""

import logging.config
from collections.abc import Collection
from pathlib import Path

from omegaconf import OmegaConf

from wavesweep.compose import compose_words, read_place
from wavesweep.config import Config
from wavesweep.deliveries import MISSING, deliver_all, deliver_vanished
from wavesweep.exit_codes import DIVERGED, UNTRACKED
from wavesweep.failures import in_one_line
from wavesweep.groups import conf_dir
from wavesweep.hydra_app import run_hydra
from wavesweep.jobs import locked, prepare, proceed
from wavesweep.refusals import Refused
from wavesweep.rundir import RunDirectory, SweepRecord
from wavesweep.runner import fail, show
from wavesweep.stored import find_runs, read_config
from wavesweep.sweeps.lookup import all_sweeps, began, find_sweep, is_open
from wavesweep.sweeps.store import SweepDirectory
from wavesweep.terminal import relative, say

log = logging.getLogger("wavesweep")

FORCE = "--force"
LAUNCHING = ("hydra/launcher", "hydra.launcher.", "hydra.sweeper.n_workers")


def run(arguments: list[str]) -> int:
    """Go on with a run or a sweep; return the exit code."""
    place, overrides = read_place("resume", [text for text in arguments if text != FORCE], LAUNCHING)
    launching = [text for key, text in overrides.items() if key.startswith("hydra")]
    own = {key: text for key, text in overrides.items() if not key.startswith("hydra")}
    local = compose_words(list(own.values()))
    found = find(place or "latest", local)
    if found is None:
        return 0
    if isinstance(found, RunDirectory):
        return finish(found, local, own)
    return finish_sweep(found, local, own, launching, force=FORCE in arguments)


def find(place: str, local: Config) -> RunDirectory | SweepDirectory | None:
    """Return the run or sweep that a place names; of `latest`, what was begun last of all that has not ended.

    Args:
        place: What was typed.
        local: What is configured here and now.

    Returns:
        None if all have ended, which has been said.

    Raises:
        Refused: If there is no such run or sweep.
    """
    if place != "latest":
        if sweep := find_sweep(place):
            return sweep
        if not RunDirectory(Path(place)).info.exists():
            raise Refused(
                f"{place} must be the directory of a run or a sweep, a sweep's id, or latest, but holds no run.json; "
                "name another"
            )
        return RunDirectory(Path(place))
    deliver_vanished(local)
    begun = _open_runs() | {sweep: began(sweep) for sweep in all_sweeps() if _waits(sweep)}
    if not begun:
        say("no run below outputs waits to be resumed; wavesweep sync delivers what MLflow has missed")
        return None
    return max(begun, key=lambda found: begun[found])


def _open_runs() -> dict[RunDirectory | SweepDirectory, float]:
    """Return the runs that have not ended, less those of sweeps, each with its start."""
    begun: dict[RunDirectory | SweepDirectory, float] = {}
    for run in find_runs(Path("outputs")):
        try:
            info = run.read_info()
        except (Refused, OSError) as error:
            log.warning(in_one_line(error))
            continue
        if not (info.complete or info.status == "running" or info.sweep_id):  # what is a sweep's, resumes with it
            begun[run] = info.started
    return begun


def _waits(sweep: SweepDirectory) -> bool:
    """Say whether a sweep has something left, and nobody runs it."""
    try:
        with sweep.locked():
            return is_open(sweep)
    except (Refused, OSError):
        return False


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
            return show(prepared, directory, lambda listen: proceed(prepared, data, directory, listen))
        except Refused:
            raise
        except Exception as error:
            return fail(error, directory)


def finish_sweep(
    sweep: SweepDirectory, local: Config, own: dict[str, str], launching: list[str], *, force: bool
) -> int:
    """Go on with a sweep by the command line that began it, with nothing taken from there that could run code.

    Args:
        sweep: Which.
        local: What is configured here and now.
        own: The overrides of `tracking` that were typed, by their keys.
        launching: The overrides that choose the launcher.
        force: Whether code and data may have changed.

    Raises:
        Refused: If that can't be done.
    """
    if changed := [text for key, text in own.items() if key.startswith("runtime.")]:
        raise Refused(f"{changed[0]}: a sweep goes on as it began; leave it out, or start a new sweep")
    record = SweepRecord(sweep.path)
    tracking = (read_config(record, local, own) if record.config.exists() else local).tracking
    stored = [f"tracking.{key}={_quoted(value)}" for key, value in tracking.model_dump().items()]
    place = [f"hydra.sweep.dir={_quoted(str(sweep.path))}", f"hydra.sweeper.resume={'force' if force else 'exactly'}"]
    return run_hydra(["-m", *stored, *launching, *place])


def _quoted(value: str | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    escaped = value.replace("'", "\\'")
    return f"'{escaped}'"


def _log_into(directory: RunDirectory) -> None:
    """Log as a run of Hydra's does: its own configuration names the files."""
    known = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(directory.path)}, "job": {"name": "wavesweep"}}})
    known.logging = OmegaConf.load(conf_dir() / "hydra" / "job_logging" / "wavesweep.yaml")
    logging.config.dictConfig(OmegaConf.to_container(known.logging, resolve=True))  # type: ignore[arg-type]
