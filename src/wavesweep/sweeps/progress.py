"""How far the jobs of a sweep are, wherever they run, as its directory tells; and when all will have ended."""

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from wavesweep.base.errors import Refused
from wavesweep.search.plan import Plan
from wavesweep.search.remaining import Values, Work, seconds_left
from wavesweep.search.space import varied
from wavesweep.search.trials import Trial, is_seed
from wavesweep.sweeps.store import SweepDirectory
from wavesweep.sweeps.task import SweepTask

SECONDS_BETWEEN_READINGS = 1.0
MOST_READING = 0.03  # of a core: long records are read less often


class Report(NamedTuple):
    """The latest that a job has reported: a step, and its objective then."""

    step: int = 0
    objective: float = math.nan


class Progress:
    """What is known of a sweep's jobs.

    Args:
        sweep: The sweep's directory.
        plan: Of the sweep.
        task: That it runs.

    Attributes:
        trials: All whose overrides are known, by their numbers.
        ended: Those that have ended.
        running: Those that a worker of this start is at.
        num_workers: The most that were at work at once.
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan, task: SweepTask) -> None:
        self.sweep, self.plan, self.task = sweep, plan, task
        self.trials = {trial.number: trial for trial in sweep.read_trials(plan)}
        self.ended = {number: trial for number, trial in self.trials.items() if trial.ended}
        self.running: list[Trial] = []
        self.num_workers = 0
        self._begun_before = {number: trial.began for number, trial in self.trials.items()}
        self._reports: dict[int, Report] = {}
        self._first_steps: dict[int, int] = {}  # at which each job was taken up
        self._end = math.inf  # this moment and the next are of time.monotonic
        self._next_reading = 0.0
        for trial in self.trials.values():
            if not trial.ended:
                self.read_report(trial)

    def update(self) -> Iterator[Trial]:
        """Take over what has become of the jobs; yield each that has ended."""
        for number in sorted(self.sweep.begun() - self.ended.keys()):
            trial = self._read_trial(number)
            if trial is None:
                continue
            if number not in self.trials or self.trials[number].began != trial.began:
                self._first_steps[number] = self.report(trial).step
            self.trials[number] = trial
            if trial.ended:
                self.ended[number] = trial
                yield trial
        begun = [trial for trial in self.trials.values() if trial.state == "running"]
        # What an earlier start left behind waits for a worker.
        self.running = [trial for trial in begun if trial.began != self._begun_before.get(trial.number)]
        self.num_workers = max(self.num_workers, len(self.running))

    def _read_trial(self, number: int) -> Trial | None:
        with suppress(OSError, Refused):  # of a record that is damaged
            return self.sweep.read_trial(number)

    def report(self, trial: Trial) -> Report:
        """Return the latest report of a job that has been read."""
        return self._reports.get(trial.number, Report())

    def read_report(self, trial: Trial) -> Report:
        """Return the latest report of a job, if it can be told."""
        with suppress(OSError, Refused):
            if trial.directory and (reports := self.task.read_reports(self.sweep.path / trial.directory)):
                step = max(reports)
                self._reports[trial.number] = Report(step, reports[step])
        return self.report(trial)

    def look_ahead(self) -> None:
        """Read how far jobs are, and estimate when all will have ended; now and then, as long as that may take."""
        began = time.monotonic()
        if began < self._next_reading:
            return
        for trial in self.running:
            self.read_report(trial)
        at_work = {trial.number for trial in self.running}
        ended = [Work(self._values(trial), trial.seconds) for trial in self.ended.values()]
        waiting = [self._values(one) for one in self.trials.values() if not one.ended and one.number not in at_work]
        waiting += [{}] * (self.plan.n_trials - len(self.trials))
        left = seconds_left(ended, [self._work(trial) for trial in self.running], waiting, self.num_workers)
        now = time.monotonic()
        self._end = math.inf if left is None else now + left
        self._next_reading = now + max(SECONDS_BETWEEN_READINGS, (now - began) / MOST_READING)

    @property
    def seconds_left(self) -> float:
        """The seconds until all jobs will have ended, as they were last estimated; inf where that can't be told."""
        return self._end - time.monotonic()

    def _work(self, trial: Trial) -> Work:
        """Return what has been done of a job since it was last taken up."""
        step = self.report(trial).step
        first = self._first_steps.get(trial.number, 0)
        if first > step:  # it began anew
            first = 0
        steps = trial.steps or math.inf
        return Work(self._values(trial), seconds_since(trial), step / steps, first / steps)

    def _values(self, trial: Trial) -> Values:
        dimensions = [one for one in self.plan.dimensions if one.interval is None and not is_seed(one.key)]
        return varied(dimensions, trial.overrides)


def seconds_since(trial: Trial) -> float:
    """Return the seconds since a job was last taken up; the clock of another machine may differ."""
    return max(0.0, time.time() - trial.began)
