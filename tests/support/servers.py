"""Servers on this machine; MLflow's real one, with a store that outlives it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from filelock import FileLock

from tests.support import stores
from tests.support.commands import environment

_started: list["Server"] = []
"""Those that this process has started for others to share; they may outlive it."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url: str, process: "subprocess.Popen[Any]") -> None:
    """Wait until a server that is starting answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            with urlopen(url, timeout=5):  # noqa: S310
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


class Server:
    """A server.

    Args:
        place: A directory for its files.
        store: Address of its store; None: a file there.

    Attributes:
        uri: Its address, the same in all its lives.
    """

    def __init__(self, place: Path, store: str | None = None) -> None:
        self.place, self.port = place, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.store = store or f"sqlite:///{place}/server.db"
        if store is None:
            stores.ready(place / "server.db")

    def start(self) -> None:
        arguments = [
            "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1", "--serve-artifacts",
            "--backend-store-uri", self.store,
            "--artifacts-destination", str(self.place / "store"),
        ]  # fmt: skip
        with (self.place / "server.log").open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *arguments],
                env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),  # or it starts seven more processes
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its worker can be killed with it
            )

    def wait(self) -> None:
        """Wait until it answers."""
        wait_for(f"{self.uri}/health", self.process)

    def end(self, signum: signal.Signals) -> None:
        """End it by a signal."""
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(self.process.pid, signum)
        self.process.wait(20)


@contextmanager
def shared(place: Path) -> Iterator[str]:
    """Give the address of a server that serves all processes which name the same place: the first of them starts it.

    The last one to leave ends it.
    """
    lock, state = FileLock(f"{place}.lock"), place / "users.json"
    with lock:
        place.mkdir(exist_ok=True)
        users, uri, group = json.loads(state.read_text()) if state.exists() else (0, "", 0)
        if not users:
            server = Server(place)
            _started.append(server)
            server.start()
            server.wait()
            uri, group = server.uri, server.process.pid
        state.write_text(json.dumps((users + 1, uri, group)))
    try:
        yield uri
    finally:
        with lock:
            users, uri, group = json.loads(state.read_text())
            state.write_text(json.dumps((users - 1, uri, group)))
            if users == 1:
                os.killpg(group, signal.SIGTERM)
