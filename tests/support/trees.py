"""Looks at processes and at those that they have started."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Say whether a process runs; one that nobody has waited for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Return the processes that a process, by any of its threads, has started."""
    threads = sorted(Path(f"/proc/{pid}/task").glob("*/children"))
    found = []
    for thread in threads:
        with suppress(OSError):
            found += [int(word) for word in thread.read_text().split()]
    return found


def gone(pids: list[int], seconds: float) -> bool:
    """Wait until no process of several lives; say whether that came in time."""
    until = time.monotonic() + seconds
    while any(map(lives, pids)):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
