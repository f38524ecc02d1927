"""The file of a sqlite store: looked at before MLflow opens it, and made whole where there is none."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from glob import escape
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile

from hydra_queue_sweeper.base.files import remove_parts, sync_directory
from hydra_queue_sweeper.base.mounts import mount_of
from wavesweep.trackers.mlflow.addresses import SQLITE

SECONDS_FOR_LOCK = 60.0
SECONDS_LOCKED = 20.0  # for which MLflow, too, waits while others write to a sqlite store


@contextmanager
def first_touch(path: Path) -> Iterator[None]:
    """Make a store where there is none; within the context, no other process touches it for the first time.

    Processes that come first at once would spoil it: a lock beside it lets in one by one.

    Raises:
        sqlite3.Error, OSError, ValueError: If it can't be a store.
        filelock.Timeout: If another process keeps the lock.
    """
    from filelock import FileLock

    _check(path)
    if (mount := mount_of(path.parent)).is_of_a_network:
        raise ValueError(
            f"a sqlite store must not lie on a network's disk, got {mount.kind}; name a server, or local one"
        )
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=SECONDS_FOR_LOCK):
        if not path.exists():
            _make(path.resolve())  # of a link to where none is yet, the link stays
        yield


def _check(path: Path) -> None:
    """Try a store: MLflow goes on trying for 100 s to open what can't be opened.

    Raises:
        sqlite3.Error: If the file is there and can't be used.
        OSError: If it is not there and can't be made.
        ValueError: If it is another program's.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            return
    address = f"{path.as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, timeout=SECONDS_LOCKED, uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        columns = {row[1] for row in connection.execute("PRAGMA table_info(experiments)")}
    if tables and not columns >= {"experiment_id", "artifact_location"}:  # MLflow would add its own to them
        raise ValueError("it is a database, but not MLflow's")


def _make(path: Path) -> None:
    """Make a store under another name first: cut short, its making would leave one that can't be used.

    So it reaches the disk once, when it is whole, and not a thousand times on the way.
    """
    from mlflow import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    remove_parts(
        path.parent.glob(f".{escape(path.name)}.*")
    )  # of a making that was cut short: the lock lets in one by one
    new = path.with_name(f".{path.name}.{token_hex(4)}.part")

    def leave_to_the_system(connection: object, _: object) -> None:
        """Of all that this process connects to meanwhile, in other threads too, take this store alone."""
        is_sqlite = isinstance(connection, sqlite3.Connection)
        if is_sqlite and str(new) in connection.execute("PRAGMA database_list").fetchone():
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", leave_to_the_system)
    try:
        MlflowClient(f"{SQLITE}{new}").get_experiment_by_name("any")
    finally:
        event.remove(Engine, "connect", leave_to_the_system)
    with new.open("rb") as made:
        os.fsync(made.fileno())
    new.replace(path)
    sync_directory(path.parent)
