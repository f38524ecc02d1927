"""What jobs returned, held in little memory until the sweep ends."""

import traceback
import zlib
from contextlib import suppress
from typing import Any

from hydra.core.utils import JobReturn

from hydra_queue_sweeper.base import hydra_internals
from hydra_queue_sweeper.base.pickling import dumps, loads

CONFIGURATIONS = ("cfg", "hydra_cfg")


class PackedReturn(JobReturn):
    """What a job returned, with its configurations packed: each takes 80 kB as an object, 3 kB so.

    Args:
        job: What Hydra gave for the job.

    Raises:
        Exception: If a configuration can't be pickled.
    """

    def __init__(self, job: JobReturn) -> None:
        held = dict(vars(job))
        configurations = {name: held.pop(name) for name in CONFIGURATIONS}
        self.__dict__.update(held, packed=zlib.compress(dumps(configurations)))

    @property
    def cfg(self) -> Any:  # type: ignore[override]
        """The job's configuration: each time another object."""
        return self._configurations()["cfg"]

    @property
    def hydra_cfg(self) -> Any:  # type: ignore[override]
        """Hydra's own configuration of the job: each time another object."""
        return self._configurations()["hydra_cfg"]

    def _configurations(self) -> dict[str, Any]:
        return loads(zlib.decompress(vars(self)["packed"]))


def packed(job: JobReturn) -> JobReturn:
    """Return what a job returned without what only takes memory, as all that an error's traceback refers to."""
    outcome = hydra_internals.outcome(job)
    if isinstance(outcome, BaseException):
        for error in _chain(outcome):
            traceback.clear_frames(error.__traceback__)
    with suppress(Exception):  # a launcher that starts no process takes configurations that can't be pickled, too
        return PackedReturn(job)
    return job


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and all that it came from, each once: an error can be its own cause."""
    found, left = [], [error]
    while left:
        one = left.pop()
        if one not in found:
            found.append(one)
            left += [other for other in (one.__cause__, one.__context__) if other is not None]
    return found
