"""Opening a page in the user's browser."""

import os
import subprocess
import sys
from contextlib import suppress
from subprocess import DEVNULL


def has_display() -> bool:
    """Say whether someone sits at a terminal that has a display beside it."""
    if sys.platform in ("darwin", "win32"):  # whose display is elsewhere when they are reached by SSH
        beside = "SSH_CONNECTION" not in os.environ
    else:
        beside = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return beside and sys.stdout.isatty()


def open_page(address: str) -> None:
    """Open a page, if that can be done.

    The browser gets no terminal: it could not take ours over, nor write on it, nor end with what ends there.
    """
    environment = {name: value for name, value in os.environ.items() if name != "TERM"}  # for browsers of text alone
    command = [sys.executable, "-m", "webbrowser", address]
    with suppress(OSError):
        subprocess.Popen(  # noqa: S603  our own address
            command, env=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
