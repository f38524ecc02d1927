"""What is known of a run beside its configuration and its metrics."""

import time
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import uuid4

from pydantic import ConfigDict, TypeAdapter

Status = Literal["running", "finished", "diverged", "pruned", "failed", "killed"]
COMPLETE = ("finished", "diverged", "pruned")


@dataclass(frozen=True)
class RunInfo:
    """The record of a run beside its configuration and its metrics; kept in run.json.

    Attributes:
        overrides: What was overridden on the command line; tracking aside, whose address may hold a secret.
        choices: The option chosen in each config group.
        sweep_id: The sweep that it belongs to, if any.
        run_key: Tells the run from all others, in MLflow too.
        status: How it stands.
        started: Milliseconds since 1970.
        ended: Likewise; None while it runs.
        tags: Versions, commit and hash that it ran on; at its end the epoch kept and the digest of its weights.
        config_digest: Of the configuration (see `config.digest`); empty where an older version began the run.
        inputs: Digest and shape of each part of the data.
        description: What a reader should know, in Markdown.
    """

    overrides: list[str]
    choices: dict[str, str]
    sweep_id: str | None
    run_key: str = field(default_factory=lambda: uuid4().hex)
    status: Status = "running"
    started: int = field(default_factory=lambda: now())
    ended: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    config_digest: str = ""
    inputs: list[dict[str, Any]] = field(default_factory=list)
    description: str = ""

    __pydantic_config__ = ConfigDict(strict=True)

    @property
    def name(self) -> str:
        """The run's name: what was overridden."""
        return " ".join(self.overrides) or "defaults"

    @property
    def complete(self) -> bool:
        """Whether there is nothing to resume."""
        return self.status in COMPLETE

    def finished(self, status: Status, description: str) -> "RunInfo":
        """Return the same with its end."""
        return replace(self, status=status, description=description, ended=now())


INFO = TypeAdapter(RunInfo)


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
