"""The command in a process of its own, and overrides that make its runs small."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.forking import READ_AT_THE_START, Forked, environment, heavy, light

SMALL = (
    "dataset.num_series=7",
    "dataset.length=40",
    "dataset.width=3",
    "training.epochs=3",
    "training.refine_epochs=1",
    "training.batch_size=4",
)
"""Overrides that make a run of the sine take a fraction of a second."""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: str, cwd: Path, pictures: bool = False, **variables: str) -> Forked:
    """Run `wavesweep` in a process of its own, that is forked (see forking.py).

    Args:
        arguments: Of the command line.
        cwd: Where.
        pictures: Whether runs and sweeps draw theirs; else each gets a file that is empty.
        variables: Of its environment.
    """
    assert not any(name.startswith(READ_AT_THE_START) for name in variables), "only a process that is started reads it"
    return heavy().run(*arguments, cwd=cwd, environment=environment(**variables), pictures=pictures)


def light_command(*arguments: str, cwd: Path, **variables: str) -> Forked:
    """Run `wavesweep` likewise, without torch and MLflow until it imports them; it tells whether it has."""
    return light().run(*arguments, cwd=cwd, environment=environment(**variables))


def real_command(*arguments: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `wavesweep` in a process that is started, as its users do."""
    return subprocess.run(
        [sys.executable, "-m", "wavesweep", *arguments],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
