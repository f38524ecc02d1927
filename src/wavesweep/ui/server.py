"""MLflow's server for its UI on a store, and its pages in the user's browser."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import DEVNULL

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.signals import deferred
from hydra_queue_sweeper.base.terminal import say
from wavesweep.base.exit_codes import FAILED, REFUSED
from wavesweep.config.config import Tracking
from wavesweep.trackers.mlflow.addresses import artifact_root, full_address
from wavesweep.ui.child import SECONDS_TO_END
from wavesweep.ui.links import as_text
from wavesweep.ui.places import announced, answers

MOST_WORKERS = 4  # MLflow's own number; more than one a core only start later


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
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((given.host, int(given.port)))
    except OSError as error:
        problem = f"can't be served ({error.strerror})"
        raise Refused(f"--host {given.host} --port {given.port} {problem}; give another") from None
    host = given.host.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  where a browser finds what listens everywhere
    return f"http://{host}:{given.port}{given.static_prefix}"


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
        while process.poll() is None and not answers(address):
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
    quiet["UVICORN_APP_DIR"] = sysconfig.get_path("stdlib")  # else it puts the working directory before all others
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
