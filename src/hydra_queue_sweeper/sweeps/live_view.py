"""The live view of a sweep: on a terminal a bar, and a line for each job that runs; a line for each that ends.

What it knows of the jobs, wherever they run, their sweep's directory tells.
"""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.keys import last_parts
from hydra_queue_sweeper.base.redaction import without_password
from hydra_queue_sweeper.base.repeating import repeating
from hydra_queue_sweeper.base.terminal import Bar, interactive
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.remaining import Values, Work, seconds_left
from hydra_queue_sweeper.search.space import Value, but_seed, varied
from hydra_queue_sweeper.search.trials import ENDED, Trial
from hydra_queue_sweeper.sweeps.control import change_control, read_control
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask

Report = tuple[int, float]
"""The latest that a job has reported: a step, and its objective then."""

SECONDS_BETWEEN_LOOKS = 0.3
SECONDS_BETWEEN_READINGS = 1.0
MOST_READING = 0.03  # of a core: long records are read less often
SECONDS_OF_SILENCE = 30.0  # after which a pipe gets a line
COLOURS = {"failed": 31, "diverged": 33}
MOST_SECONDS = 1e9  # of what is shown as a time
COLUMNS = 1000  # of lines, where no terminal tells


@contextmanager
def watching(sweep: SweepDirectory, plan: Plan, task: SweepTask) -> Iterator[None]:
    """Show how a sweep goes while its workers run."""
    shows_bar = interactive() and task.is_quiet  # else what jobs print would stand within it
    with Bar(timed=False) if shows_bar else nullcontext() as bar:
        view = _View(sweep, plan, task, bar)
        view.look()
        with repeating(view.look, SECONDS_BETWEEN_LOOKS):
            yield
        view.look()


class _View:
    """What is shown of a sweep.

    Args:
        sweep: Its directory.
        plan: Of the sweep.
        task: That it runs.
        bar: Shows how it goes, where there is a terminal.

    Attributes:
        trials: All whose overrides are known, by their numbers.
        ended: Those that have ended.
        running: Those that a worker of this start is at.
        num_workers: The most that were at work at once.
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan, task: SweepTask, bar: Bar | None) -> None:
        self.sweep, self.plan, self.task, self.bar = sweep, plan, task, bar
        self.trials = {trial.number: trial for trial in sweep.read_trials(plan)}
        self.ended = {number: trial for number, trial in self.trials.items() if trial.ended}
        self.running: list[Trial] = []
        self.num_workers = 0
        self._launch = read_control(sweep).launch
        self._listed = [one for one in but_seed(plan.dimensions) if one.interval is None]
        self._reports: dict[int, Report] = {}  # of jobs
        self._end = math.inf  # this moment and the next are of time.monotonic
        self._next_reading = 0.0
        self.names = last_parts([one.name for one in plan.dimensions if one.swept])
        expected = sum(len(name) + 11 for name in self.names.values())  # where numbers are drawn, of four digits
        self.widest = max((len(self._what(trial)) for trial in self.trials.values()), default=expected)
        self.silent_until = time.monotonic() + SECONDS_OF_SILENCE
        if not bar and len(self.ended) < plan.n_trials:
            self._say(f"[{self._count()}] {self._status()}")

    def look(self) -> bool:
        """Show what has changed, and let workers elsewhere know of a signal; what fails now may succeed later."""
        with suppress(OSError):
            if signals.pending() and not read_control(self.sweep).stop:
                change_control(self.sweep, stop=True)
            ended = [(self._line(trial), COLOURS.get(trial.state)) for trial in self.update()]
            if self.bar:
                self._show(self.bar)
            elif time.monotonic() >= self.silent_until and not ended:
                self.look_ahead()
                self._say(f"[{self._count()}] {self._status()} · {self._scores()}")
            for line, colour in ended:  # after the bar, or a job would be seen both above and below it
                self._say(line, colour)
        return True

    def _show(self, bar: Bar) -> None:
        self.look_ahead()
        rows = [self._row(trial) for trial in self.running]
        num_ended = len(self.ended)
        bar.show(self._count(), num_ended, self.plan.n_trials, self._scores(), self._status(), rows)

    def _what(self, trial: Trial) -> str:
        """Return what tells a job from others, numbers to four digits."""
        values = varied([*self.plan.dimensions, *trial.further], trial.overrides)
        told = [f"{self.names.get(key, key)}={_short(value)}" for key, value in values.items()]
        return without_password(" ".join(told))

    def _count(self) -> str:
        total = str(self.plan.n_trials)
        return f"{len(self.ended):>{len(total)}}/{total}"

    def _job(self, trial: Trial) -> str:
        return f"job {trial.number:>{len(str(self.plan.n_trials - 1))}}"

    def _row(self, trial: Trial) -> tuple[str, ...]:
        """Return the cells of a line on a job that runs."""
        step, objective = self.report(trial)
        scores = ("", "")
        if step and trial.steps:
            scores = (f"{self.task.step} {step}/{trial.steps}", self._shown(objective))
        return self._job(trial), self._what(trial), *scores, f"{_seconds_spent(trial):.0f} s"

    def _line(self, trial: Trial) -> str:
        """Return a line on a job that has ended; what it varies gives way where width lacks."""
        objective = trial.objective
        note = f"  {trial.reason}" if trial.reason else ""
        width = self.bar.width if self.bar else COLUMNS
        if trial.state == "pruned" and not note:
            step, objective = self.read_report(trial)
            note = f"  at {self.task.step} {step}/{trial.steps}"
            width -= len(note)  # which must not wrap, unlike a reason
        score = "" if objective is None else self._shown(objective)
        head = f"[{self._count()}] {trial.state:<8}  {self._job(trial)}  "
        tail = f"  {score:>9}  {trial.seconds:5.1f} s"
        room = max(8, width - len(head + tail))
        what = self._what(trial)
        if len(what) > room:
            what = f"{what[: room - 1]}…"
        self.widest = max(self.widest, len(what))
        return f"{head}{what.ljust(min(self.widest, room))}{tail}{note}"

    def _status(self) -> str:
        """Return how many jobs run, and how the others have ended."""
        counts = Counter(trial.state for trial in self.ended.values())
        has_begun = self.num_workers > 0 or len(self.ended) == self.plan.n_trials
        now = f"{len(self.running)} running" if has_begun else self.task.beginning
        return " · ".join([now, *(f"{counts[state]} {state}" for state in ENDED if counts[state])])

    def _scores(self) -> str:
        """Return the best objective so far, and the time left."""
        left = f"time left {self._time_left()}"
        finished = [(one.objective, one.number) for one in self.ended.values() if one.objective is not None]
        if not finished:
            return left
        objective, number = min(finished)
        return f"best {self._shown(objective)} (job {number})  {left}"

    def _shown(self, objective: float) -> str:
        return f"{self.plan.as_returned(objective):.3e}"

    def _say(self, line: str, colour: int | None = None) -> None:
        """Print a line, above the bar if there is one, if anybody listens."""
        if self.bar and colour:
            line = f"\033[{colour}m{line}\033[0m"
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)
        self.silent_until = time.monotonic() + SECONDS_OF_SILENCE

    def update(self) -> Iterator[Trial]:
        """Take over what has become of the jobs; yield each that has ended."""
        for number in sorted(self.sweep.begun() - self.ended.keys()):
            trial = self._read_trial(number)
            if trial is None:
                continue
            self.trials[number] = trial
            if trial.ended:
                self.ended[number] = trial
                yield trial
        begun = [trial for trial in self.trials.values() if trial.state == "running"]
        # What an earlier start left behind waits for a worker.
        self.running = [trial for trial in begun if trial.launch == self._launch]
        self.num_workers = max(self.num_workers, len(self.running))

    def _read_trial(self, number: int) -> Trial | None:
        with suppress(OSError, Refused):  # of a record that is damaged
            return self.sweep.read_trial(number)

    def report(self, trial: Trial) -> Report:
        """Return the latest report of a job that has been read."""
        return self._reports.get(trial.number, (0, math.nan))

    def read_report(self, trial: Trial) -> Report:
        """Return the latest report of a job, if it can be told."""
        with suppress(OSError, Refused):
            if trial.directory and (reports := self.task.read_reports(self.sweep.path / trial.directory)):
                step = max(reports)
                self._reports[trial.number] = step, reports[step]
        return self.report(trial)

    def look_ahead(self) -> None:
        """Read how far jobs are, and estimate when all will have ended; now and then, as long as that may take."""
        began = time.monotonic()
        if began < self._next_reading:
            return
        running = []
        for trial in self.running:
            step, _ = self.read_report(trial)
            running.append(Work(self._values(trial), _seconds_spent(trial), step / (trial.steps or math.inf)))
        at_work = {trial.number for trial in self.running}
        ended = [Work(self._values(trial), trial.seconds) for trial in self.ended.values()]
        waiting = [self._values(one) for one in self.trials.values() if not one.ended and one.number not in at_work]
        waiting += [{}] * (self.plan.n_trials - len(self.trials))
        left = seconds_left(ended, running, waiting, self.num_workers)
        now = time.monotonic()
        self._end = now + left
        self._next_reading = now + max(SECONDS_BETWEEN_READINGS, (now - began) / MOST_READING)

    def _time_left(self) -> str:
        """Return the time until all jobs will have ended, as it was last estimated, in hours, minutes and seconds."""
        seconds = self._end - time.monotonic()
        if seconds > MOST_SECONDS:
            return "–"
        return str(timedelta(seconds=math.ceil(max(0.0, seconds))))

    def _values(self, trial: Trial) -> Values:
        return varied(self._listed, trial.overrides)


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _seconds_spent(trial: Trial) -> float:
    """Return the seconds spent on a job that runs, earlier attempts included; another machine's clock may differ."""
    return trial.seconds + max(0.0, time.time() - trial.began)
