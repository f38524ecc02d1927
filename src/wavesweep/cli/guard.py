"""What is refused once Hydra has composed a configuration, before it writes anything."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import check_length
from hydra_queue_sweeper.base.redaction import NO_PASSWORDS, without_password
from wavesweep.cli.arguments import refuse
from wavesweep.config.composing import typed
from wavesweep.config.groups import check_names, check_searched, conf_dir
from wavesweep.config.hydra_objections import explain
from wavesweep.workspace.places import check_free

if TYPE_CHECKING:
    from wavesweep.experiment.preparation import Prepared
    from wavesweep.tracking.follower_handle import Follower

OF_SWEEPS = ("hydra.sweep", "hydra/sweep", "hydra.launcher", "hydra/launcher")
"""How the keys of Hydra's begin that only sweeps read."""


class Guard(Callback):
    """Hydra callback that refuses before Hydra writes anything, and hands what it has prepared to the task."""

    def __init__(self) -> None:
        self._ready: tuple[Prepared, Follower] | None = None

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 if a single run is going to be refused."""
        with _refusing():
            parsed = typed(config)
            _check_mode(config, multirun=False)
            _check_options(config)
            _check_place(config, "hydra.run.dir")
            from wavesweep.experiment.preparation import prepare  # imports numpy, which a wrong key need not wait for
            from wavesweep.tracking.follower_handle import Follower

            check_free(Path(config.hydra.run.dir))
            follower = Follower(parsed.tracking)
            with ExitStack() as unless_refused:
                unless_refused.push(follower)
                self._ready = prepare(parsed, follower.require), follower
                unless_refused.pop_all()

    def on_job_start(self, config: DictConfig, *, task_function: Any, **_: Any) -> None:
        """Let the task run what was prepared, instead of preparing it again."""
        if self._ready is not None:
            task_function.ready = self._ready

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 where a sweep can't be written, or its configuration would store a password."""
        with _refusing():
            _check_mode(config, multirun=True)
            _check_options(config)
            _check_place(config, "hydra.sweep.dir")
            if config.hydra.runtime.choices["hydra/sweeper"] != "queue":  # which looks by itself
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


def _check_mode(config: DictConfig, *, multirun: bool) -> None:
    """Refuse overrides of Hydra's that would be ignored: of sweeps, where one run begins, and the other way round."""
    overrides: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)  # they may refer to a job's
    for text in overrides:
        key = text.lstrip("+~")
        if not multirun and key.startswith(OF_SWEEPS):
            raise Refused(f"{text} is for a sweep; add -m, or leave it out")
        if multirun and key.startswith(("hydra.run.", "hydra.run=")):
            raise Refused(f"{text} is for a single run; hydra.sweep.dir names the directory of a sweep")


def _check_options(config: DictConfig) -> None:
    """Refuse options of Hydra's by which files would be sought or written elsewhere than it seems."""
    if config.hydra.job.chdir:
        raise Refused("hydra.job.chdir must be false, since outputs/ and tracking.uri are seen from here, got true")
    _check_inside("hydra.output_subdir", config.hydra.output_subdir or "")
    _check_inside("hydra.job.name", config.hydra.job.name)
    sources = config.hydra.runtime.config_sources
    check_searched(f"{source.schema}://{source.path}" for source in sources)
    folders = [Path(source.path) for source in sources if source.schema == "file"]
    if conf_dir() in folders:  # else --config-path replaced them all
        for folder in folders:
            check_names(folder)


def _check_inside(key: str, name: str) -> None:
    """Refuse the name of a file or a folder that would not lie in the run's or sweep's own directory."""
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise Refused(f"{key} must name a place within the run's own directory, got {name}; leave it out")
    check_length(Path(name))


def _check_place(config: DictConfig, key: str) -> None:
    """Refuse a directory that can't be made or written."""
    place = OmegaConf.select(config, key)
    if not place:
        raise Refused(f"{key} must not be empty, got nothing; leave it out, or name a directory")
    check_length(Path(place))  # before it is looked for, which fails
    there = next(path for path in (Path(place), *Path(place).absolute().parents) if path.exists())
    if not there.is_dir():
        raise Refused(f"{place} can't be made: {there} is a file; move it away, or choose another {key}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise Refused(f"{place} can't be made: {there} is not writable; make it so, or choose another {key}")
