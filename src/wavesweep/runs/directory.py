"""The directory of a run, or of a sweep as their parent: files and lock. They are the truth, MLflow has a copy."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wavesweep.base import files
from wavesweep.base.errors import Refused, in_short
from wavesweep.config.tag_names import KEPT_EPOCH
from wavesweep.models.metric_names import OBJECTIVE, is_metric
from wavesweep.runs.info import INFO, RunInfo, now, parse_records

if TYPE_CHECKING:
    from filelock import FileLock

T = TypeVar("T")
MOST_RECORDS, MOST_WEIGHTS = 1 << 28, 1 << 32  # bytes


class InUse(Refused):
    """Another process holds a directory's lock."""


class RunDirectory:
    """Names, lock and safe writing of a run's files."""

    is_sweep = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.composed = path / "composed.yaml"  # the configuration before anything was filled in
        self.changes = path / "local_changes.patch"  # from the commit to the code that ran
        self.info = path / files.RUN
        self.metrics = path / "metrics.jsonl"
        self.weights = path / "model.safetensors"
        self.checkpoint = path / "checkpoint.pt"
        self.previous_checkpoint = path / "checkpoint.previous.pt"
        self.plots = path / "plots"
        self.model = path / "model"
        self.data = path / "data"  # a copy of the file that was read
        self.undelivered = path / ".undelivered"  # is there while MLflow is known to lack something
        self._artifacts = (self.config, self.composed, self.changes, self.metrics, self.weights, self.plots, self.model)
        self._artifacts += (self.data,)
        others = (self.info, self.checkpoint, self.previous_checkpoint, self.undelivered)
        self._own = [*(file.name for file in (*self._artifacts, *others)), ".lock", ".parent.lock", files.LOG]
        self._lock: FileLock | None = None
        self._recorded: set[int | None] | None = None

    @contextmanager
    def locked(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the directory's lock, which may be taken again by whoever holds it through this object.

        Args:
            patience: Seconds to wait for it, since `sync` may hold it for a while.

        Raises:
            InUse: If another process holds it.
            Refused: If something that is written to is a link or a device.
        """
        from filelock import FileLock, Timeout

        if self._lock is None:
            self.check_plain()
            self._lock = FileLock(self.path / ".lock")
        try:
            held = self._lock.acquire(timeout=patience)
        except Timeout:
            raise InUse(
                f"{self.path} is in use by another process; wait for its end, or choose another directory"
            ) from None
        with held:
            yield

    def check_plain(self) -> None:
        """Refuse links and devices in the place of what is written to."""
        files.check_plain(self.path, self._own)

    def read_config(self) -> dict[str, Any]:
        """Read the complete configuration, or raise Refused if that can't be read."""
        return files.read_yaml(self.config)

    def read_weights(self) -> bytes:
        """Read model.safetensors, empty where there is none, or raise Refused if it can't be read."""
        try:
            return files.read_small(self.weights, MOST_WEIGHTS) if self.weights.exists() else b""
        except ValueError as error:
            raise Refused(f"{self.weights}: {error}; restore it") from None

    def write_info(self, info: RunInfo) -> None:
        """Write run.json, after the records."""
        self.sync_metrics()
        files.write_atomically(self.info, INFO.dump_json(info, indent=2))

    def read_info(self) -> RunInfo:
        """Read run.json, or raise Refused if that can't be read."""
        try:
            return INFO.validate_json(files.read_small(self.info))
        except ValueError as error:
            raise Refused(f"{self.info} is damaged, or of another version ({in_short(error)}); restore it") from None

    def mark_vanished(self) -> None:
        """Mark a run that counts as running killed; whoever calls holds its lock."""
        info = self.read_info()
        if info.status == "running":
            ended = max([info.started, *(row["timestamp"] for row in self.read_metrics())])
            self.remove_parts()
            self.write_info(replace(info, status="killed", ended=ended))

    def append_metrics(self, epoch: int | None, metrics: dict[str, float]) -> None:
        """Add a record, of an epoch or (None) of what is measured once; one that is there already stays as it is.

        A resumed run may do an epoch again, to the same values; the first record's timestamp is the one that
        MLflow knows. A value that is not finite is written as null.
        """
        if self._recorded is None:
            self._drop_torn_line()
            self._recorded = {row.get("epoch") for row in self.read_metrics()}
        if epoch in self._recorded:
            return
        self._write_record(epoch, metrics)
        self._recorded.add(epoch)

    def _write_record(self, epoch: int | None, metrics: dict[str, float]) -> None:
        finite = {key: value if abs(value) < float("inf") else None for key, value in metrics.items()}
        line = json.dumps(({} if epoch is None else {"epoch": epoch}) | {"timestamp": now()} | finite)
        with files.naming(self.metrics), self.metrics.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def sync_metrics(self) -> None:
        """Make the records outlast a power failure, before a checkpoint, MLflow or run.json knows what follows them."""
        if self.metrics.exists():
            with files.naming(self.metrics), self.metrics.open("ab") as file:
                os.fsync(file.fileno())

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read all records, in the order in which they were written; a last one without its end is none.

        Raises:
            Refused: If another can't be read.
        """
        if not self.metrics.exists():
            return []
        try:
            with files.open_small(self.metrics, MOST_RECORDS) as file:
                return list(parse_records(file))
        except (ValueError, RecursionError) as error:
            raise Refused(f"{self.metrics} is damaged ({in_short(error)}); restore it, or start a new run") from None

    def read_scores(self) -> dict[int, dict[str, float]]:
        """Read the metrics of each recorded epoch, and as of epoch 0 what is measured once; nan what was not finite."""
        nan = float("nan")
        return {
            row.get("epoch", 0): {key: nan if row[key] is None else row[key] for key in filter(is_metric, row)}
            for row in self.read_metrics()
        }

    def read_objectives(self) -> dict[int, float]:
        """Read the objective at each recorded epoch, nan where it was not finite."""
        if not self.config.exists():
            return {}
        name = str(self.read_config().get("objective"))
        scores = {epoch: row.get(name) for epoch, row in self.read_scores().items() if epoch}
        if None in scores.values():
            raise Refused(f"{self.metrics} is damaged (an epoch must have the objective {name}); restore it")
        return scores  # type: ignore[return-value]

    def read_kept_epoch(self) -> int:
        """Read which epoch's weights a run kept that has finished or diverged, or raise Refused."""
        text = self.read_info().tags.get(KEPT_EPOCH, "")
        if not re.fullmatch("[0-9]{1,10}", text):
            raise Refused(f"{self.info} is damaged (the tag {KEPT_EPOCH} must be an epoch); restore it")
        return int(text)

    def read_objective(self) -> float:
        """Read the objective of the epoch whose weights a complete run kept: nan where it diverged."""
        if self.read_info().status != "finished":
            return float("nan")
        recorded = self.of_kept_epoch(self.read_objectives())
        return self.read_scores().get(0, {}).get(OBJECTIVE, recorded)

    def of_kept_epoch(self, by_epoch: dict[Any, T]) -> T:
        """Return what belongs to the epoch whose weights a complete run kept, or raise Refused if there is nothing."""
        epoch = self.read_kept_epoch()
        if epoch not in by_epoch:
            raise Refused(f"{self.metrics} is damaged (it lacks the kept epoch {epoch}); restore it")
        return by_epoch[epoch]

    def _drop_torn_line(self) -> None:
        if self.metrics.exists():
            whole, newline, torn = files.read_small(self.metrics, MOST_RECORDS).rpartition(b"\n")
            if torn:
                files.write_atomically(self.metrics, whole + newline)

    def save_checkpoint(self, content: bytes) -> None:
        """Write a checkpoint behind its digest, and keep the one before it."""
        temporary = files.write_synced(self.checkpoint, files.seal(content))
        if self.checkpoint.exists():
            self.checkpoint.replace(self.previous_checkpoint)
        temporary.replace(self.checkpoint)
        files.sync_directory(self.path)

    def remove_leftovers(self) -> None:
        """Remove checkpoints and temporary files, which a run needs only until it has ended."""
        self.checkpoint.unlink(missing_ok=True)
        self.previous_checkpoint.unlink(missing_ok=True)
        self.remove_parts()

    def remove_parts(self) -> None:
        """Remove what a killed process left half written."""
        files.remove_parts(self.path.rglob(".*"))

    def figure(self, name: str) -> Path:
        """Return the path of a picture, in a folder that exists."""
        self.plots.mkdir(exist_ok=True)
        return self.plots / f"{name}.png"

    def artifacts(self) -> Iterable[Path]:
        """Return the files and folders that travel to MLflow."""
        return (path for path in self._artifacts if path.exists())


class SweepRecord(RunDirectory):
    """A sweep's directory as MLflow sees it: the parent of its runs, with the configuration of one of its jobs."""

    is_sweep = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.info = path / files.PARENT
        self._artifacts = (path / "multirun.yaml", path / "leaderboard.csv", self.plots, self.data)
        self._own += [self.info.name, *(file.name for file in self._artifacts)]

    def append_metrics(self, epoch: int | None, metrics: dict[str, float]) -> None:
        """Add a record of what is known once so many jobs have ended, unless that is what the last one says.

        Where fewer have, since failed ones run again, it still comes last: MLflow shows that of the highest step.
        """
        self._drop_torn_line()
        last = (self.read_metrics() or [{}])[-1]
        if {key: value for key, value in last.items() if is_metric(key)} != metrics:
            self._write_record(max(epoch or 0, last.get("epoch", 0)), metrics)

    def remove_parts(self) -> None:
        """Leave those of its runs alone, which may have outlived it."""
        files.remove_parts([*self.path.glob(".*"), *self.plots.glob(".*")])
