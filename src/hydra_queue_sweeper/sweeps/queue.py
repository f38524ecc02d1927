"""The queue of a sweep's trials, from which each worker takes one after the other."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from hydra_queue_sweeper.search.trials import GIVEN_UP, Trial
from hydra_queue_sweeper.sweeps.claims import Claims, DirectoryClaims
from hydra_queue_sweeper.sweeps.control import read_control
from hydra_queue_sweeper.sweeps.store import Records

MOST_DEATHS = 3  # of workers that held a trial; see sweeper.py


def claims_of(records: Records, launch: str, address: str | None) -> Claims:
    """Return the claims of a start of a sweep: in a database, or where there is no address in the sweep's directory."""
    if address is None:
        return DirectoryClaims(records, launch)
    from hydra_queue_sweeper.sweeps.postgres_claims import PostgresClaims

    return PostgresClaims(records, launch, address)


class Queue:
    """Hands out trials to one worker: each to one worker at a time, and none that has ended.

    Args:
        claims: Say who has which. A worker of the same start of the sweep that is gone died: the trial that it held is
            charged with that. Of an earlier start that was killed, nothing is charged.
        propose: Gives a trial that begins a proposal, by its number; called with all others locked out.
    """

    def __init__(self, claims: Claims, propose: Callable[[int], Trial]) -> None:
        self.claims, self._propose = claims, propose
        self.records, self.launch = claims.records, claims.launch
        self.sweep, self.plan = claims.sweep, claims.plan

    @contextmanager
    def take(self) -> Iterator[Trial | None]:
        """Hold the next trial that nobody holds; None if there is none, or the sweep has found enough."""
        control = read_control(self.sweep)
        if control.enough or control.launch != self.launch:
            yield None
            return
        with self.claims.take(self._begin) as trial:
            yield trial

    def _begin(self, number: int, attempt: int | None) -> Trial | None:
        """Mark a trial that is held as running; None if it has ended, or ends now."""
        trial = self.sweep.read_trial(number) or self._new(number)
        if trial.ended:
            return None
        if trial.state == "running" and trial.launch == self.launch:
            trial = replace(trial, deaths=trial.deaths + 1)
        trial = replace(trial, attempt=trial.attempt + 1 if attempt is None else attempt)
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
        begun = self.sweep.begun()  # no look for each: what was looked for in vain may stay unseen on a network's disk
        for other in self.plan.proposal(number).numbers:
            if other in begun and (trial := self.sweep.read_trial(other)):
                return self.plan.replicate(trial, number)
        return self._propose(number)

    def _given_up(self, trial: Trial) -> list[Trial]:
        """Return the replicates of a trial with which a pruner, where one is at work, gave its configuration up."""
        if not self.plan.pruner:
            return []
        others = [one for one in self.records.read() if one.state in GIVEN_UP and one.number != trial.number]
        return [one for one in others if one.configuration == trial.configuration]
