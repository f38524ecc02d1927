"""Finding runs that stand on disk, and reading their configuration again."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wavesweep.base.errors import Refused
from wavesweep.config.config import Config, dump, flatten, parse
from wavesweep.runs.directory import RunDirectory
from wavesweep.runs.parents import PARENT, SweepRecord


def find_runs(place: Path) -> list[RunDirectory]:
    """Return the runs and, as their parents, the sweeps at and below a place, in the order of their paths.

    Raises:
        Refused: If there is no such directory.
    """
    if not place.is_dir():
        raise Refused(f"{place} must be a run's directory, or one that holds runs, but is not there; name another")
    kinds = {"run.json": RunDirectory, PARENT: SweepRecord}
    return [kind(folder) for folder, files in folders(place) for name, kind in kinds.items() if name in files]


def folders(place: Path) -> Iterator[tuple[Path, list[str]]]:
    """Walk through folders, each with its files; not into runs, nor into MLflow's copies of them."""
    for folder, below, files in os.walk(place):
        below.sort()
        if "run.json" in files:
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
    values, configured = directory.read_config(), flatten(dump(local))
    try:
        for key in keys:
            group, _, name = key.partition(".")
            values[group][name] = configured[key]
        plain = flatten(values)
    except (AttributeError, KeyError, TypeError) as error:
        raise Refused(f"{directory.config} is no configuration ({error}); restore it") from None
    if any("${" in str(value) for value in plain.values()):
        raise Refused(f"{directory.config} must hold plain values, got ${{…}}; write the value itself")
    try:
        return parse(values)
    except Refused as error:
        problem, *more = str(error).splitlines()
        raise Refused(f"{directory.config}: {problem}{f' (and {len(more)} more)' if more else ''}") from None
