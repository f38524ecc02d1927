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
CHANGES = {
    "os.chmod": [(0, 2)],
    "os.chown": [(0, 3)],
    "os.link": [(0, 2), (1, 3)],
    "os.mkdir": [(0, 2)],
    "os.remove": [(0, 1)],
    "os.rename": [(0, 2), (1, 3)],
    "os.rmdir": [(0, 1)],
    "os.symlink": [(1, 2)],
    "os.truncate": [(0, None)],
}
"""Of each event, which arguments are paths that are changed, each with that of the open folder it is relative to."""
NO_FOLDER = -1  # what an event has where a path is relative to the working directory
OF_ENTRIES = ("os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink")  # of a folder
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
        else:
            for path, folder in CHANGES.get(event, []):
                self._check(event, arguments[path], NO_FOLDER if folder is None else arguments[folder])

    def _check(self, event: str, path: Any, folder: int = NO_FOLDER) -> None:
        """Note a change that lies elsewhere."""
        if not isinstance(path, str | bytes):  # an open file
            self.done.append(f"{event} {path}")
            return
        around = "" if folder == NO_FOLDER else f"/proc/self/fd/{folder}"
        changed = Path(around, os.fsdecode(path))
        if event == "os.mkdir" and changed.is_dir():  # which fails
            return
        entry = changed.name if event in OF_ENTRIES else ""  # a link itself is changed, not what it leads to
        followed = changed.parent if entry else changed
        changed = followed.resolve() / entry
        if not any(changed.is_relative_to(place) for place in (*self.places, "/dev")):
            self.done.append(f"{event} {changed}")


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
