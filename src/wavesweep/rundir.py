"""The files of a run: one directory, one run, one lock. What stands here is the truth, MLflow has a copy."""

import json
import os
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

Status = Literal["running", "finished", "diverged", "failed", "killed"]


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run beside its configuration and its metrics; kept in run.json.

    Attributes:
        overrides: What was overridden on the command line; tracking aside, whose address may hold a secret.
        choices: The option chosen in each config group.
        sweep_id: The sweep that it belongs to, if any.
        config_dir: The user's own folder of options, if any.
        run_key: Tells the run from all others, in MLflow too.
        status: How it stands.
        started: Milliseconds since 1970.
        ended: Likewise; None while it runs.
        tags: Versions, commit and hash that it ran on; at its end the epoch kept and the digest of its weights.
        inputs: Digest and shape of each part of the data.
        description: What a reader should know, in Markdown.
    """

    overrides: list[str]
    choices: dict[str, str]
    sweep_id: str | None
    config_dir: str | None = None
    run_key: str = field(default_factory=lambda: uuid4().hex)
    status: Status = "running"
    started: int = field(default_factory=lambda: now())
    ended: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    description: str = ""

    @property
    def name(self) -> str:
        """The run's name: what was overridden."""
        return " ".join(self.overrides) or "defaults"

    def finished(self, status: Status, description: str) -> "RunInfo":
        """Return the same with its end."""
        return replace(self, status=status, description=description, ended=now())


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class RunDirectory:
    """Names, lock and safe writing of a run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.info = path / "run.json"
        self.metrics = path / "metrics.jsonl"
        self.weights = path / "model.safetensors"
        self.checkpoint = path / "checkpoint.pt"
        self.plots = path / "plots"
        self.model = path / "model"
        self._lock: AbstractContextManager[Any] | None = None

    def lock(self) -> AbstractContextManager[Any]:
        """Return the directory's lock, which may be taken again by whoever holds it through this object.

        Raises (when entered):
            filelock.Timeout: If another process holds it.
        """
        if self._lock is None:
            from filelock import FileLock

            self._lock = FileLock(self.path / ".lock", timeout=0)
        return self._lock

    def write_config(self, values: dict[str, Any]) -> None:
        """Write the complete configuration."""
        import yaml

        write_atomically(self.config, yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode())

    def write_info(self, info: RunInfo) -> None:
        """Write what is known of the run."""
        write_atomically(self.info, json.dumps(asdict(info), indent=2, ensure_ascii=False).encode())

    def read_info(self) -> RunInfo:
        """Read what is known of the run."""
        return RunInfo(**json.loads(self.info.read_text("utf-8")))

    def append_metrics(self, epoch: int | None, metrics: dict[str, float]) -> None:
        """Add a record, of an epoch or (None) of what is measured once.

        A value that is not finite is written as null, which JSON has.
        """
        finite = {key: value if abs(value) < float("inf") else None for key, value in metrics.items()}
        when = {} if epoch is None else {"epoch": epoch}
        line = json.dumps({**when, "timestamp": now(), **finite})
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read all records, in the order in which they were written."""
        if not self.metrics.exists():
            return []
        return [json.loads(line) for line in self.metrics.read_text("utf-8").splitlines()]

    def drop_metrics_after(self, epoch: int) -> None:
        """Forget the records after an epoch, and those made once at the end: a resumed run makes them again."""
        rows = [row for row in self.read_metrics() if "epoch" in row and row["epoch"] <= epoch]
        kept = [json.dumps(row) + "\n" for row in rows]
        write_atomically(self.metrics, "".join(kept).encode())

    def figure(self, name: str) -> Path:
        """Return the path of a picture, in a folder that exists."""
        self.plots.mkdir(exist_ok=True)
        return self.plots / f"{name}.png"

    def artifacts(self) -> Iterable[Path]:
        """Return the files and folders that travel to MLflow."""
        candidates = (self.config, self.metrics, self.weights, self.plots, self.model)
        return (path for path in candidates if path.exists())


def seal(content: bytes) -> bytes:
    """Return content behind its SHA-256: a flipped bit would load in silence."""
    return sha256(content).digest() + content


def unseal(sealed: bytes) -> bytes:
    """Return the content that was sealed.

    Raises:
        ValueError: If it isn't what was sealed.
    """
    digest, content = sealed[:32], sealed[32:]
    if sha256(content).digest() != digest:
        raise ValueError("the file is damaged: its SHA-256 differs from the one written with it")
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file such that either the old or the whole new one is there, whatever happens."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
