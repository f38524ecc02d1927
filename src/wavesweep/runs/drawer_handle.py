"""The drawer as the process that started it sees it: what it does stands in `drawing/drawer.py`."""

import json
import os
import select
import time
from collections import deque
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import in_one_line, relative
from wavesweep.base.processes import SECONDS_AFTER_SIGNAL, open_process
from wavesweep.base.streams import log

if TYPE_CHECKING:
    import subprocess

SECONDS_FOR_A_PICTURE = 60.0
TICK = 0.05  # seconds between looks at signals


class Drawer(AbstractContextManager["Drawer"]):
    """Starts a process that draws pictures one after the other, on another core.

    Where there is no other core, or the process is lost, pictures are drawn here. One that can't be drawn is warned of;
    one that can't be written, as on a full disk, fails the run, so that it can be gone on with, unless it lags.

    Args:
        may_lag: Whether the pictures of a run may be drawn while the next one goes on.
    """

    def __init__(self, *, may_lag: bool = False) -> None:
        self.may_lag = may_lag
        self._process: subprocess.Popen[bytes] | None = None
        self._is_lost = _cores() == 1
        self._ordered: deque[tuple[Path, Path]] = deque()
        self._answers = b""
        self._failure: OSError | None = None

    def start(self) -> None:
        """Start the process, unless that was done; it imports matplotlib meanwhile."""
        if self._process is not None or self._is_lost:
            return
        try:
            self._process = open_process("wavesweep.drawing.drawer")
        except OSError as error:
            self._is_lost = True
            log.warning("the process that draws can't be started: %s", in_one_line(error))

    def draw(self, shown: Path, picture: Path) -> None:
        """Have a picture drawn, of what a file of `shown.pack` holds."""
        self.start()
        self._ordered.append((shown.absolute(), picture.absolute()))
        if self._process is None:
            self._draw_here()
            return
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps([*map(str, self._ordered[-1])]).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            self._lose()

    def finish_run(self, number: int) -> None:
        """Wait for the pictures of a run, the last so many, or where they may lag for those of the runs before it.

        Raises:
            OSError: If one of the run's can't be written.
        """
        self.wait(but=number if self.may_lag else 0)
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    def wait(self, but: int = 0) -> None:
        """Wait until pictures are drawn, but for so many of the last ones; after a signal, only for a moment."""
        heard = time.monotonic()
        while len(self._ordered) > but and self._process is not None:
            if signals.waited() > SECONDS_AFTER_SIGNAL:
                return
            assert self._process.stdout
            if select.select([self._process.stdout], [], [], TICK)[0]:
                heard = time.monotonic()
                self._take(os.read(self._process.stdout.fileno(), 1 << 16))
            elif time.monotonic() - heard > SECONDS_FOR_A_PICTURE:
                self._lose()

    def end(self) -> None:
        """Let the process end, once it has drawn what it was told to."""
        if self._process is None:
            return
        assert self._process.stdin
        self._process.stdin.close()
        if not self._ordered:
            self._forget()

    def __exit__(self, *_: object) -> None:
        """Do as `end`."""
        self.end()

    def _take(self, answers: bytes) -> None:
        """Take what the process says; nothing, where it has ended."""
        if not answers:
            self._lose()
            return
        *lines, self._answers = (self._answers + answers).split(b"\n")
        for line in lines:
            number, problem = json.loads(line)
            self._note(number, problem, *self._ordered.popleft())

    def _lose(self) -> None:
        """Draw here from now on, and what the process had left."""
        assert self._process
        self._process.kill()
        self._forget()
        self._is_lost = True
        self._draw_here()

    def _forget(self) -> None:
        """Wait for the process, which ends."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        self._process.wait()
        self._process.stdout.close()
        with suppress(OSError):  # what it was told last was not read
            self._process.stdin.close()
        self._process = None

    def _draw_here(self) -> None:
        from wavesweep.drawing.drawer import try_to_draw

        while self._ordered:
            number, problem = try_to_draw(*self._ordered[0])
            self._note(number, problem, *self._ordered.popleft())

    def _note(self, number: int, problem: str, shown: Path, picture: Path) -> None:
        if number and not self.may_lag:
            self._failure = self._failure or OSError(number, os.strerror(number), str(relative(picture)))
        elif problem:
            run = relative(shown.parents[1])
            log.warning("%s can't be drawn: %s; wavesweep draw %s tries it again", picture.name, problem, run)


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
