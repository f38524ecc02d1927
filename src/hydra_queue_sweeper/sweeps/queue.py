"""The queue of a sweep's trials, from which each worker takes one after the other."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from filelock import FileLock, Timeout

from hydra_queue_sweeper.search.trials import GIVEN_UP, Trial
from hydra_queue_sweeper.sweeps.endings import Endings
from hydra_queue_sweeper.sweeps.store import Records, SweepDirectory

MOST_DEATHS = 3  # of workers that held a trial; see sweeper.py


class Queue:
    """Hands out trials to one worker: each to one worker at a time, and none that has ended.

    Args:
        sweep: The sweep's directory.
        launch: This start of the sweep. A worker of the same start that is gone died: the trial that it held is
            charged with that. Of an earlier start that was killed, nothing is charged.
        propose: Gives a trial that begins a proposal, by its number; called with all others locked out.
    """

    def __init__(self, sweep: SweepDirectory, launch: str, propose: Callable[[int], Trial]) -> None:
        self.sweep, self.launch, self._propose = sweep, launch, propose
        self.plan = sweep.read_plan()
        self.records = Records(sweep, self.plan)
        self._open = dict.fromkeys(self.plan.order())  # as far as this worker knows, in their order
        self._endings = Endings(sweep)

    @contextmanager
    def take(self) -> Iterator[Trial | None]:
        """Hold the next trial that nobody holds; None if there is none, or the sweep has found enough."""
        with ExitStack() as held:
            with FileLock(self.sweep.path / ".queue.lock", poll_interval=0.01):
                for number in self._endings.read():
                    self._open.pop(number, None)
                trial = None if self.sweep.enough.exists() else self._next(held)
            yield trial

    def _next(self, held: ExitStack) -> Trial | None:
        for number in list(self._open):
            with suppress(Timeout):
                held.enter_context(FileLock(self.sweep.trials / f"{number}.lock", timeout=0))
                if trial := self._begin(number):
                    return trial
                del self._open[number]
                self._endings.add([number])
                held.close()
        return None

    def _begin(self, number: int) -> Trial | None:
        """Mark a trial that is held as running; None if it has ended, or ends now."""
        trial = self.sweep.read_trial(number) or self._new(number)
        if trial.ended:
            return None
        if trial.state == "running" and trial.launch == self.launch:
            trial = replace(trial, deaths=trial.deaths + 1)
        if trial.deaths >= MOST_DEATHS:
            reason = f"its worker died {trial.deaths} times; it may need more memory than there is"
            trial = replace(trial, state="failed", reason=reason)
        elif others := self._given_up(trial):
            trial = replace(trial, state="pruned", reason=f"its configuration was given up with job {others[0].number}")
        else:
            trial = replace(trial, state="running", launch=self.launch, began=time.time())
        self.sweep.write_trial(trial)
        return None if trial.ended else trial

    def _new(self, number: int) -> Trial:
        """Return a trial that has no record yet; all jobs of a proposal share their configuration."""
        if number in self.plan.waiting:
            return self.plan.waiting[number]
        for other in self.plan.proposal(number).numbers:
            if begun := self.sweep.read_trial(other):
                return self.plan.replicate(begun, number)
        return self._propose(number)

    def _given_up(self, trial: Trial) -> list[Trial]:
        """Return the replicates of a trial with which a pruner, where one is at work, gave its configuration up."""
        if not self.plan.pruner:
            return []
        others = [one for one in self.records.read() if one.state in GIVEN_UP and one.number != trial.number]
        return [one for one in others if one.configuration == trial.configuration]
