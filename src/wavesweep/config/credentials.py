"""The password or token that the environment holds for a tracking server: which one may be sent, and to whom."""

import os
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Tracking

NAMES = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
FILE = Path(".mlflow", "credentials")  # below the home directory


def check_credentials() -> None:
    """Refuse what no request can carry: the libraries that send it would show it.

    Raises:
        Refused: If one is of several lines, or has spaces around it.
    """
    for name in NAMES:
        secret = os.environ.get(name, "")
        if secret != secret.strip() or not secret.isprintable():
            raise Refused(
                f"{name} must be one line without spaces around it, but isn't, as where a file of settings has ends of "
                "lines of Windows; set it anew"
            )


def check_trusted(stored: Tracking, here: Tracking, run: Path) -> None:
    """Refuse a server that a stored run names, which may come from anyone, if it would be sent what is another's.

    Args:
        stored: What the run names.
        here: What is configured here and now.
        run: Its directory, or that of a sweep.

    Raises:
        Refused: If the environment, or MLflow's file, holds a password or token for a server that is not this one.
    """
    is_other = stored.uri.startswith("http") and stored.uri.rstrip("/") != here.uri.rstrip("/")
    if is_other and (any(map(os.environ.get, NAMES)) or (Path.home() / FILE).exists()):
        raise Refused(
            f"{run} names {stored.uri}, which is not the tracking.uri configured here, but would be sent your password "
            f"or token; if you trust it, give tracking.uri={stored.uri}, or sync --trust"
        )
