"""The MLflow UI on the configured store."""

import argparse
import os
import socket
import sys

from wavesweep.base.errors import Refused
from wavesweep.base.redaction import public_address
from wavesweep.config.config import Config
from wavesweep.tracking.addresses import runs_page
from wavesweep.tracking.store import artifact_root, full_address, require
from wavesweep.tracking.sync import deliver_vanished
from wavesweep.tracking.views import RUNS


def serve(local: Config, options: list[str]) -> int:  # noqa: RET503  os.execv does not return
    """Replace this process by the UI's server; return the exit code where there is none to start.

    Args:
        local: What is configured here and now.
        options: Of `mlflow ui`.

    Raises:
        Refused: If the store can't be used, or the place is taken.
    """
    tracking, place = local.tracking, _place(options)
    if tracking.uri.startswith("http"):
        deliver_vanished(local)
        print(f"the store is a tracking server, which has a UI of its own: {public_address(tracking.uri)}")
        return 0
    experiment_id = require(tracking)  # makes the store where there is none yet
    deliver_vanished(local)
    store = ["--backend-store-uri", full_address(tracking), "--default-artifact-root", artifact_root(tracking).as_uri()]
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # spares eight processes for GenAI jobs
    print(f"the runs: {runs_page(place, experiment_id, RUNS)}", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", *store, *options]
    os.execv(sys.executable, command)  # noqa: S606  in place of this process, so that signals end the server too


def _place(options: list[str]) -> str:
    """Return the address at which `mlflow ui` will serve.

    Raises:
        Refused: If the port is no number, or taken.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", default="5000")
    place = parser.parse_known_args(options)[0]
    if not (place.port.isdecimal() and 0 < int(place.port) < 65536):
        raise Refused(f"--port must be a number from 1 to 65535, got {place.port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, int(place.port)))
        except OSError as error:
            where = f"--host {place.host} --port {place.port}"
            raise Refused(f"{where} can't be served ({error.strerror}); give another") from None
    return f"http://{place.host}:{place.port}"
