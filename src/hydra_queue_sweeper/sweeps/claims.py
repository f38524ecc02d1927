"""Who may run which trial: each one worker at a time, and none that has ended.

The records of trials, in the sweep's directory, say how each stands; claims say who may write which.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from filelock import BaseFileLock, Timeout

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.locks import is_lost, make_lock
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.endings import Endings, begin_endings
from hydra_queue_sweeper.sweeps.store import Records

Begin = Callable[[int, int | None], Trial | None]
"""Marks a trial as running, given its number and which attempt this is, None: one more than its record's; returns it.

None if it has ended. Called while nobody else has that trial, and nobody proposes another.
"""


TAKEN = "job {} is another worker's by now: this one was taken for dead"


class Lost(Exception):
    """The trial is another worker's by now: this one was taken for dead."""


class Claims(ABC):
    """Hands out a sweep's trials to one worker.

    A trial's `attempt` is what a fencing token is elsewhere: it grows whenever the trial is taken, and who has an older
    one writes no record.

    Args:
        records: Of the sweep's trials.
        launch: This start of the sweep.
    """

    def __init__(self, records: Records, launch: str) -> None:
        self.records, self.launch = records, launch
        self.sweep, self.plan = records.sweep, records.plan

    def others_at_work(self) -> bool:
        """Say whether another worker of this start has a trial; one that died, as long as its lease lasts."""
        running = [one.number for one in self.records.read() if one.state == "running" and one.launch == self.launch]
        return any(map(self.is_held, running))

    @abstractmethod
    def start(self, trials: list[Trial]) -> None:
        """Let a start of the sweep begin with those trials that have not ended.

        Raises:
            Refused: If there is no place for claims.
        """

    @abstractmethod
    def take(self, begin: Begin) -> AbstractContextManager[Trial | None]:
        """Hold the next trial that nobody holds, within the context; None if there is none."""

    @abstractmethod
    def record(self, trial: Trial) -> None:
        """Write the record of the trial that is held.

        Raises:
            Lost: If it is another worker's by now.
        """

    @abstractmethod
    def is_held(self, number: int) -> bool:
        """Say whether another worker has a trial, as far as can be told."""

    @abstractmethod
    def renew(self) -> bool:
        """Go on to hold what is held; say whether it is still this worker's. May be called from another thread."""


class DirectoryClaims(Claims):
    """Claims by a lock for each trial, in the sweep's directory: a process that dies leaves them at once.

    Where locks reach no other node, they are leases, which are renewed.
    """

    def __init__(self, records: Records, launch: str) -> None:
        super().__init__(records, launch)
        self._open = dict.fromkeys(self.plan.order())  # as far as this worker knows, in their order
        self._endings = Endings(self.sweep)
        self._locks: dict[int, BaseFileLock] = {}  # of trials that others held
        self._held: BaseFileLock | None = None

    def start(self, trials: list[Trial]) -> None:
        """See `Claims`."""
        begin_endings(self.sweep, trials)

    @contextmanager
    def take(self, begin: Begin) -> Iterator[Trial | None]:
        """See `Claims`."""
        with ExitStack() as held:
            with make_lock(self.sweep.path / ".queue.lock", poll_interval=0.01):
                for number in self._endings.read():
                    self._open.pop(number, None)
                    self._locks.pop(number, None)
                trial = self._next(begin, held)
            try:
                yield trial
            finally:
                self._held = None

    def _next(self, begin: Begin, held: ExitStack) -> Trial | None:
        for number in list(self._open):
            lock = self._lock(number)
            try:
                held.enter_context(lock)
            except Timeout:
                self._locks[number] = lock
                continue
            if trial := begin(number, None):
                self._held = lock
                return trial
            del self._open[number]
            self._endings.add([number])
            held.close()
        return None

    def is_held(self, number: int) -> bool:
        """See `Claims`."""
        lock = self._lock(number)
        try:
            with lock:
                return False
        except Timeout:
            self._locks[number] = lock
            return True

    def _lock(self, number: int) -> BaseFileLock:
        return self._locks.pop(number, None) or make_lock(self.sweep.trials / f"{number}.lock", patience=0.0)

    def record(self, trial: Trial) -> None:
        """See `Claims`."""
        there = None
        with suppress(Refused):  # of a record that is damaged, which this one replaces
            there = self.sweep.read_trial(trial.number)
        if not self.renew() or (there and there.attempt > trial.attempt):
            raise Lost(TAKEN.format(trial.number))
        self.sweep.write_trial(trial)

    def renew(self) -> bool:
        """See `Claims`: leases are renewed by threads of their own."""
        return self._held is None or not is_lost(self._held)
