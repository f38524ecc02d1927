"""What is known of a run beside its configuration: run.json, and the records of its epochs."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Annotated, Any, BinaryIO, Literal
from uuid import uuid4

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

Status = Literal["running", "finished", "diverged", "pruned", "failed", "killed"]
COMPLETE = ("finished", "diverged", "pruned")
Variety = Literal["values", "interval", "log"]
"""How a key's values are best drawn: one by one, along an axis, or along a logarithmic one."""
Time = Annotated[int, Field(ge=0, lt=1 << 53)]
MOST_LINE = 1 << 16  # bytes of a record
MOST_VALUES = 1 << 23  # of all records: of almost a million epochs


def _check_input(part: dict[str, Any]) -> dict[str, Any]:
    texts, shape = [part.get(name) for name in ("context", "digest", "name")], part.get("shape")
    if not all(isinstance(text, str) for text in texts) or not isinstance(shape, list) or len(shape) != 3:
        raise ValueError("it must have a context, a digest, a name, and a shape of three numbers")
    return part


@dataclass(frozen=True)
class RunInfo:
    """The record of a run beside its configuration and its metrics; kept in run.json.

    Attributes:
        overrides: What was overridden on the command line; tracking aside, whose address may hold a secret.
        choices: The option chosen in each config group.
        sweep_id: The sweep that it belongs to, if any.
        name: What it is called.
        run_key: Tells the run from all others, in MLflow too.
        status: How it stands.
        started: Milliseconds since 1970.
        ended: Likewise; None while it runs.
        tags: Versions, commit and hash that it ran on; at its end the epoch kept and the digest of its weights.
        config_digest: Of the configuration (see `config.digest`); empty in the record of a sweep.
        inputs: Digest and shape of each part of the data.
        description: What a reader should know, in Markdown.
        varied: Of a sweep, the keys that its jobs vary, and how.
        params: What MLflow gets as parameters beside the configuration.
    """

    overrides: list[str]
    choices: dict[str, str]
    sweep_id: str | None
    name: str
    run_key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] = field(default_factory=lambda: uuid4().hex)
    status: Status = "running"
    started: Time = field(default_factory=lambda: now())
    ended: Time | None = None
    tags: dict[str, str] = field(default_factory=dict)
    config_digest: str = ""
    inputs: list[Annotated[dict[str, Any], AfterValidator(_check_input)]] = field(default_factory=list)
    description: str = ""
    varied: dict[str, Variety] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)

    __pydantic_config__ = ConfigDict(strict=True)

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


def parse_records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """Read records, a line each: numbers by name, null where one was not finite; a last line without its end is none.

    Raises:
        ValueError, RecursionError: If a line holds something else, or there are more than memory should hold.
    """
    left = MOST_VALUES
    while (line := file.readline(MOST_LINE)).endswith(b"\n"):
        row = json.loads(line)
        whole = isinstance(row, dict) and all(map(_is_time, (row.get("timestamp"), row.get("epoch", 0))))
        if not whole or not all(value is None or _is_number(value) for value in row.values()):
            raise ValueError(f"a line must hold a record, got {line[:40].decode(errors='replace')!r}")
        left -= len(row)
        if left < 0:
            raise ValueError(f"it must hold at most {MOST_VALUES} values")
        yield row
    if len(line) == MOST_LINE:
        raise ValueError(f"a line must have less than {MOST_LINE} bytes")


def _is_time(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _is_number(value: object) -> bool:
    return (type(value) is float and isfinite(value)) or (type(value) is int and abs(value) < 1 << 53)
