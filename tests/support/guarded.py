"""Keeps account of what is done meanwhile to the world outside of a place, and of what it costs."""

import gc
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

PROCESSES = (
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
    "subprocess.Popen",
)
CONNECTIONS = ("socket.connect", "socket.sendto", "urllib.Request")
CHANGES = (
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook that can be put to sleep: none can be removed.

    Attributes:
        awake: Whether it notes anything.
        places: Where files may be changed.
        done: What was done that data never makes a program do.
        imported: The modules that were imported.
    """

    def __init__(self) -> None:
        self.awake = False
        self.places: list[str] = []
        self.done: list[str] = []
        self.imported: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event that is none of data's business."""
        if not self.awake:
            return
        if event in PROCESSES or event in CONNECTIONS:
            self.done.append(f"{event} {arguments!r:.200}")
        elif event == "import":
            self.imported.append(str(arguments[0]))
        elif event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & WRITES:
            self._check(event, arguments[0])
        elif event == "sqlite3.connect":
            self._check(event, str(arguments[0]).removeprefix("file:").removeprefix("//").partition("?")[0])
        elif event in CHANGES and not (event == "os.mkdir" and Path(os.fsdecode(arguments[0])).is_dir()):  # which fails
            count = 2 if event in ("os.rename", "os.link") else 1
            folders = (-1,) if event == "os.truncate" else arguments[-count:]
            for path, folder in zip(arguments[:count], folders, strict=True):
                self._check(event, path, folder)

    def _check(self, event: str, path: Any, folder: Any = -1) -> None:
        """Note a change that lies elsewhere; its path is relative to an open folder, if one is given."""
        if isinstance(path, str | bytes):
            around = "" if folder == -1 else f"/proc/self/fd/{folder}"
            path = os.path.realpath(Path(around, os.fsdecode(path)))
        if not path.startswith((*self.places, "/dev/")):
            self.done.append(f"{event} {path}")


@cache
def _hooked() -> Watch:
    """Return the one audit hook of this process."""
    watch = Watch()
    sys.addaudithook(watch)
    return watch


@contextmanager
def watching(*places: Path) -> Iterator[dict[str, Any]]:
    """Fill in a report, in the end: what has been done and imported, the seconds, those of the processor, and bytes.

    Args:
        places: Where files may be changed.
    """
    watch, report = _hooked(), dict[str, Any]()
    watch.places = [os.path.realpath(place) for place in places]
    watch.done, watch.imported = [], []
    Path("/proc/self/clear_refs").write_text("5")  # the most memory so far is that of now
    gc.freeze()  # else a search for garbage goes through all that tests have made
    before, began, busy = resident("VmRSS"), time.perf_counter(), time.process_time()
    watch.awake = True
    try:
        yield report
    finally:
        watch.awake = False
        report.update(done=watch.done, imported=watch.imported, bytes=resident("VmHWM") - before)
        report.update(seconds=time.perf_counter() - began, busy=time.process_time() - busy)
        gc.unfreeze()


def resident(what: str, process: int | str = "self") -> int:
    """Return how many bytes a process has, or had at most."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) << 10
