"""Runs the command, or what a notebook calls, and keeps account of what it does to the world outside of its place.

    python -m tests.support.guarded REPORT PLACE COMMAND...

REPORT gets as JSON what it did that data never makes a program do, what it imported, the seconds it took, those of
the processor's time, and the bytes that it needed at most, beyond those at its start.
"""

import json
import os
import resource
import sys
import time
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
ATTRIBUTES = ("config", "status", "metrics", "result", "plots")


class Watch:
    """An audit hook.

    Args:
        places: Where files may be changed.
    """

    def __init__(self, *places: str) -> None:
        self.places = [os.path.realpath(place) for place in places]
        self.done: list[str] = []
        self.imported: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event that is none of data's business."""
        if event in PROCESSES or event in CONNECTIONS:
            self.done.append(f"{event} {arguments!r:.200}")
        elif event == "import":
            self.imported.append(str(arguments[0]))
        elif event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & WRITES:
            self._check(event, arguments[0])
        elif event == "sqlite3.connect":
            self._check(event, str(arguments[0]).removeprefix("file:").removeprefix("//").partition("?")[0])
        elif event in CHANGES and not (event == "os.mkdir" and Path(os.fsdecode(arguments[0])).is_dir()):  # which fails
            for path in arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]:
                self._check(event, path)

    def _check(self, event: str, path: Any) -> None:
        path = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes) else str(path)
        if not path.startswith((*self.places, "/dev/")):
            self.done.append(f"{event} {path}")


def main() -> None:
    """Do what the command line says, under guard."""
    report, place, *sys.argv[1:] = sys.argv[1:]
    with Path(report).open("w") as file:
        watch = Watch(place, f"{os.environ['WAVESWEEP_TEMPLATE']}.lock")
        sys.addaudithook(watch)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, busy = time.perf_counter(), time.process_time()
        try:
            _run(sys.argv[1:])
        finally:
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            spent = {"seconds": time.perf_counter() - began, "busy": time.process_time() - busy}
            needed = spent | {"bytes": (after - before) << 10}
            json.dump({"done": watch.done, "imported": watch.imported, **needed}, file)


def _run(command: list[str]) -> None:
    from wavesweep.base.errors import Refused

    try:
        match command:
            case ["attributes", place]:
                from wavesweep.api import open_run

                run = open_run(place)
                print([getattr(run, name) for name in ATTRIBUTES], run.forecast())
            case _:
                from wavesweep.cli.main import main as run_command

                run_command()
    except Refused as error:
        print(f"wavesweep: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
