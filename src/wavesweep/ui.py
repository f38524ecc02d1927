"""`wavesweep ui`: the MLflow UI on the configured store."""

import subprocess
import sys

USAGE = """usage: wavesweep ui [tracking.uri=ADDRESS] [OPTION...]

Opens the MLflow UI on the configured store. Options such as --port 5001 go to `mlflow ui`."""


def ui(arguments: list[str]) -> int:
    """Run the UI until it is interrupted; return the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from wavesweep.compose import compose_words, explain_composition, refuse
    from wavesweep.schema import Refused

    overrides = [argument for argument in arguments if argument.startswith(("tracking.", "runtime."))]
    options = [argument for argument in arguments if argument not in overrides]
    try:
        tracking = compose_words(overrides).tracking
    except Refused as error:
        return refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        return refuse(explain_composition(error))
    from wavesweep.redaction import without_password
    from wavesweep.tracking import connect, sqlite_path

    if tracking.uri.startswith("http"):
        print(f"the store is a tracking server with a UI of its own: {without_password(tracking.uri)}")
        return 0
    connect(tracking)  # creates the store where there is none yet, with its artifacts below outputs/
    path = sqlite_path(tracking.uri)
    root = [] if path is None else ["--default-artifact-root", (path.parent / "mlartifacts").as_uri()]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", tracking.uri, *root, *options]
    try:
        return subprocess.call(command)  # noqa: S603
    except KeyboardInterrupt:
        return 0
