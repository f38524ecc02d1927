"""The directory of a run, and that of a sweep as the parent of its runs: they are the truth, MLflow has a copy."""

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra_queue_sweeper.base import files
from hydra_queue_sweeper.base.errors import InUse, Refused, in_short
from hydra_queue_sweeper.base.locks import make_lock
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from wavesweep.base import stored
from wavesweep.base.streams import LOG
from wavesweep.config.tag_names import KEPT_EPOCH
from wavesweep.evaluation.metric_names import OBJECTIVE, SCALED, is_metric, metric, sampled, watched
from wavesweep.workspace.info import INFO, RunInfo, now, parse_records
from wavesweep.workspace.places import PARENT, RUN

if TYPE_CHECKING:
    from filelock import BaseFileLock

MOST_RECORDS, MOST_WEIGHTS, MOST_BY_ORIGIN = 1 << 28, 1 << 32, 1 << 16  # bytes
LOCK, DELIVERY_LOCK, SHOWN, BY_ORIGIN = ".lock", ".delivery.lock", "shown", "by_origin.bin"


class Directory(ABC):
    """What runs and sweeps have in common: a record, metrics, pictures, and a lock that is held while they go on.

    Args:
        path: Of the directory.
        info: Name of the file that holds the record.

    Attributes:
        what: What the directory is of.
    """

    what: ClassVar[str]

    def __init__(self, path: Path, info: str) -> None:
        self.path = path
        self.info = path / info
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.plots = path / "plots"
        self.data = path / "data"  # a copy of the file that was read
        self.undelivered = path / ".undelivered"  # is there while a tracker may lack something
        self._locks: dict[str, BaseFileLock] = {}

    def exists(self) -> bool:
        """Say whether there is such a run or sweep."""
        return self.info.exists()

    @contextmanager
    def locked(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the directory's lock, which says that its run or sweep goes on.

        It may be taken again by whoever holds it through this object.

        Args:
            patience: Seconds to wait for it.

        Raises:
            InUse: If another process holds it.
            Refused: If something that is written to is a link or a device.
        """
        with self._holding(LOCK, patience, "in use by another process; wait for its end, or choose another directory"):
            yield

    @contextmanager
    def being_delivered(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the lock of delivery: one process at a time delivers it, whether it goes on or not; see `locked`."""
        with self._holding(DELIVERY_LOCK, patience, "being delivered by another process; wait for its end"):
            yield

    @contextmanager
    def _holding(self, name: str, patience: float, problem: str) -> Iterator[None]:
        from filelock import Timeout

        if name not in self._locks:
            self.check_plain()
            self._locks[name] = make_lock(self.path / name)
        try:
            held = self._locks[name].acquire(timeout=patience)
        except Timeout:
            raise InUse(f"{self.path} is {problem}") from None
        with held:
            yield

    def check_plain(self) -> None:
        """Refuse links and devices in the place of what is written to."""
        others = (self.info, self.config, self.metrics, self.undelivered)
        written = {path.name for path in (*self._artifacts(), *self._passing(), *others)}
        files.check_plain(self.path, sorted({*written, LOCK, DELIVERY_LOCK, SHOWN, BY_ORIGIN, LOG}))

    def read_config(self) -> dict[str, Any]:
        """Read the configuration, or raise Refused if that can't be read."""
        return stored.read_yaml(self.config)

    def write_info(self, info: RunInfo) -> None:
        """Write the record, after the metrics, and the mark that copies lack it."""
        self.sync_metrics()
        self.undelivered.touch()
        files.write_atomically(self.info, INFO.dump_json(info, indent=2))

    def read_info(self) -> RunInfo:
        """Read the record, or raise Refused if that can't be read."""
        try:
            return INFO.validate_json(files.read_small(self.info))
        except ValueError as error:
            raise Refused(f"{self.info} is damaged, or of another version ({in_short(error)}); restore it") from None

    def mark_vanished(self) -> None:
        """Mark what counts as running killed; whoever calls holds the lock."""
        info = self.read_info()
        if info.status == "running":
            ended = max([info.started, *(row["timestamp"] for row in self.read_metrics())])
            self.remove_parts()
            self.write_info(replace(info, status="killed", ended=ended))

    def sync_metrics(self) -> None:
        """Make the metrics outlast a power failure, before a checkpoint, MLflow or the record knows what follows."""
        if self.metrics.exists():
            with files.naming(self.metrics), self.metrics.open("ab") as file:
                os.fsync(file.fileno())

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read all metrics, in the order in which they were written; a last line without its end is none.

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

    def figure(self, name: str) -> Path:
        """Return the path of a picture, in a folder that exists."""
        self.plots.mkdir(exist_ok=True)
        return self.plots / f"{name}.png"

    def artifacts(self) -> Iterable[Path]:
        """Return the files and folders that travel to MLflow."""
        return (path for path in self._artifacts() if path.exists())

    def remove_leftovers(self) -> None:
        """Remove what is needed only until the end."""
        for path in self._passing():
            path.unlink(missing_ok=True)
        self.remove_parts()

    @abstractmethod
    def remove_parts(self) -> None:
        """Remove what a killed process left half written."""

    @abstractmethod
    def _artifacts(self) -> list[Path]:
        """Return what travels to MLflow, whether it is there or not."""

    def _passing(self) -> list[Path]:
        """Return the files that are there only until the end."""
        return []

    def _write_record(self, epoch: int | None, metrics: dict[str, float]) -> None:
        """Add a line of metrics; a value that is not finite is written as null."""
        finite = {key: value if abs(value) < float("inf") else None for key, value in metrics.items()}
        step = {} if epoch is None else {"epoch": epoch}
        line = json.dumps(step | {"timestamp": now()} | finite)
        with files.naming(self.metrics), self.metrics.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _drop_torn_line(self) -> None:
        if self.metrics.exists():
            whole, newline, torn = files.read_small(self.metrics, MOST_RECORDS).rpartition(b"\n")
            if torn:
                files.write_atomically(self.metrics, whole + newline)


class RunDirectory(Directory):
    """The files of a run.

    Args:
        path: Of the directory.
    """

    what: ClassVar[str] = "run"

    def __init__(self, path: Path) -> None:
        super().__init__(path, RUN)
        self.composed = path / "composed.yaml"  # the configuration as it was written
        self.changes = path / "local_changes.patch"  # from the commit to the code that ran
        self.weights = path / "model.safetensors"
        self.checkpoint = path / "checkpoint.pt"
        self.previous_checkpoint = path / "checkpoint.previous.pt"
        self.model = path / "model"
        self.shown = path / SHOWN  # what its pictures show
        self.by_origin = path / BY_ORIGIN  # errors at each validation origin
        self.by_series = path / "by_series.csv"  # of a panel, how each series is forecast
        self._recorded: set[int | None] | None = None

    def read_weights(self) -> bytes:
        """Read model.safetensors, empty where there is none, or raise Refused if it can't be read."""
        try:
            return files.read_small(self.weights, MOST_WEIGHTS) if self.weights.exists() else b""
        except ValueError as error:
            raise Refused(f"{self.weights}: {error}; restore it") from None

    def append_metrics(self, epoch: int | None, metrics: dict[str, float]) -> None:
        """Add a record, of an epoch or (None) of what is measured once; one that is there already stays as it is.

        A resumed run may do an epoch again, to the same values; the first record's timestamp is the one that
        MLflow knows.
        """
        if self._recorded is None:
            self._drop_torn_line()
            self._recorded = {row.get("epoch") for row in self.read_metrics()}
        if epoch in self._recorded:
            return
        self._write_record(epoch, metrics)
        self._recorded.add(epoch)

    def read_scores(self) -> dict[int, dict[str, float]]:
        """Read the metrics of each recorded epoch, and as of epoch 0 what is measured once; nan what was not finite."""
        nan = float("nan")
        return {
            row.get("epoch", 0): {key: nan if row[key] is None else row[key] for key in filter(is_metric, row)}
            for row in self.read_metrics()
        }

    def read_objectives(self) -> dict[int, float]:
        """Read the objective at each recorded epoch, of the origins watched, nan where it was not finite."""
        if not self.config.exists():
            return {}
        name = str(self.read_config().get("objective"))
        scores = {epoch: row.get(watched(name, row)) for epoch, row in self.read_scores().items() if epoch}
        if None in scores.values():
            raise Refused(f"{self.metrics} is damaged (an epoch must have the objective {name}); restore it")
        return scores  # type: ignore[return-value]

    def watches_a_sample(self) -> bool:
        """Say whether the epochs of a run were scored on some of the validation origins alone."""
        return any(sampled(metric("val", SCALED)) in row for row in self.read_metrics())

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
        return self.read_result_metrics()[OBJECTIVE]

    def read_result_metrics(self) -> dict[str, float]:
        """Read the metrics of the kept epoch of a finished run, of which the start has none, and all measured once.

        Raises:
            Refused: If one of them is not there.
        """
        kept, rows = self.read_kept_epoch(), self.read_scores()
        once = rows.get(0, {})
        if OBJECTIVE not in once:
            raise Refused(f"{self.metrics} is damaged (it lacks what is measured once); restore it")
        if kept not in rows:
            raise Refused(f"{self.metrics} is damaged (it lacks the kept epoch {kept}); restore it")
        return rows[kept] | once

    def write_by_origin(self, content: bytes) -> None:
        """Write the errors at each validation origin, as evaluation/by_origin.py packs them, behind their digest."""
        files.write_atomically(self.by_origin, stored.seal(content))

    def read_by_origin(self) -> bytes:
        """Read what `write_by_origin` wrote.

        Raises:
            OSError: If there is none, or it can't be opened.
            ValueError: If it isn't what was written.
        """
        return stored.read_sealed(self.by_origin, MOST_BY_ORIGIN)

    def save_checkpoint(self, content: bytes) -> None:
        """Write a checkpoint behind its digest, and keep the one before it."""
        temporary = files.write_synced(self.checkpoint, stored.seal(content))
        if self.checkpoint.exists():
            self.checkpoint.replace(self.previous_checkpoint)
        temporary.replace(self.checkpoint)
        files.sync_directory(self.path)

    def lacks_pictures(self) -> bool:
        """Say whether there is something that is shown by no picture yet: it is drawn beside the runs of a sweep."""
        return bool(self.not_drawn())

    def not_drawn(self) -> list[Path]:
        """Return the paths of what is shown by no picture yet."""
        return [path for path in self.all_shown() if not (self.plots / f"{path.stem}.png").exists()]

    def shown_by(self, picture: str) -> Path:
        """Return the path of what a picture shows, in a folder that exists."""
        self.shown.mkdir(exist_ok=True)
        return self.shown / f"{picture}.safetensors"

    def all_shown(self) -> list[Path]:
        """Return the paths of what there is to be shown, by the names of its pictures."""
        return sorted(self.shown.glob("*.safetensors"))

    def remove_parts(self) -> None:
        """See `Directory.remove_parts`: but not of pictures, which may be drawn just now."""
        files.remove_parts(path for path in self.path.rglob(".*") if path.parent != self.plots)

    def _artifacts(self) -> list[Path]:
        own = [self.config, self.composed, self.changes, self.metrics, self.weights, self.by_series]
        return [*own, self.plots, self.model, self.data]

    def _passing(self) -> list[Path]:
        return [self.checkpoint, self.previous_checkpoint]


class SweepRecord(Directory):
    """A sweep as MLflow sees it, beside the engine's files in the same directory: the parent of its runs.

    Its configuration is that of one of its jobs.

    Args:
        path: Of the directory.

    Attributes:
        sweep: The engine's files.
        composed: The configuration that it varies, where that is a stored run's.
    """

    what: ClassVar[str] = "sweep"

    def __init__(self, path: Path) -> None:
        super().__init__(path, PARENT)
        self.sweep = SweepDirectory(path)
        self.composed = path / "composed.yaml"

    def append_state(self, ended: int, metrics: dict[str, float]) -> None:
        """Add a record of what is known once so many jobs have ended: at the same number, of what has changed alone.

        Where fewer have, since failed ones run again, it still comes last: MLflow shows that of the highest step.
        """
        self._drop_torn_line()
        rows = self.read_metrics()
        step = max([ended, *(row["epoch"] for row in rows[-1:])])
        known: dict[str, Any] = {}
        for row in rows:
            if row["epoch"] == step:
                known |= row
        if changed := {key: value for key, value in metrics.items() if key not in known or known[key] != value}:
            self._write_record(step, changed)

    def remove_parts(self) -> None:
        """See `Directory.remove_parts`: those of its runs, which may have outlived it, are left alone."""
        files.remove_parts([*self.path.glob(".*"), *self.plots.glob(".*")])

    def _artifacts(self) -> list[Path]:
        return [self.path / "multirun.yaml", self.sweep.leaderboard, self.plots, self.data]
