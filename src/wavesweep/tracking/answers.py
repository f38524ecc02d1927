"""What a store answers: within a bound, and in a few words where it can't be used."""

import os
import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from shlex import quote
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar, cast

from wavesweep.base.errors import Refused, printable
from wavesweep.base.redaction import without_password
from wavesweep.config.config import Tracking
from wavesweep.tracking.addresses import sqlite_path

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

Answer = TypeVar("Answer")

PATIENCE = {  # by default MLflow tries for four minutes to reach a server that isn't there
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
SECONDS_MORE = 0.5  # of a call, than its requests may be silent
LONGEST_PAUSE = 120.0  # between two tries, by urllib3
SLOWEST = 10_000  # bytes a second of a file on its way
MOST_GIVEN_UP = 8  # calls that may still be waiting for an answer, before nothing more is asked
BROKEN = ("SQLITE_ERROR", "SQLITE_CORRUPT")
"""What sqlite says where a table is missing or there already, or a page is not what it should be."""


def reason(error: BaseException, tracking: Tracking) -> str:
    """Return in a few words why the store could not be used, in the system's own where it has any."""
    from filelock import Timeout

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorname", "") in BROKEN:
            path = str(sqlite_path(tracking.uri))
            move = f"mv {quote(path)} {quote(path + '.broken')}"
            return f"it is half made or damaged: {move}, then wavesweep sync makes it anew"
        if isinstance(cause, sqlite3.Error):
            locked = getattr(cause, "sqlite_errorname", "") == "SQLITE_BUSY"
            return "others write to it; try again once they have" if locked else str(cause)
        if isinstance(cause, Timeout):
            return f"another process keeps {cause.lock_file}"
        if isinstance(cause, TimeoutError):
            return f"no answer within {_setting('TIMEOUT'):g} s; MLFLOW_HTTP_REQUEST_TIMEOUT=60 waits longer"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    text = printable(without_password(str(error)).strip()) or type(error).__name__
    if code := re.search(r"too many (\d+) error responses", text):
        return f"it answers {code[1]}"
    if "Connection aborted" in text:
        return "it ends the connection without an answer"
    return text.splitlines()[0].partition(". ")[0]


def bounded(call: Callable[..., Answer], *args: Any, num_bytes: int = 0, **options: Any) -> Answer:
    """Call what asks a server, and give it up after a time: its requests bound each silence, but not their number.

    The time is what one request and its repetitions may take in silence, and more for bytes on their way. What is
    given up may be carried out late, as a request may whose answer is lost.

    Args:
        call: Of one large request at most.
        args: Of the call.
        num_bytes: Of the file that it sends or fetches.
        options: Of the call too.

    Raises:
        TimeoutError: If it took longer.
        Exception: Whatever the call raises.
    """
    _given_up[:] = [thread for thread in _given_up if thread.is_alive()]
    if len(_given_up) >= MOST_GIVEN_UP:
        raise TimeoutError
    timeout, retries, factor, jitter = map(_setting, ("TIMEOUT", "MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER"))
    pause = min(LONGEST_PAUSE, factor * 2 ** min(retries, 10) + jitter)
    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(call(*args, **options))
        except BaseException as error:
            answer.set_exception(error)

    thread = Thread(target=work, name="question", daemon=True)
    thread.start()
    try:
        return answer.result((retries + 1) * (timeout + pause) + SECONDS_MORE + num_bytes / SLOWEST)
    finally:
        if not answer.done():
            _given_up.append(thread)


_given_up: list[Thread] = []
"""Those that still wait for an answer, each with a connection."""


def _setting(name: str) -> float:
    """Return what MLflow's environment says of its requests, or what is set there as soon as it connects."""
    name = f"MLFLOW_HTTP_REQUEST_{name}"
    text = os.environ.get(name, PATIENCE[name])
    try:
        return float(text)
    except ValueError:
        raise Refused(f"{name} must be a number, got {text}; correct it") from None


class _Bounded:
    """Stands for a client."""

    def __init__(self, client: "MlflowClient") -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        return partial(bounded, value) if callable(value) else value


def with_bounds(client: "MlflowClient") -> "MlflowClient":
    """Return a client each of whose methods is bounded."""
    return cast("MlflowClient", _Bounded(client))


def repository(client: "MlflowClient", address: str) -> "ArtifactRepository":
    """Return what lists, sends and fetches the artifacts at an address, as the client would, which asks where first."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(address, tracking_uri=client.tracking_uri)


def upload(client: "MlflowClient", path: Path, address: str, root: Path) -> None:
    """Send a file, or the files of a folder, to where they stand as seen from `root`.

    Raises:
        ValueError: If the store names a folder of this machine that is not of the kind MLflow makes.
    """
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    there = repository(client, address)
    is_local = isinstance(there, LocalArtifactRepository)
    if is_local and not re.search(r"/(m-)?[0-9a-f]{32}/artifacts/?$", address):  # a server could have any file replaced
        raise ValueError(f"it names {address} as the place of artifacts, which MLflow does not make so")
    for file in [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file()):
        folder = file.parent.relative_to(root).as_posix()
        where = None if folder == "." else folder
        if is_local:
            there.log_artifact(str(file), where)
        else:
            bounded(there.log_artifact, str(file), where, num_bytes=file.stat().st_size)
