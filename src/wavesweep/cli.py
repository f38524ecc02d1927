"""The command line: words, completion, and all that Hydra understands."""

import gc
import logging
import os
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from wavesweep.completion import WORDS
from wavesweep.exit_codes import FAILED, REFUSED, SEVERITY
from wavesweep.interrupts import Interrupted, check, defer, watch

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger("wavesweep")

_codes: list[int] = []  # of the jobs in this process that did not end well


class JobFailed(Exception):
    """A job of a sweep without a result, which has said why; Hydra carries it past the other jobs."""


def main() -> None:
    """Run the command line and exit with the code that the contract gives its outcome."""
    watch()
    try:
        sys.exit(_dispatch())
    except Interrupted as interrupted:
        defer()
        print(f"wavesweep: ended by {interrupted}", file=sys.stderr)
        logging.disable()  # torch whose import was cut short prints statistics as Python ends
        sys.exit(interrupted.exit_code)
    except MemoryError:  # which wasn't enough to say so in the usual way
        os.write(2, b"wavesweep: out of memory; take smaller sizes or end other programs\n")
        os._exit(FAILED)
    finally:
        defer()
        gc.freeze()  # else Python looks for garbage among half a million objects as it ends, for more than a second


def _dispatch() -> int:
    """Do what the command line says; return the exit code."""
    # Imports make many objects and little garbage: looking for it as often as by default takes a fifth of a short run.
    gc.set_threshold(100_000, 50, 100)
    match sys.argv[1:]:
        case [word, *arguments] if word in WORDS:
            return _word(word, arguments)
        case ["--version"]:
            from importlib.metadata import version

            print(f"wavesweep {version('wavesweep')}")
            return 0
        case ["-sc" | "--shell-completion", query] if query.startswith("query="):
            from wavesweep.completion import complete

            complete(_hydra)
            return 0
        case _:
            return _hydra()


def _word(word: str, arguments: list[str]) -> int:
    """Run a word that Hydra doesn't know; return the exit code."""
    module = import_module(f"wavesweep.{word}")
    if {"-h", "--help"} & set(arguments):
        print(module.USAGE)
        return 0
    from wavesweep.compose import refuse
    from wavesweep.refusals import Refused

    try:
        return module.run(arguments)
    except Refused as error:
        return refuse(str(error))
    except (OSError, MemoryError) as error:
        from wavesweep.failures import in_one_line

        refuse(in_one_line(error))
        return FAILED


def _hydra() -> int:
    """Run what Hydra understands; return the exit code."""
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, instead of printing and exiting with 1
    import hydra

    from wavesweep.compose import check_kinds, hide_password, hiding_passwords, read_flags, refuse
    from wavesweep.groups import conf_dir
    from wavesweep.hydra_errors import explain
    from wavesweep.refusals import Refused

    try:
        flags = read_flags(sys.argv[1:])
        check_kinds(flags.overrides)
        hide_password(sys.argv)
        with hiding_passwords() if flags.resolve else nullcontext():
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_job)()
    except Refused as error:
        return refuse(str(error))
    except JobFailed:
        check()  # which a signal may have brought about
        return min(_codes or [FAILED], key=SEVERITY.index)
    except Exception as error:  # of composing, since jobs catch their own
        if traceback_wanted:
            raise
        return refuse(explain(error, sys.argv[1:]))
    return min(_codes, key=SEVERITY.index, default=0)


def _job(composed: "DictConfig") -> float:
    """Run one job of Hydra's; return the objective, for sweepers: nan where the job diverged."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from wavesweep.compose import refuse
    from wavesweep.refusals import Refused
    from wavesweep.rundir import RunDirectory

    objective = float("nan")
    try:
        code, objective = _run(composed)
    except Refused as error:
        code = refuse(str(error))
    except Exception as error:
        from wavesweep.runner import fail

        code = fail(error, RunDirectory(Path(HydraConfig.get().runtime.output_dir)))
    if code:
        _codes.append(code)
    if code in (FAILED, REFUSED) and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise JobFailed  # a launcher may run jobs in other processes; the exception comes back from there
    return objective


def _run(composed: "DictConfig") -> tuple[int, float]:
    """Run one job in the directory that Hydra made; return its exit code and its objective."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from wavesweep.compose import typed

    check()  # a signal may have come in an earlier job
    parsed, job = typed(composed), HydraConfig.get()
    from wavesweep.jobs import execute, prepare
    from wavesweep.rundir import RunDirectory, RunInfo
    from wavesweep.runner import show
    from wavesweep.shapes import without_effect
    from wavesweep.splits import trend_share
    from wavesweep.terminal import relative

    config, data = prepare(parsed)
    if parsed.model != config.model and config.model.kind == "lstm":
        log.info(_differences(config.model.difference, trend_share(data.scaler.scale(data.train))))
    overrides = [text for text in job.overrides.task if not text.lstrip("+~").startswith("tracking")]
    for warning in _ignored(without_effect(config), overrides):
        log.warning(warning)
    choices = {group: str(option) for group, option in job.runtime.choices.items() if option and "hydra" not in group}
    sweep_id = Path(job.sweep.dir).name if job.mode == RunMode.MULTIRUN else None
    own = [source.path for source in job.runtime.config_sources if source.provider == "command-line"]
    info = RunInfo(overrides, choices, sweep_id, str(relative(Path(own[0]))) if own else None)
    directory = RunDirectory(Path(job.runtime.output_dir))
    log.info("writing to %s", relative(directory.path))
    return show(config, directory, lambda listen: execute(config, data, directory, info, listen))


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
