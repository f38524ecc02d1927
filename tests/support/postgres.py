"""A real PostgreSQL on this machine, that listens on 127.0.0.1 alone."""

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.servers import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SECONDS = 60


def missing() -> str:
    """Return what a real PostgreSQL can't be started without here; empty: nothing."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed"
    return "" if PROGRAMS else "PostgreSQL is not installed (apt-get install postgresql)"


class Postgres:
    """A server with an empty database, which begins at once.

    Attributes:
        address: Of the database.
    """

    def __init__(self) -> None:
        self.user: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        if getpass.getuser() == "root":  # which PostgreSQL refuses to be
            self.user = {"user": "postgres"}
            shutil.chown(self.folder, "postgres")
        self.port = free_port()
        self.address = f"postgresql://owner@127.0.0.1:{self.port}/postgres"
        self._call("initdb", "-D", "data", "-A", "trust", "-U", "owner", "--no-sync")
        self.start()

    def _call(self, program: str, *words: str) -> None:
        subprocess.run(
            [PROGRAMS[-1] / program, *words], cwd=self.folder, check=True, stdout=subprocess.DEVNULL, **self.user
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAMS[-1] / "postgres", "-D", "data", *words], cwd=self.folder, stdout=log, stderr=log, **self.user
            )
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with suppress(Exception), self.connected():
                return
            time.sleep(0.1)
        raise TimeoutError((self.folder / "log").read_text())

    def connected(self) -> Any:
        """Return a connection, which each statement of is committed at once."""
        import psycopg

        return psycopg.connect(self.address, autocommit=True)

    def stop(self, signum: int = signal.SIGINT) -> None:
        """End it, and with it all connections."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signum)
            self.process.wait(SECONDS)

    def remove(self) -> None:
        """End it, and remove its data."""
        self.stop()
        shutil.rmtree(self.folder)
