"""Files that a user names for a command to write: nothing that is there is replaced."""

import os
from collections.abc import Iterable
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import write_new


def check_free(files: Iterable[Path]) -> None:
    """Refuse files of which one is there, before anything is computed."""
    for file in files:
        if os.path.lexists(file):
            raise _taken(file)


def write(file: Path, content: bytes) -> None:
    """Write a file that is still not there.

    Raises:
        Refused: If another program has made one meanwhile.
        OSError: If it can't be written.
    """
    try:
        write_new(file, content)
    except FileExistsError:
        raise _taken(file) from None


def _taken(file: Path) -> Refused:
    return Refused(f"--output must name what is not there yet, but {file} is; move it away or name another")
