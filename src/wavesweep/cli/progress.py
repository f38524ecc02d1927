"""Running before the user's eyes: progress, results, and a failure in one line."""

import logging.config
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf, isfinite
from shlex import quote
from traceback import clear_frames

from omegaconf import OmegaConf

from hydra_queue_sweeper.base.errors import in_one_line, relative
from hydra_queue_sweeper.base.signals import Interrupted
from hydra_queue_sweeper.base.terminal import say
from wavesweep.base.exit_codes import FAILED
from wavesweep.base.streams import log
from wavesweep.config.config import Resolved
from wavesweep.config.groups import conf_dir
from wavesweep.experiment.description import summary
from wavesweep.runs.execute import Execution, Observer, Outcome, to_the_end
from wavesweep.runs.terminal import Terminal
from wavesweep.ui.links import run_ending
from wavesweep.workspace.directory import RunDirectory

_STYLES = {
    r"(?m)^  .*\((?:test|validation)\).*$": "bold",
    r"(?:The network|Linear\s+autoregression)\s+beats [\w ]+": "bold green",
    r"(?:The network|Linear\s+autoregression)\s+does\s+not\s+beat [\w ]+|The run diverged": "bold yellow",
}
"""What stands out on a terminal in the summary of a run: its own score, and the verdict."""

_RESERVE = bytearray(1 << 24)  # let go where memory has run out: saying so takes some


Begin = Callable[[Sequence[Observer]], Execution]
"""Begins a run that more observers are told of."""


def show(config: Resolved, directory: RunDirectory, begin: Begin) -> int:
    """Carry out a run as `carry_out` does, and show how it ended; return its exit code."""
    outcome = carry_out(config, directory, begin)
    assert outcome.result
    lines = [summary(directory.read_info(), config, outcome.result), f"pictures: {relative(directory.plots)}"]
    if outcome.delivered.complete and (ids := outcome.delivered.ids.get("mlflow")):
        lines.append(run_ending(config.tracking, *ids))
    say("\n".join(lines), _STYLES)
    return outcome.code


def carry_out(config: Resolved, directory: RunDirectory, begin: Begin) -> Outcome:
    """Carry out a run with its progress shown; say what is to be done where it was stopped, or is not delivered.

    Args:
        config: Of the run, prepared.
        directory: Of the run.
        begin: Begins it.

    Raises:
        Interrupted: If a signal came; what goes on with the run has been said.
    """
    place = quote(str(relative(directory.path)))
    best = min(filter(isfinite, directory.read_objectives().values()), default=inf)
    try:
        with Terminal(config.objective, best) as terminal:
            outcome = to_the_end(begin([terminal]))
    except Interrupted:
        if directory.exists():
            if directory.read_info().complete:
                log.warning("wavesweep sync %s delivers the run", place)
            else:
                log.warning("wavesweep resume %s goes on with the run", place)
        raise
    if not outcome.delivered.complete:
        whom = " and ".join(config.tracking.followers)
        log.warning("the results are complete in %s; wavesweep sync %s delivers them to %s", place, place, whom)
    return outcome


def log_into(directory: RunDirectory) -> None:
    """Log to the files to which a run started by Hydra logs."""
    hydra = {"runtime": {"output_dir": str(directory.path)}, "job": {"name": "wavesweep"}}  # which the file refers to
    logged = OmegaConf.load(conf_dir() / "hydra" / "job_logging" / "wavesweep.yaml")
    whole = OmegaConf.create({"hydra": hydra, "logging": logged})
    logging.config.dictConfig(OmegaConf.to_container(whole.logging, resolve=True))  # type: ignore[arg-type]


def fail(error: Exception, directory: RunDirectory) -> int:
    """Say in one line what ended a job, with the way out; its traceback goes to the job's log.

    Returns:
        The exit code.
    """
    _RESERVE.clear()
    clear_frames(error.__traceback__)  # which hold what the job had in memory
    then = ""
    with suppress(OSError):  # of a directory that may not be read
        if directory.exists():
            then = f"wavesweep resume {quote(str(relative(directory.path)))}"
    log.error("failed: %s", in_one_line(error, then))
    log.getChild("traceback").error("the job failed", exc_info=error)
    return FAILED
