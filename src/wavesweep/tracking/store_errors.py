"""The reasons for which a store could not be used, in a few words."""

import os
import re
import sqlite3
from shlex import quote

from wavesweep.base.redaction import without_password
from wavesweep.config.config import Tracking
from wavesweep.tracking.addresses import sqlite_path

BROKEN = ("SQLITE_ERROR", "SQLITE_CORRUPT")
"""What sqlite says where a table is missing or there already, or a page is not what it should be."""


def reason(error: BaseException, tracking: Tracking) -> str:
    """Return in a few words why the store could not be used, in the system's own where it has any."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorname", "") in BROKEN:
            path = str(sqlite_path(tracking.uri))
            move = f"mv {quote(path)} {quote(path + '.broken')}"
            return f"it is half made or damaged: {move}, then wavesweep sync makes it anew"
        if isinstance(cause, sqlite3.Error):
            return str(cause)
        if isinstance(cause, TimeoutError):
            seconds = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
            return f"no answer within {seconds} s; MLFLOW_HTTP_REQUEST_TIMEOUT=60 waits longer"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    text = without_password(str(error)).strip() or type(error).__name__
    if code := re.search(r"too many (\d+) error responses", text):
        return f"it answers {code[1]}"
    if "Connection aborted" in text:
        return "it ends the connection without an answer"
    return text.splitlines()[0].partition(". ")[0]
