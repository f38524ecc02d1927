"""What a command line imports of the libraries that take long, as a process shows that has imported none of them."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.commands import environment

SCRIPT = """
import json, os, sys
from unittest.mock import patch
from wavesweep.cli.main import main
found = []
for place, *sys.argv[1:] in json.load(sys.stdin):
    os.chdir(place)
    try:
        with patch.dict(os.environ):
            main()
    except SystemExit:
        found.append(" ".join(sorted({"matplotlib", "mlflow", "torch"} & sys.modules.keys())))
print(json.dumps(found), file=sys.__stdout__)
"""


def imported_by(lines: list[tuple[Path, list[str]]]) -> list[str]:
    """Return what of matplotlib, mlflow and torch has been imported after each of several command lines.

    Args:
        lines: Where each is called, one after the other in the same process, and its arguments.
    """
    typed = json.dumps([[str(place), *arguments] for place, arguments in lines])
    script = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(script, env=environment(), input=typed, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
