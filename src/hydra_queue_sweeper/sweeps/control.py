"""What a sweep's workers obey: one small file that is there from its start, and is replaced whenever it changes.

A file that comes and goes would not do: a node of a network file system that has looked for one in vain goes on not to
see it for half a minute.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from hydra_queue_sweeper.base.files import read_small, write_atomically
from hydra_queue_sweeper.base.locks import make_lock
from hydra_queue_sweeper.sweeps.store import SweepDirectory

REACHED = "since the target is reached"


@dataclass(frozen=True)
class Control:
    """What holds for all workers.

    Attributes:
        launch: The start of the sweep that this is of; workers of another one end.
        is_detached: Whether workers outlive what started them.
        claims: Where trials are claimed.
        stop: Whether workers are to end, as after a signal.
        enough: Why no further job is to begin; empty as long as further ones are.
        until: When no further job is to begin, in seconds since 1970; None: there is no such time.
    """

    launch: str = ""
    is_detached: bool = False
    claims: Literal["directory", "postgresql"] = "directory"
    stop: bool = False
    enough: str = ""
    until: float | None = None

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")


_CONTROL = TypeAdapter(Control)


def read_control(sweep: SweepDirectory) -> Control:
    """Return what holds now; of a sweep that was never started, or whose file is damaged, nothing."""
    with suppress(FileNotFoundError, ValueError):
        return _CONTROL.validate_json(read_small(sweep.control))
    return Control()


def write_control(sweep: SweepDirectory, control: Control) -> None:
    """Let a start of the sweep have its own."""
    with _lock(sweep):
        write_atomically(sweep.control, _CONTROL.dump_json(control))


def change_control(sweep: SweepDirectory, **changes: Any) -> None:
    """Change what holds; what others change meanwhile stays."""
    with _lock(sweep):
        write_atomically(sweep.control, _CONTROL.dump_json(replace(read_control(sweep), **changes)))


def end_early(sweep: SweepDirectory, why: str) -> None:
    """Let no further job begin; say why in a few words."""
    change_control(sweep, enough=why)


def why_enough(sweep: SweepDirectory) -> str:
    """Return why no further job was to begin; nothing if that is not so."""
    control = read_control(sweep)
    return "since it was stopped" if control.stop else control.enough


def _lock(sweep: SweepDirectory) -> Any:
    return make_lock(sweep.path / ".control.lock", poll_interval=0.01)
