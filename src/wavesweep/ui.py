"""`wavesweep ui`: the MLflow UI on the configured store."""

import argparse
import os
import sys

USAGE = """usage: wavesweep ui [tracking.uri=ADDRESS] [OPTION...]

Opens the MLflow UI on the configured store. Options such as --port 5001 go to `mlflow ui`."""


def ui(arguments: list[str]) -> int:  # noqa: RET503  os.execv does not return
    """Become the UI's server; return the exit code where there is none to start."""
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    from wavesweep.compose import compose_words, refuse
    from wavesweep.redaction import public_address
    from wavesweep.schema import Refused

    overrides = [argument for argument in arguments if argument.lstrip("+").startswith(("tracking.", "runtime."))]
    options = [argument for argument in arguments if argument not in overrides]
    try:
        tracking = compose_words(overrides).tracking
        if tracking.uri.startswith("http"):
            print(f"the store is a tracking server, which has a UI of its own: {public_address(tracking.uri)}")
            return 0
        from wavesweep.tracking import artifact_root, require

        experiment_id = require(tracking)  # makes the store where there is none yet
    except Refused as error:
        return refuse(str(error))
    store = ["--backend-store-uri", tracking.uri, "--default-artifact-root", artifact_root(tracking).as_uri()]
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # spares eight processes for GenAI jobs
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", default="5000")
    place = parser.parse_known_args(options)[0]
    # MLflow's own start page shows traces of language models; the runs are behind this address.
    print(f"the runs: http://{place.host}:{place.port}/#/experiments/{experiment_id}/runs", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", *store, *options]
    os.execv(sys.executable, command)  # noqa: S606  in place of this process, so that signals end the server too
