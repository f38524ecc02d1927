"""Where the UI of a store is served: at a tracking server, or where a `wavesweep ui` that runs has left its address.

That stands in a file beside a sqlite store, and counts while a server answers there.
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from hydra_queue_sweeper.base.files import read_small, write_atomically
from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow.addresses import sqlite_path

ADDRESS = re.compile(r"http://[A-Za-z0-9.-]+:[0-9]{1,5}(/[\w.~/-]*)?", re.ASCII)
MOST_BYTES = 300
SECONDS_TO_ANSWER = 1.0


def served_at(tracking: Tracking) -> str | None:
    """Return the address at which the UI of a store is served, without user and password; None if none is known."""
    if tracking.uri.startswith("http"):
        parts = urlsplit(tracking.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    address = _read(_file(tracking))
    return address if address and answers(address) else None


@contextmanager
def announced(tracking: Tracking, address: str) -> Iterator[None]:
    """Let others know, within the context, where this process serves the UI of a store, if they can be told.

    A file of that name that holds no address is another program's, and stays.
    """
    file = _file(tracking)
    if file is None:
        yield
        return
    with suppress(OSError):
        if _read(file) or not os.path.lexists(file):
            write_atomically(file, address.encode())
    try:
        yield
    finally:
        with suppress(OSError):
            if _read(file) == address:
                file.unlink()


def _read(file: Path | None) -> str | None:
    """Return the address that a file holds; None where it holds none."""
    if file is not None:
        with suppress(OSError, ValueError):
            address = read_small(file, MOST_BYTES).decode("ascii").strip()
            if ADDRESS.fullmatch(address):
                return address
    return None


def _file(tracking: Tracking) -> Path | None:
    """Return the file that tells where a sqlite store is served; None for other stores."""
    store = sqlite_path(tracking.uri)
    return store and store.with_name(f"{store.name}.ui")


def answers(address: str) -> bool:
    """Say whether MLflow's server answers at an address."""
    parts = urlsplit(address)
    with suppress(OSError, ValueError, HTTPException):  # of a port that is none, too
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS_TO_ANSWER)
        with closing(connection):
            connection.request("GET", f"{parts.path}/health")
            return connection.getresponse().status in (200, 401)  # where it asks for a password
    return False
