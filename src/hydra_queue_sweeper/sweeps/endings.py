"""Which trials have ended, in one file that grows: so that no claim visits what another has found to have ended.

It is a hint. What it lacks, as where a worker was killed before it could add a number, the next claim finds by the
record itself.
"""

from collections.abc import Iterable
from contextlib import suppress

from hydra_queue_sweeper.base.files import write_atomically
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.store import SweepDirectory

DIGITS = 9  # of each number: a line that a full disk or a kill has cut is none


class Endings:
    """The numbers of trials that have ended, as one worker reads them; under the queue's lock.

    Args:
        sweep: The sweep's directory.
    """

    def __init__(self, sweep: SweepDirectory) -> None:
        self.path, self._read_to = sweep.endings, 0

    def read(self) -> list[int]:
        """Return the numbers that were added since the last time."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read_to)
                added = file.read()
        except FileNotFoundError:
            return []
        self._read_to += len(added)
        return [int(line) for line in added.split(b"\n") if len(line) == DIGITS and line.isdigit()]

    def add(self, numbers: Iterable[int]) -> None:
        """Let others know of trials that have ended."""
        with suppress(OSError), self.path.open("ab") as file:  # a full disk costs time alone
            file.write(_lines(numbers))


def begin_endings(sweep: SweepDirectory, trials: Iterable[Trial]) -> None:
    """Begin the file anew, for another start of a sweep: what failed before may wait again."""
    write_atomically(sweep.endings, _lines(trial.number for trial in trials if trial.ended))


def _lines(numbers: Iterable[int]) -> bytes:
    return b"".join(b"%0*d\n" % (DIGITS, number) for number in numbers)
