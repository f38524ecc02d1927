"""What Hydra calls: for a single run, for each job of a sweep, and around a sweep."""

import logging
import math
from functools import cache
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING

from wavesweep.interrupts import Pruned
from wavesweep.sweeps.task import SweepTask, ask

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from wavesweep.config import Config, Tracking
    from wavesweep.experiment import Metrics
    from wavesweep.rundir import RunDirectory, RunInfo
    from wavesweep.splits import Split
    from wavesweep.sweeps.store import Plan, SweepDirectory
    from wavesweep.training import Record

log = logging.getLogger("wavesweep")


class Experiments(SweepTask):
    """Trains, forecasts and tracks.

    Attributes:
        codes: The exit codes of what this process ran and did not end well.
    """

    local = ("tracking",)
    wants_returns = False

    def __init__(self) -> None:
        self.codes: list[int] = []

    def __call__(self, composed: "DictConfig") -> float:
        """Run one job; return the objective, for sweepers: nan where the job diverged."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from wavesweep.rundir import RunDirectory

        hydra = HydraConfig.get()
        directory = RunDirectory(Path(hydra.runtime.output_dir))
        if hydra.mode == RunMode.MULTIRUN:
            return _run_trial(composed, directory)
        self.codes += filter(None, [_run_alone(composed, directory)])
        return float("nan")

    def warm_up(self) -> None:
        """Import what computes and what delivers."""
        from wavesweep.jobs import warm_up

        warm_up()

    def check(self, config: "DictConfig") -> None:
        """Parse a job's configuration, and derive what it leaves open."""
        from wavesweep.compose import typed
        from wavesweep.refusals import Refused
        from wavesweep.shapes import fill_in, find_device

        filled = fill_in(typed(config))
        if filled.runtime.device != "auto":
            find_device(filled.runtime.device)
        if filled.tracking.required and (problem := _problem(filled.tracking)):  # type: ignore[arg-type]
            raise Refused(problem)

    def fingerprint(self, configs: "list[DictConfig]") -> dict[str, str]:
        """Return digests of the code and of the data that each choice of groups begins with."""
        from wavesweep.compose import typed
        from wavesweep.fingerprints import code, data

        return {"code": code(), "data": data([typed(config) for config in configs])}

    def reports(self, directory: Path) -> dict[int, float]:
        """Return the objective at each recorded epoch."""
        from wavesweep.stored import read_objectives

        return read_objectives(directory)

    def begin(self, sweep: "SweepDirectory", plan: "Plan", config: "DictConfig") -> None:
        """Let MLflow know the sweep, before any of its runs."""
        from wavesweep.compose import typed
        from wavesweep.conclusion import announce

        announce(sweep, plan, typed(config))

    def end(self, sweep: "SweepDirectory", plan: "Plan", config: "DictConfig") -> None:
        """Show the leaderboard, and deliver it."""
        from wavesweep.compose import typed
        from wavesweep.conclusion import conclude
        from wavesweep.exit_codes import FAILED
        from wavesweep.failures import in_one_line

        try:
            self.codes += conclude(sweep, plan, typed(config))
        except Exception as error:  # such as a full disk: the jobs' results are where they are
            log.error("the sweep's end can't be recorded: %s", in_one_line(error, f"wavesweep resume {sweep.path}"))
            self.codes.append(FAILED)


@cache
def _problem(tracking: "Tracking") -> str:
    """Say why a store can't be used, asking it once for all jobs; nothing if it can."""
    from wavesweep.refusals import Refused
    from wavesweep.tracking import require

    try:
        require(tracking)
    except Refused as error:
        return str(error)
    return ""


def _run_alone(composed: "DictConfig", directory: "RunDirectory") -> int:
    """Run before the user's eyes; return the exit code."""
    from wavesweep.compose import refuse
    from wavesweep.refusals import Refused
    from wavesweep.runner import fail, show
    from wavesweep.terminal import relative

    try:
        config, data, info = _prepare(composed)
        log.info("writing to %s", relative(directory.path))
        from wavesweep.jobs import execute

        return show(config, directory, lambda listen: execute(config, data, directory, info, listen))
    except Refused as error:
        return refuse(str(error))
    except Exception as error:
        return fail(error, directory)


def _run_trial(composed: "DictConfig", directory: "RunDirectory") -> float:
    """Run a job of a sweep, or go on with it; return the objective.

    Raises:
        Pruned, Interrupted: As `experiment.run` does.
        Exception: Whatever ended it; its traceback is in the run's own log.
    """
    from wavesweep.jobs import continue_or_execute
    from wavesweep.refusals import Refused

    try:
        config, data, info = _prepare(composed)

        def listen(record: "Record", metrics: "Metrics", _: int) -> None:
            value = metrics[config.objective]
            if math.isfinite(value) and ask(record.epoch, value):
                raise Pruned

        return continue_or_execute(config, data, directory, info, listen)
    except Refused:
        raise
    except Exception as error:
        logging.getLogger("wavesweep.traceback").error("the job failed", exc_info=error)
        clear_frames(error.__traceback__)  # which hold what the job had in memory
        raise


def _prepare(composed: "DictConfig") -> "tuple[Config, Split, RunInfo]":
    """Return the prepared configuration of a job of Hydra's, its data, and what is known of its run."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from wavesweep.compose import typed

    parsed, job = typed(composed), HydraConfig.get()
    from wavesweep.jobs import prepare
    from wavesweep.rundir import RunInfo
    from wavesweep.shapes import without_effect
    from wavesweep.splits import trend_share
    from wavesweep.sweeps.store import SweepDirectory
    from wavesweep.terminal import relative

    alone = job.mode != RunMode.MULTIRUN
    config, data = prepare(parsed, ask_server=alone)
    if parsed.model != config.model and config.model.kind == "lstm":
        log.info(_differences(config.model.difference, trend_share(data.scaler.scale(data.train))))
    overrides = [text for text in job.overrides.task if not text.lstrip("+~").startswith("tracking")]
    for warning in _ignored(without_effect(config), overrides):
        log.warning(warning)
    choices = {group: str(option) for group, option in job.runtime.choices.items() if option and "hydra" not in group}
    sweep_id = None if alone else SweepDirectory(Path(job.sweep.dir)).id
    own = [source.path for source in job.runtime.config_sources if source.provider == "command-line"]
    return config, data, RunInfo(overrides, choices, sweep_id, str(relative(Path(own[0]))) if own else None)


def _differences(taken: bool | None, share: float) -> str:
    """Say whether the network takes differences, and why."""
    short = not taken and share > 0.5
    reason = "windows or context are too short" if short else f"lines explain {share:.0%} of the training series"
    return f"the network takes {'' if taken else 'no '}differences: {reason}"


def _ignored(reasons: dict[str, str], overrides: list[str]) -> list[str]:
    """Return a warning for each override that has no effect."""
    warnings = []
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        for ignored, reason in reasons.items():
            if key == ignored or key.startswith(f"{ignored}."):
                warnings.append(f"{override} has no effect: {reason}")
    return warnings
