"""Small runs; the command, called in this process or started in one of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from wavesweep.cli.main import main

SMALL = (
    "dataset.num_series=7",
    "dataset.length=40",
    "dataset.width=3",
    "training.epochs=3",
    "training.refine_epochs=1",
    "training.batch_size=4",
)
"""Overrides that make a run of the sine take a fraction of a second."""

Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]
SECONDS = 120
READ_AT_THE_START = ("PYTHON", "LC_", "LANG", "OMP_", "MKL_", "OPENBLAS_", "MPL")
"""How variables begin that Python or a library reads as it starts or is imported."""


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of the tests, less what says where and how MLflow tracks, with more variables.

    Some of that is the user's own; the rest was set by this process, and a command would take it for the user's choice.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")} | variables


def call(
    *arguments: str,
    cwd: Path | None = None,
    pictures: bool = False,
    program: Callable[[], None] = main,
    **variables: str,
) -> Done:
    """Call the command in this process, which is put back as it was.

    Args:
        arguments: Of the command line.
        cwd: Where; None: here.
        pictures: Whether runs and sweeps draw theirs; else each gets a file that is empty.
        program: What is called instead of the command; it exits too.
        variables: Of its environment.
    """
    assert not any(name.startswith(READ_AT_THE_START) for name in variables), "only a process that is started reads it"
    from tests.support.isolation import captured, isolated  # imports MLflow and torch, which not all tests need
    from tests.support.parts import leave_undrawn

    line, code = ["wavesweep", *arguments], None
    with isolated(environment(**variables), SECONDS) as patch, captured() as said:
        patch.setattr(sys, "argv", line)
        if cwd:
            patch.chdir(cwd)
        if not pictures:
            leave_undrawn(patch)
        try:
            program()
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int)
    return Done(line, code, *said)


def run_process(*arguments: str, cwd: Path, **variables: str) -> Done:
    """Run the command in a process that is started, as its users do."""
    return subprocess.run(
        [sys.executable, "-m", "wavesweep", *arguments],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def start(*arguments: str, cwd: Path, to: int | None = None, **variables: str) -> "subprocess.Popen[bytes]":
    """Start the command in a process of its own.

    Args:
        arguments: Of the command line.
        cwd: Where.
        to: What it writes to, a descriptor; None: the file `said` there, which grows with each start.
        variables: Of its environment.
    """
    with (cwd / "said").open("ab") as said:
        output = said if to is None else to
        return subprocess.Popen(
            [sys.executable, "-m", "wavesweep", *arguments],
            cwd=cwd,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C is ignored by what a shell starts in the background, and inherited so.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
