"""The Hydra application: checks a command line, and lets Hydra run it.

Help, completion and `--cfg` come through here: what they don't need is imported late.
"""

import io
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.errors import MissingConfigException

from hydra_queue_sweeper.base.errors import Refused, shown
from hydra_queue_sweeper.base.hydra_releases import calling_only
from hydra_queue_sweeper.base.signals import check
from wavesweep.base.exit_codes import SEVERITY
from wavesweep.cli.arguments import check_kinds, check_passwords, read_flags, refuse
from wavesweep.config.composing import with_tags
from wavesweep.config.groups import check_names, check_searched, conf_dir, groups
from wavesweep.config.hydra_internals import calling_first
from wavesweep.config.hydra_objections import explain, read_overrides

if TYPE_CHECKING:
    from hydra.experimental.callback import Callback
    from omegaconf import DictConfig

    from wavesweep.cli.task import Experiments
    from wavesweep.config.config import Config
    from wavesweep.experiment.preparation import Prepared
    from wavesweep.tracking.follower_handle import Follower

TARGETS = (
    "hydra_queue_sweeper.base.redaction.Redacting",
    "wavesweep.base.streams.LogFile",
    "wavesweep.base.streams.Stderr",
)
"""All that conf/ lets Hydra call, besides plugins."""


class Task:
    """The task function that Hydra calls: `Experiments`, imported when it is called.

    Args:
        based_on: The run that is varied, if one is.
        base: Its configuration as it was composed.

    Attributes:
        codes: The exit codes of what this process ran and did not end well.
        ready: The single run that is to be run, if it was prepared already, and what will deliver it.
    """

    def __init__(self, based_on: str, base: "Config | None") -> None:
        self.based_on, self.base = based_on, base
        self.codes: list[int] = []
        self.ready: tuple[Prepared, Follower] | None = None

    @cached_property
    def in_sweeps(self) -> "Experiments":
        """The task for our sweeper."""
        from wavesweep.cli.task import Experiments

        return Experiments(self.codes, self.based_on, self.base)

    def end(self) -> None:
        """End what was started for a sweep."""
        if "in_sweeps" in vars(self):
            self.in_sweeps.end()

    def __call__(self, composed: "DictConfig") -> float:
        """Run one job; return its objective."""
        if self.ready is not None:
            return self.in_sweeps.run_alone(composed, *self.ready)
        return self.in_sweeps(composed)


def run_hydra(
    arguments: list[str], config_name: str = "config", based_on: str = "", base: "Config | None" = None
) -> int:
    """Run a Hydra command line; return its exit code.

    Args:
        arguments: Of the command line.
        config_name: What it changes: conf/config.yaml, or a configuration that is offered (see `composing.offer`).
        based_on: The run that it varies, if it does.
        base: The configuration of that run as it was composed.
    """
    task = Task(based_on, base)
    try:
        check_passwords(arguments)
        flags = read_flags(arguments)
        _check_before_hydra(flags)
        _call_hydra(arguments, flags, config_name, task)
    except Refused as error:
        return refuse(str(error))
    finally:
        task.end()
    check()  # a signal may have ended a sweep
    return min(task.codes, key=SEVERITY.index, default=0)


def _check_before_hydra(flags: Namespace) -> None:
    """Refuse a command line that Hydra would take for another one, or refuse in words of its own."""
    overrides = read_overrides(flags.overrides)
    check_kinds(flags.overrides)
    _check_name(flags.config_name)
    for place in filter(None, [flags.config_dir, flags.config_path]):
        if Path(place, "run.json").exists():
            raise Refused(f"{place} is a run, no folder of options; wavesweep reproduce {place} runs it again")
    if flags.config_dir:
        if not Path(flags.config_dir).is_dir():
            raise Refused(f"--config-dir must be a directory, got {Path(flags.config_dir).absolute()}")
        check_names(Path(flags.config_dir), flags.config_name)
    for override in overrides:
        searched = override.value()
        if override.key_or_group == "hydra.searchpath" and isinstance(searched, list):
            check_searched(map(str, searched))


def _check_name(name: str | None) -> None:
    """Refuse a name of a whole configuration that Hydra would take for something else."""
    if name is None:
        return
    group, _, option = name.partition("/")
    if option and group in groups():
        raise Refused(f"--config-name must name a whole configuration, got an option; give {group}={option}")
    if not name or name.startswith("/") or ".." in Path(name).parts:
        raise Refused(f"--config-name must name a file of conf/ or --config-dir, got {shown(name)}; leave it out")


def _call_hydra(arguments: list[str], flags: Namespace, config_name: str, task: Task) -> None:
    """Let Hydra run a command line.

    Raises:
        Refused: If Hydra can't compose a configuration by it.
    """
    try:
        with _as_command_line(with_tags(arguments)), calling_first(_guard), _showing(flags):
            hydra.main(config_path=str(conf_dir()), config_name=config_name, **calling_only(TARGETS))(task)()
    except (Refused, MemoryError):
        raise
    except Exception as error:  # of composing, since jobs catch their own
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        raise Refused(_explain(error, flags, config_name)) from None


@contextmanager
def _showing(flags: Namespace) -> Iterator[None]:
    """Refuse a part of the configuration that is to be shown, but isn't there; Hydra ends with 1 then, and 2 is ours.

    Raises:
        Refused: If it isn't there.
    """
    try:
        with redirect_stderr(io.StringIO()) if flags.cfg and flags.package else nullcontext():
            yield
    except SystemExit as ended:
        if not (flags.cfg and flags.package and ended.code == 1):
            raise
        where = "hydra" if flags.cfg == "hydra" else "job"
        way_out = f"wavesweep --cfg {where} shows all keys"
        raise Refused(f"--package must be a key of the configuration, got {flags.package}; {way_out}") from None


def _guard() -> "Callback":
    from wavesweep.cli.guard import Guard  # which help and --cfg do without

    return Guard()


@contextmanager
def _as_command_line(arguments: list[str]) -> Iterator[None]:
    """Put arguments where `hydra.main` reads them, and let it raise errors instead of printing them and exiting with 1.

    It takes neither as a parameter: it reads `sys.argv` and the environment.
    """
    argv = sys.argv
    full_error = os.environ.get("HYDRA_FULL_ERROR", "")
    sys.argv = [argv[0], *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        os.environ["HYDRA_FULL_ERROR"] = full_error


def _explain(error: Exception, flags: Namespace, config_name: str) -> str:
    """Return in one line why Hydra can't compose a command line."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is None:  # it lacks no file, but all
        return f"--config-path={flags.config_path} is not there; --config-dir adds a folder of options"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file in (flags.config_name, config_name):
        return f"--config-name={error.missing_cfg_file} is no file of conf/ or --config-dir; leave it out"
    return explain(error, flags.overrides)
