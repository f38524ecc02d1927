"""What is said of a store that can't be used: the reason, in a few words."""

import re
import sqlite3
from shlex import quote

from hydra_queue_sweeper.base.errors import printable
from hydra_queue_sweeper.base.redaction import without_password
from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow.addresses import sqlite_path
from wavesweep.trackers.mlflow.bounds import NoAnswer
from wavesweep.trackers.mlflow.limits import TooMuch
from wavesweep.tracking.patience import seconds

BROKEN = ("SQLITE_ERROR", "SQLITE_CORRUPT")
"""What sqlite says where a table is missing or there already, or a page is not what it should be."""

COLLISION = re.compile("IntegrityError|UniqueViolation|Duplicate entry")


MOST_CHARACTERS = 10_000  # of an error, which may quote all that a server has sent
MOST_WORDS = 300  # characters of a reason


def is_collision(error: Exception) -> bool:
    """Say whether another process wrote the same at the same time: MLflow looks what is there, then inserts.

    So do runs that come first in an experiment, with the same data, or the same view; what collided can be repeated.
    """
    return COLLISION.search(str(error)) is not None


def reason(error: BaseException, tracking: Tracking) -> str:
    """Return in a few words why the store could not be used, in the system's own where it has any."""
    from filelock import Timeout

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error):
            return _reason_of_sqlite(cause, tracking)
        if isinstance(cause, Timeout):
            return f"another process keeps {cause.lock_file}"
        if isinstance(cause, NoAnswer | TooMuch):
            return str(cause)
        if isinstance(cause, TimeoutError):  # of a request
            silence, _ = seconds()
            return str(NoAnswer(silence))
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    text = printable(without_password(str(error)[:MOST_CHARACTERS]).strip()) or type(error).__name__
    if code := re.search(r"too many (\d+) error responses", text):
        return f"it answers {code[1]}"
    if "Connection aborted" in text:
        return "it ends the connection without an answer"
    return text.splitlines()[0].partition(". ")[0][:MOST_WORDS]


def _reason_of_sqlite(error: sqlite3.Error, tracking: Tracking) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name in BROKEN:
        path = str(sqlite_path(tracking.uri))
        move = f"mv {quote(path)} {quote(path + '.broken')}"
        return f"it is half made or damaged: {move}, then wavesweep sync makes it anew"
    if name == "SQLITE_BUSY":
        return "others write to it; try again once they have"
    if name == "SQLITE_READONLY_DBMOVED":
        return "its file was removed or replaced meanwhile; try again"
    return str(error)
