"""The ways in which workers claim trials, for tests of what all of them promise."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hydra_queue_sweeper.search.trials import State, Trial
from hydra_queue_sweeper.sweeps.control import Control, write_control
from hydra_queue_sweeper.sweeps.queue import Queue, claims_of
from hydra_queue_sweeper.sweeps.store import Records, SweepDirectory

Propose = Callable[[int], Trial]


def unproposed(number: int) -> Trial:
    """Stand for a sampler where all jobs are listed."""
    raise AssertionError(number)


@dataclass
class Claiming:
    """Makes the queues of workers.

    Attributes:
        kind: directory, leases or postgresql.
        address: Of the database where trials are claimed; None: in the sweep's directory.
    """

    kind: str
    address: str | None = None

    def start(self, sweep: SweepDirectory, launch: str) -> None:
        """Begin a start of a sweep."""
        plan = sweep.read_plan()
        claims_of(Records(sweep, plan), launch, self.address).start(sweep.read_trials(plan))
        write_control(sweep, Control(launch))

    def queue(self, sweep: SweepDirectory, launch: str = "a", propose: Propose = unproposed) -> Queue:
        """Return the queue of another worker."""
        plan = sweep.read_plan()
        return Queue(claims_of(Records(sweep, plan), launch, self.address), propose)

    def begin(self, sweep: SweepDirectory, launch: str = "a", propose: Propose = unproposed) -> Queue:
        """Begin a start of a sweep; return the queue of its first worker."""
        self.start(sweep, launch)
        return self.queue(sweep, launch, propose)


def work(queue: Queue, state: State = "finished") -> list[int]:
    """Take and end all that there is; return the numbers in their order."""
    taken = []
    while True:
        with queue.take() as trial:
            if trial is None:
                return taken
            taken.append(trial.number)
            queue.claims.record(replace(trial, state=state))
