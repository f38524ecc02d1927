"""How long a tracking server is waited for: what MLflow is told of its requests, by the environment."""

import os
import re

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Tracking

PATIENT = {  # by default MLflow tries for four minutes to reach a server that isn't there
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
"""What MLflow is told, where the user has not chosen otherwise."""
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""What calls are bounded by instead while somebody waits for a first answer; MLflow isn't told."""
RANGES = {"TIMEOUT": (1, 86_400), "MAX_RETRIES": (0, 10), "BACKOFF_FACTOR": (0, 120), "BACKOFF_JITTER": (0, 86_400)}
"""What each setting may be, as MLflow reads it."""
FRACTIONS = ("BACKOFF_JITTER",)  # all others are whole numbers
FLAGS = ("true", "false", "1", "0")
SECONDS_MORE = 0.5  # of a call, than its requests may be silent
LONGEST_PAUSE = 120.0  # between two tries, by urllib3


def check_settings(tracking: Tracking) -> None:
    """Refuse settings of the environment by which MLflow could ask no server, where it is to ask one."""
    if "mlflow" in tracking.followers and tracking.uri.startswith("http"):
        seconds()


def seconds(*, impatient: bool = False) -> tuple[float, float]:
    """Return how long a request may be silent, and how long a whole call may take; tell MLflow of its requests.

    A call may take as long as its request and all repetitions may be silent: given up earlier, it could still be
    carried out by one of them, after what has been asked since.

    Args:
        impatient: Whether somebody waits for a first answer: less time then, unless the user has chosen how much.
            What is asked so must do no harm if it is carried out late.

    Raises:
        Refused: If one of MLflow's settings is not what it may be.
    """
    for name, text in PATIENT.items():
        os.environ.setdefault(name, text)
    silence = _setting("TIMEOUT", impatient=impatient)
    retries = _setting("MAX_RETRIES", impatient=impatient)
    pause = _setting("BACKOFF_FACTOR") * 2**retries + _setting("BACKOFF_JITTER")
    name = "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER"
    if os.environ[name].lower() not in FLAGS:
        raise Refused(f"{name} must be true or false, got {os.environ[name]!r:.40}; correct it")
    return silence, (retries + 1) * (silence + min(pause, LONGEST_PAUSE)) + SECONDS_MORE


def _setting(name: str, *, impatient: bool = False) -> float:
    least, most = RANGES[name]
    kind, form = ("a number", r"\d{1,9}(\.\d{1,9})?") if name in FRACTIONS else ("a whole number", r"\d{1,9}")
    name = f"MLFLOW_HTTP_REQUEST_{name}"
    text = os.environ[name]
    if impatient and text == PATIENT[name]:  # the user has not chosen it
        text = IMPATIENT[name]
    if not (re.fullmatch(form, text) and least <= float(text) <= most):
        raise Refused(f"{name} must be {kind} from {least} to {most}, got {text!r:.40}; correct it")
    return float(text)
