"""Standard streams whose writing never fails, and the logs of a run."""

import io
import logging
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

log = logging.getLogger("wavesweep")
LOG = "wavesweep.log"  # in the directory of a run or a sweep


class Output(io.FileIO):
    """A standard stream whose writing never fails: what can't be written is gone, and all that follows it.

    Args:
        descriptor: The stream's.
        nowhere: The descriptor of the null device, which takes its place.

    Attributes:
        failure: Why it could not be written, if so, and not because nobody reads it any more.
    """

    def __init__(self, descriptor: int, nowhere: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: OSError | None = None
        self._nowhere = nowhere
        self._is_terminal = self.isatty()

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write bytes; where that fails, let this process and those that it starts write nowhere from now on."""
        try:
            while (count := super().write(data)) is None:  # a pipe that another program made non-blocking is full
                select.select([], [self], [])
        except OSError as error:
            unread = isinstance(error, ConnectionError)  # as of `| head`
            if not unread and not self._is_terminal:  # which its user has closed
                self.failure = error
            os.dup2(self._nowhere, self.fileno())
            return memoryview(data).nbytes
        return count


def guard_streams() -> list[Output]:
    """Let nothing fail in this process because a standard stream is closed, full, or read by nobody.

    Returns:
        Standard output and standard error.
    """
    # Each takes the lowest number that is free; else a database, opened next, would be written into as a stream.
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(nowhere, True)
    outputs = [Output(1, nowhere), Output(2, nowhere)]
    sys.stdout = _as_text(outputs[0], sys.stdout)
    sys.stderr = _as_text(outputs[1], sys.stderr)
    return outputs


def _as_text(output: Output, before: TextIO | None) -> TextIO:
    """Return a stream of text that writes to an output, encoded as the stream before it, which may be closed."""
    encoding = before.encoding if before else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(output), encoding, errors="replace", line_buffering=True)


class Stderr(logging.StreamHandler):
    """Logs to the current stderr, so that lines stand above a progress bar instead of within it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> object:  # type: ignore[override]
        """The stream to write to."""
        return sys.stderr


class LogFile(logging.FileHandler):
    """A log that is silent where it can't be written: the run itself says so, and goes on to its end.

    Closed, it stays so: Python's own would be opened again by what a thread says late.
    """

    has_ended = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if that can be done."""
        if self.has_ended:
            return
        with suppress(OSError):
            super().emit(record)

    def close(self) -> None:
        """Close the file."""
        self.has_ended = True
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Do without the record."""
