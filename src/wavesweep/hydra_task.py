"""What Hydra calls: for a single run, for each job of a sweep, and around a sweep."""

import logging
import math
from pathlib import Path
from traceback import clear_frames

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from wavesweep import fingerprints
from wavesweep.compose import refuse, typed
from wavesweep.conclusion import announce, conclude
from wavesweep.config import Config
from wavesweep.exit_codes import FAILED
from wavesweep.failures import in_one_line
from wavesweep.interrupts import Pruned
from wavesweep.jobs import continue_or_execute, execute, prepare, warm_up
from wavesweep.refusals import Refused
from wavesweep.results import Metrics
from wavesweep.rundir import RunDirectory, RunInfo
from wavesweep.runner import fail, show
from wavesweep.shapes import fill_in, find_device, without_effect
from wavesweep.splits import Split, trend_share
from wavesweep.sweeps.store import Plan, SweepDirectory
from wavesweep.sweeps.task import SweepTask, ask
from wavesweep.terminal import relative
from wavesweep.tracking import require

log = logging.getLogger("wavesweep")


class Experiments(SweepTask):
    """Trains, forecasts and tracks.

    Args:
        codes: Takes the exit codes of what does not end well.
    """

    local = ("tracking",)
    wants_returns = False

    def __init__(self, codes: list[int]) -> None:
        self.codes = codes

    def __call__(self, composed: DictConfig) -> float:
        """Run one job; return the objective, for sweepers: nan where the job diverged."""
        directory = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            return _run_trial(composed, directory)
        self.codes += filter(None, [_run_alone(composed, directory)])
        return math.nan

    def warm_up(self) -> None:
        """Import what computes and what delivers."""
        warm_up()

    def check(self, config: DictConfig) -> None:
        """Parse a job's configuration, and derive what it leaves open."""
        runtime = fill_in(typed(config)).runtime
        if runtime.device != "auto":
            find_device(runtime.device)

    def fingerprint(self, configs: list[DictConfig]) -> dict[str, str]:
        """Return digests of the code and of the data that each choice of groups begins with."""
        parsed = [typed(config) for config in configs]
        if parsed[0].tracking.required:
            require(parsed[0].tracking)
        return {"code": fingerprints.code(), "data": fingerprints.data(parsed)}

    def reports(self, directory: Path) -> dict[int, float]:
        """Return the objective at each recorded epoch."""
        return RunDirectory(directory).read_objectives()

    def begin(self, sweep: SweepDirectory, plan: Plan, config: DictConfig) -> None:
        """Let MLflow know the sweep, before any of its runs."""
        announce(sweep, plan, typed(config))

    def end(self, sweep: SweepDirectory, plan: Plan, config: DictConfig) -> None:
        """Show the leaderboard, and deliver it."""
        try:
            self.codes += conclude(sweep, plan, typed(config))
        except Exception as error:  # such as a full disk: the jobs' results are where they are
            log.error("the sweep's end can't be recorded: %s", in_one_line(error, f"wavesweep resume {sweep.path}"))
            self.codes.append(FAILED)


def _run_alone(composed: DictConfig, directory: RunDirectory) -> int:
    """Run before the user's eyes; return the exit code."""
    try:
        config, data, info = _prepare(composed)
        log.info("writing to %s", relative(directory.path))
        return show(config, directory, lambda listen: execute(config, data, directory, info, listen))
    except Refused as error:
        return refuse(str(error))
    except Exception as error:
        return fail(error, directory)


def _run_trial(composed: DictConfig, directory: RunDirectory) -> float:
    """Run a job of a sweep, or go on with it; return the objective.

    Raises:
        Pruned, Interrupted: As `experiment.run` does.
        Exception: Whatever ended it; its traceback is in the run's own log.
    """
    try:
        config, data, info = _prepare(composed)

        def listen(epoch: int, metrics: Metrics, epochs: int) -> None:
            value = metrics[config.objective]
            if epoch < epochs and math.isfinite(value) and ask(epoch, value, epochs):  # what is done is not given up
                raise Pruned

        return continue_or_execute(config, data, directory, info, listen)
    except (Refused, Pruned):
        raise
    except Exception as error:
        logging.getLogger("wavesweep.traceback").error("the job failed", exc_info=error)
        clear_frames(error.__traceback__)  # which hold what the job had in memory
        raise


def _prepare(composed: DictConfig) -> tuple[Config, Split, RunInfo]:
    """Return the prepared configuration of a job of Hydra's, its data, and what is known of its run."""
    parsed, job = typed(composed), HydraConfig.get()
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
    keys = {override: override.lstrip("+~").partition("=")[0] for override in overrides}
    return [
        f"{override} has no effect: {reason}"
        for override, key in keys.items()
        for ignored, reason in reasons.items()
        if key == ignored or key.startswith(f"{ignored}.")
    ]
