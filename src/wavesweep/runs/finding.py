"""Finding runs that stand on disk, reading their configuration again, and finding room for new ones."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wavesweep.base.errors import Refused, first_of, in_one_line
from wavesweep.base.files import PARENT, RUN, check_free, fresh_name, leaves, read_yaml
from wavesweep.config.config import Config, Kind, Resolved, digest, dump, flatten, parse, parse_resolved
from wavesweep.files.copies import keep_copy_of
from wavesweep.runs.directory import RunDirectory, SweepRecord


def find_runs(place: Path) -> list[RunDirectory]:
    """Return the runs and, as their parents, the sweeps at and below a place, in the order of their paths.

    Raises:
        Refused: If there is no such directory.
    """
    if not place.is_dir():
        raise Refused(f"{place} must be a run's directory, or one that holds runs, but is not there; name another")
    kinds = {RUN: RunDirectory, PARENT: SweepRecord}
    return [kind(folder) for folder, files in folders(place) for name, kind in kinds.items() if name in files]


def runs_below_outputs() -> list[RunDirectory]:
    """Return the runs and sweeps below outputs/, none where that is not there."""
    return find_runs(Path("outputs")) if Path("outputs").is_dir() else []


def new_directory() -> RunDirectory:
    """Return a directory of its own for a new run below outputs/runs; it is not made yet."""
    return RunDirectory(Path("outputs", "runs", fresh_name()).absolute())


def take(directory: RunDirectory) -> None:
    """Make the directory of a new run, of which its user chose the place.

    Raises:
        Refused: If it can't be made, or is not new or empty.
    """
    try:
        check_free(directory.path)
        directory.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(in_one_line(error, "name another directory")) from None


def folders(place: Path) -> Iterator[tuple[Path, list[str]]]:
    """Walk through folders, each with its files; not into runs, nor into MLflow's copies of them."""
    for folder, below, files in os.walk(place):
        below.sort()
        if RUN in files:
            below.clear()
        elif "mlartifacts" in below:
            below.remove("mlartifacts")
        yield Path(folder), files


def read_config(directory: RunDirectory, local: Config, keys: Iterable[str]) -> Config:
    """Read the configuration that a run stored, as strictly as one that was typed.

    Args:
        directory: Of the run.
        local: What is configured here and now.
        keys: Those of its values, by dotted key, that take the place of the stored ones.

    Raises:
        Refused: If it can't be used.
    """
    begin = tuple(f"{key}." for key in keys)  # of `tracking.tags`, all keys below it
    return read_written(
        directory.config, {key: value for key, value in flatten(dump(local)).items() if f"{key}.".startswith(begin)}
    )


def check_unchanged(directory: RunDirectory) -> None:
    """Make sure that a stored configuration is the one with which the run began, where its run.json tells.

    Raises:
        Refused: If it is another.
    """
    if directory.info.exists() and directory.read_info().config_digest not in ("", digest(directory.read_config())):
        raise Refused(f"{directory.config} was changed since the run began; undo that, or start a new run")


def read_written(path: Path, instead: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration from a file, as strictly as one that was typed; what a run stored is one too.

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
