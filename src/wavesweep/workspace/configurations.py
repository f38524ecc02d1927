"""Reading the configurations that runs and sweeps stored, as strictly as what is typed."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra_queue_sweeper.base.errors import Refused, first_of
from wavesweep.base.stored import leaves, read_yaml
from wavesweep.config.config import Config, Kind, Resolved, digest, dump, flatten, parse, parse_resolved
from wavesweep.config.credentials import check_trusted
from wavesweep.files.copies import keep_copy_of
from wavesweep.workspace.directory import Directory, RunDirectory


def read_config(directory: Directory, local: Config, keys: Iterable[str], *, trust: bool = False) -> Config:
    """Read the configuration that a run or a sweep stored.

    Args:
        directory: Of the run or the sweep.
        local: What is configured here and now.
        keys: Those of its values, by dotted key, that take the place of the stored ones.
        trust: Whether a server that it names may be sent passwords that are for another.

    Raises:
        Refused: If it can't be used.
    """
    begin = tuple(f"{key}." for key in keys)  # of `tracking.tags`, all keys below it
    here = flatten(dump(local)).items()
    config = read_written(directory.config, {key: value for key, value in here if f"{key}.".startswith(begin)})
    if not trust:
        check_trusted(config.tracking, local.tracking, directory.path)
    return config


def check_unchanged(directory: RunDirectory) -> None:
    """Make sure that a stored configuration is the one with which the run began, where its run.json tells.

    Raises:
        Refused: If it is another.
    """
    if directory.exists() and directory.read_info().config_digest != digest(directory.read_config()):
        raise Refused(f"{directory.config} was changed since the run began; undo that, or start a new run")


def read_written(path: Path, instead: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration from a file; what a run stored is one too.

    Args:
        path: Of its file: plain values, which choose among known parts and can't run code.
        instead: Values by dotted key that take the place of the stored ones.

    Raises:
        Refused: If it can't be used.
    """
    return _read(path, instead or {}, parse)


def read_resolved(path: Path) -> Resolved:
    """Read the configuration that a run stored, in which nothing is left open; see `read_written`."""
    return _read(path, {}, parse_resolved)


def _read(path: Path, instead: Mapping[str, Any], parse_values: Callable[[dict[str, Any]], Kind]) -> Kind:
    values = read_yaml(path)
    try:
        for key, value in instead.items():
            *around, name = key.split(".", 2)
            place = values
            for part in around:
                place = place[part]
            place[name] = value
    except (AttributeError, KeyError, TypeError) as error:
        raise Refused(f"{path} is no configuration ({error}); restore it") from None
    if any("${" in str(value) for value in leaves(values)):
        raise Refused(f"{path} must hold plain values, got ${{…}}; write the value itself")
    try:
        config = parse_values(values)
    except Refused as error:
        raise Refused(f"{path}: {first_of(error)}") from None
    if file := config.dataset.file:
        keep_copy_of(RunDirectory(path.parent).data, *file)
    return config
