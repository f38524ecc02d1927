"""MLflow's sqlite store, made once for all tests: making one takes seconds, since MLflow migrates an empty database."""

import shutil
from pathlib import Path

from filelock import FileLock

from wavesweep.trackers.mlflow import sqlite_file

template: Path | None = None
"""Where the store that others are copies of is, or will be; set by conftest.py. It holds no experiment of ours."""
make = sqlite_file._make
"""Makes a store indeed."""


def copy_instead(template: Path) -> None:
    """Let `wavesweep.trackers.mlflow.sqlite_file` copy a store where it would make one.

    Args:
        template: What it copies; made, if it is not there yet.
    """

    def copy(path: Path) -> None:
        with FileLock(f"{template}.lock"):
            if not template.exists():
                make(template)
        new = path.with_name(f"{path.name}.new")
        shutil.copyfile(template, new)
        new.replace(path)

    sqlite_file._make = copy


def ready(path: Path) -> None:
    """Put a store where a process would make one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sqlite_file._make(path)
