"""Where the UI of a store is served: at a tracking server, or where a `wavesweep ui` that runs has left its address.

That stands in a file beside a sqlite store, and counts while the process that wrote it lives: it holds a lock.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from wavesweep.base.files import read_small, write_atomically
from wavesweep.config.config import Tracking
from wavesweep.tracking.addresses import sqlite_path

ADDRESS = re.compile(r"http://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}(/[\w.~/-]*)?", re.ASCII)
MOST_BYTES = 300
SECONDS_TO_CONNECT, SECONDS_TO_LOCK = 0.2, 1.0


def served_at(tracking: Tracking) -> str | None:
    """Return the address at which the UI of a store is served, without user and password; None if none is known."""
    if tracking.uri.startswith("http"):
        parts = urlsplit(tracking.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    if file := _file(tracking):
        with suppress(OSError, ValueError):
            address = read_small(file, MOST_BYTES).decode("ascii").strip()
            if ADDRESS.fullmatch(address) and _is_held(file):
                parts = urlsplit(address)
                socket.create_connection((parts.hostname or "", parts.port or 0), SECONDS_TO_CONNECT).close()
                return address
    return None


@contextmanager
def announced(tracking: Tracking, address: str) -> Iterator[None]:
    """Let others know, within the context, where this process serves the UI of a store, if they can be told."""
    from filelock import FileLock, Timeout

    file = _file(tracking)
    if file is None:
        yield
        return
    lock = FileLock(_lock(file), timeout=SECONDS_TO_LOCK)  # as others look at it, for a moment
    with suppress(OSError, Timeout):
        lock.acquire()
        write_atomically(file, address.encode())
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):
                file.unlink()
            lock.release()


def _file(tracking: Tracking) -> Path | None:
    """Return the file that tells where a sqlite store is served; None for other stores."""
    store = sqlite_path(tracking.uri)
    return store and store.with_name(f"{store.name}.ui")


def _lock(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")


def _is_held(file: Path) -> bool:
    """Say whether the process that wrote such a file lives."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(_lock(file), timeout=0):
            return False
    except Timeout:
        return True
