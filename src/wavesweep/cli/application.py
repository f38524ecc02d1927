"""The Hydra application.

Help, completion and `--cfg` come through here: what they don't need is imported late.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.errors import MissingConfigException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wavesweep.base.errors import Refused
from wavesweep.base.exit_codes import SEVERITY
from wavesweep.base.files import check_free
from wavesweep.base.redaction import NO_PASSWORDS, without_password
from wavesweep.base.signals import check
from wavesweep.cli.arguments import check_kinds, check_mode, check_passwords, read_flags, refuse
from wavesweep.config.composing import typed, with_tags
from wavesweep.config.groups import check_names, conf_dir
from wavesweep.config.hydra_objections import explain, read_overrides

if TYPE_CHECKING:
    from wavesweep.cli.task import Experiments


class Task:
    """The task function that Hydra calls: `Experiments`, imported when it is called.

    Args:
        based_on: The run that is varied, if one is.

    Attributes:
        codes: The exit codes of what this process ran and did not end well.
    """

    def __init__(self, based_on: str) -> None:
        self.based_on = based_on
        self.codes: list[int] = []

    @cached_property
    def in_sweeps(self) -> "Experiments":
        """The task for our sweeper."""
        from wavesweep.cli.task import Experiments

        return Experiments(self.codes, self.based_on)

    def __call__(self, composed: "DictConfig") -> float:
        """Run one job; return its objective."""
        return self.in_sweeps(composed)


def run_hydra(arguments: list[str], config_name: str = "config", based_on: str = "") -> int:
    """Run a Hydra command line; return its exit code.

    Args:
        arguments: Of the command line.
        config_name: What it changes: conf/config.yaml, or a configuration that is offered (see `composing.offer`).
        based_on: The run that it varies, if it does.
    """
    task = Task(based_on)
    try:
        check_passwords(arguments)
        flags = read_flags(arguments)
        _check_before_hydra(flags)
        _call_hydra(arguments, flags, config_name, task)
    except Refused as error:
        return refuse(str(error))
    check()  # a signal may have ended a sweep
    return min(task.codes, key=SEVERITY.index, default=0)


def _check_before_hydra(flags: Namespace) -> None:
    """Refuse a command line that Hydra would take for another one, or refuse in words of its own."""
    overrides = read_overrides(flags.overrides)
    check_kinds(flags.overrides)
    if away := [text for text in flags.overrides if "hydra.callbacks.guard" in text]:
        raise Refused(f"{away[0]} would take away what keeps files of yours from being replaced; leave it out")
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
            _check_searched(map(str, searched))


def _call_hydra(arguments: list[str], flags: Namespace, config_name: str, task: Task) -> None:
    """Let Hydra run a command line.

    Raises:
        Refused: If Hydra can't compose a configuration by it.
    """
    try:
        with _read_by_hydra(with_tags(arguments)):
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(task)()
    except (Refused, MemoryError):
        raise
    except Exception as error:  # of composing, since jobs catch their own
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        raise Refused(_explain(error, flags, config_name)) from None


@contextmanager
def _read_by_hydra(arguments: list[str]) -> Iterator[None]:
    """Put arguments where `hydra.main` reads them, and let it raise errors instead of printing them and exiting with 1.

    It takes neither as a parameter: it reads `sys.argv` and the environment.
    """
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR", "")
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


class Guard(Callback):
    """Hydra callback that refuses before Hydra writes anything."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 if a single run is going to be refused."""
        with _refusing():
            parsed = typed(config)
            check_mode(_typed(config), multirun=False)
            _check_options(config)
            _check_place(config, "hydra.run.dir")
            check_free(Path(config.hydra.run.dir))
            from wavesweep.cli.task import check_alone  # imports numpy, which a wrong key need not wait for

            check_alone(parsed)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 where a sweep can't be written, or its configuration would store a password."""
        with _refusing():
            check_mode(_typed(config), multirun=True)
            _check_options(config)
            _check_place(config, "hydra.sweep.dir")
            if config.hydra.runtime.choices["hydra/sweeper"] != "wavesweep":  # which looks by itself
                check_free(Path(config.hydra.sweep.dir))
                subdir = OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"]  # type: ignore[call-overload]
                _check_inside("hydra.sweep.subdir", str(subdir))
            text = OmegaConf.to_yaml(config)
            if without_password(text) != text:
                raise Refused(f"the configuration of a sweep {NO_PASSWORDS}")


@contextmanager
def _refusing() -> Iterator[None]:
    """Exit where a callback refuses: Hydra turns all its other exceptions into warnings."""
    try:
        yield
    except Refused as error:
        sys.exit(refuse(str(error)))
    except (OSError, OmegaConfBaseException) as error:
        sys.exit(refuse(explain(error, [])))
    except Exception:  # noqa: S110
        pass  # the job will meet it again, and say so better than Hydra's warning


def _typed(config: DictConfig) -> list[str]:
    """Return the overrides of Hydra's as typed: they may refer to what only a job has."""
    return OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)  # type: ignore[return-value]


def _check_options(config: DictConfig) -> None:
    """Refuse options of Hydra's by which files would be sought or written elsewhere than it seems."""
    if config.hydra.job.chdir:
        raise Refused("hydra.job.chdir must be false, since outputs/ and tracking.uri are seen from here, got true")
    _check_inside("hydra.output_subdir", config.hydra.output_subdir or "")
    _check_inside("hydra.job.name", config.hydra.job.name)
    sources = config.hydra.runtime.config_sources
    _check_searched(f"{source.schema}://{source.path}" for source in sources)
    folders = [Path(source.path) for source in sources if source.schema == "file"]
    if conf_dir() in folders:  # else --config-path replaced them all
        for folder in folders:
            check_names(folder)


def _check_searched(places: Iterable[str]) -> None:
    """Refuse places of options that are not there: Hydra would go on without them."""
    for place in places:
        scheme, _, path = place.rpartition("://")
        if not _is_there(scheme or "file", path):
            raise Refused(f"hydra.searchpath must name directories, got {path}, which is not there; leave it out")


def _is_there(scheme: str, path: str) -> bool:
    """Say whether a folder or a package is there; of other kinds of places, only their plugins know."""
    if scheme == "file":
        return Path(path).is_dir()
    if scheme != "pkg":
        return True
    try:
        package = find_spec(path.replace("/", "."))
    except ImportError:  # of a package around it
        return False
    return package is not None and package.submodule_search_locations is not None


def _check_inside(key: str, name: str) -> None:
    """Refuse the name of a file or a folder that would not lie in the run's or sweep's own directory."""
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise Refused(f"{key} must name a place within the run's own directory, got {name}; leave it out")


def _check_place(config: DictConfig, key: str) -> None:
    """Refuse a directory that can't be made or written."""
    place = OmegaConf.select(config, key)
    if not place:
        raise Refused(f"{key} must not be empty, got nothing; leave it out, or name a directory")
    there = next(path for path in (Path(place), *Path(place).absolute().parents) if path.exists())
    if not there.is_dir():
        raise Refused(f"{place} can't be made: {there} is a file; move it away, or choose another {key}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise Refused(f"{place} can't be made: {there} is not writable; make it so, or choose another {key}")
