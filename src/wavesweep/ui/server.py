"""MLflow's server for its UI on a store, and its pages in the user's browser."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from subprocess import DEVNULL
from urllib.parse import urlsplit

from wavesweep.base.errors import Refused
from wavesweep.base.exit_codes import FAILED, REFUSED
from wavesweep.base.signals import deferred
from wavesweep.base.terminal import say
from wavesweep.config.config import Tracking
from wavesweep.tracking.addresses import artifact_root, full_address
from wavesweep.ui.child import SECONDS_TO_END
from wavesweep.ui.links import as_text
from wavesweep.ui.places import ADDRESS, announced

MOST_WORKERS = 4  # MLflow's own number; more than one a core only start later
PORTS_TO_TRY = 100
SECONDS_TO_ANSWER = 5.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where a browser finds what listens everywhere


def address_for(options: list[str]) -> str:
    """Return the address at which `mlflow ui` will serve.

    Args:
        options: Of `mlflow ui`.

    Raises:
        Refused: If they name another store, or the address can't be had.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--host", default=os.environ.get("MLFLOW_HOST", "127.0.0.1"))
    parser.add_argument("-p", "--port", default=os.environ.get("MLFLOW_PORT", "5000"))
    parser.add_argument("--static-prefix", default=os.environ.get("MLFLOW_STATIC_PREFIX", ""))
    parser.add_argument("--backend-store-uri")
    try:
        given = parser.parse_known_args(options)[0]
    except ArgumentError as error:
        raise Refused(f"{error}; wavesweep ui --help shows what it takes") from None
    if given.backend_store_uri:
        raise Refused("--backend-store-uri is not for wavesweep ui, which serves tracking.uri; give that")
    if not (given.port.isdecimal() and 0 < int(given.port) < 65536):
        raise Refused(f"--port must be a number from 1 to 65535, got {given.port}")
    _try(given.host, int(given.port))
    host = EVERYWHERE.get(given.host) or str(given.host)
    if ":" in host:  # of IPv6
        host = f"[{host}]"
    address = f"http://{host}:{given.port}{given.static_prefix}"
    if not ADDRESS.fullmatch(address):
        raise Refused(
            f"--host and --static-prefix must make an address such as http://127.0.0.1:5000/mine, got {address}"
        )
    return address


def _try(host: str, port: int) -> None:
    """Refuse an address that can't be had; of a port that is taken, name the next that is free."""
    problem = _problem(host, port)
    if problem is None:
        return
    instead = "another"
    if problem.errno == errno.EADDRINUSE:
        others = range(port + 1, min(port + PORTS_TO_TRY, 65536))
        instead = next((f"--port {other}" for other in others if _problem(host, other) is None), instead)
    raise Refused(f"--host {host} --port {port} can't be served ({problem.strerror}); give {instead}")


def _problem(host: str, port: int) -> OSError | None:
    """Return why nothing can be served at a port; None if it can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def serve(tracking: Tracking, address: str, options: list[str], pages: dict[str, str], *, browse: bool) -> int:
    """Serve the UI until a signal comes; show the pages once it answers.

    Args:
        tracking: The store.
        address: Where the UI will stand, of `address_for`.
        options: Of `mlflow ui`.
        pages: To show, as seen from that address.
        browse: Whether the first of them is opened in a browser too.

    Returns:
        The exit code of a server that ended by itself.

    Raises:
        Interrupted: If a signal came; the server has ended.
    """
    with _server(tracking, options) as process:
        while process.poll() is None and not _answers(address):
            time.sleep(0.1)
        if process.poll() is None:
            with announced(tracking, address):
                show(address, pages, browse=browse)
                say("Ctrl-C ends the server")
                process.wait()
        return process.returncode if process.returncode in (0, REFUSED) else FAILED


def show(address: str, pages: dict[str, str], *, browse: bool) -> None:
    """Print links to pages of the UI, and open the first in a browser if that is wanted."""
    say(as_text(address, pages))
    if browse:
        _open(f"{address}/{next(iter(pages.values()))}")


def has_display() -> bool:
    """Say whether someone sits at a terminal that has a display beside it."""
    if sys.platform in ("darwin", "win32"):  # whose display is elsewhere when they are reached by SSH
        beside = "SSH_CONNECTION" not in os.environ
    else:
        beside = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return beside and sys.stdout.isatty()


def _open(page: str) -> None:
    """Open a page, if that can be done.

    The browser gets no terminal: it could not take ours over, nor write on it, nor end with what ends there.
    """
    environment = {name: value for name, value in os.environ.items() if name != "TERM"}  # for browsers of text alone
    with suppress(OSError):
        subprocess.Popen(  # noqa: S603  our own address
            [sys.executable, "-m", "webbrowser", page],
            env=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True,
        )  # fmt: skip


@contextmanager
def _server(tracking: Tracking, options: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server within the context, in a group of processes that ends with it, or with this process."""
    quiet = {"PYTHONWARNINGS": "ignore", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # spares eight processes
    quiet["MLFLOW_WORKERS"] = str(min(MOST_WORKERS, os.cpu_count() or 1))
    if not any(option.startswith(("--gunicorn-opts", "--waitress-opts", "--dev")) for option in options):
        quiet["MLFLOW_UVICORN_OPTS"] = "--log-level warning"
    store = {  # not as options, which others see in the list of processes
        "MLFLOW_BACKEND_STORE_URI": full_address(tracking),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": artifact_root(tracking).as_uri(),
    }
    command = [sys.executable, "-m", "wavesweep.ui.child", "ui", *options]
    # The end of the pipe tells the server that this process has died.
    with subprocess.Popen(  # noqa: S603  Python, without a shell
        command, env=quiet | os.environ | store, stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with deferred():
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server's group of processes: in order, or after some seconds by force."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):  # which macOS raises where only the dead are left
            os.killpg(process.pid, signum)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)


def _answers(address: str) -> bool:
    """Say whether a server answers at an address."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS_TO_ANSWER)
    with suppress(OSError, HTTPException), closing(connection):
        connection.request("GET", f"{parts.path}/health")
        connection.getresponse()
        return True
    return False
