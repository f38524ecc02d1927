"""The progress of a sweep: on a terminal a bar, and a line for each job that runs; a line for each that ends."""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from wavesweep.base import signals
from wavesweep.base.errors import Refused
from wavesweep.base.keys import last_parts
from wavesweep.base.redaction import without_password
from wavesweep.base.repeating import repeating
from wavesweep.base.terminal import Bar, interactive
from wavesweep.search.plan import Plan
from wavesweep.search.remaining import Values, Work, seconds_left
from wavesweep.search.space import varied
from wavesweep.search.trials import ENDED, Trial, is_seed
from wavesweep.sweeps.store import SweepDirectory
from wavesweep.sweeps.task import SweepTask

SECONDS_BETWEEN_LOOKS = 0.3
SECONDS_BETWEEN_READINGS = 1.0
MOST_READING = 0.03  # of a core: long records are read less often
SECONDS_OF_SILENCE = 30.0  # after which a pipe gets a line
COLOURS = {"failed": 31, "diverged": 33}
COLUMNS = 100  # of lines, where no terminal tells
MOST_COLUMNS = 1000  # of what a job varies


@contextmanager
def watching(sweep: SweepDirectory, plan: Plan, task: SweepTask) -> Iterator[None]:
    """Show how a sweep goes while its workers run, wherever they run: its directory tells."""
    with Bar(timed=False) if interactive() else nullcontext() as bar:
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
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan, task: SweepTask, bar: Bar | None) -> None:
        self.sweep, self.plan, self.task, self.bar = sweep, plan, task, bar
        swept = [one for one in plan.dimensions if one.swept]
        self.names = last_parts([one.name for one in swept])
        self.listed = [one for one in swept if one.interval is None and not is_seed(one.key)]
        self.trials = {trial.number: trial for trial in sweep.read_trials(plan)}
        self.ended = {number: trial for number, trial in self.trials.items() if trial.ended}
        self.earlier = {number: trial.began for number, trial in self.trials.items()}
        expected = sum(len(name) + 11 for name in self.names.values())  # where numbers are drawn, of four digits
        self.widest = max((len(self._what(trial)) for trial in self.trials.values()), default=expected)
        self.reports: dict[int, tuple[int, float]] = {}  # the last step of each job, and its objective then
        self.since: dict[int, int] = {}  # at which step each was taken up
        self.running: list[Trial] = []
        self.num_workers = 0
        self.read_again, self.end = 0.0, math.inf  # these moments are of time.monotonic
        self.silent_until = time.monotonic() + SECONDS_OF_SILENCE
        for trial in self.trials.values():
            if not trial.ended:
                self._read_report(trial)
        if not bar and len(self.ended) < plan.n_trials:
            self._say(f"[{self._count()}] {self._status()}")

    def look(self) -> bool:
        """Show what has changed, and let workers elsewhere know of a signal; what fails now may succeed later."""
        with suppress(OSError):
            if signals.pending():
                self.sweep.stop.touch()
            ended = self._update()
            if self.bar:
                self._estimate()
                rows = [self._row(trial) for trial in self.running]
                self.bar.show(self._count(), len(self.ended), self.plan.n_trials, self._scores(), self._status(), rows)
            elif time.monotonic() >= self.silent_until and not ended:
                self._estimate()
                self._say(f"[{self._count()}] {self._status()} · {self._scores()}")
            for line, colour in ended:  # after the bar, or a job would be seen both above and below it
                self._say(line, colour)
        return True

    def _update(self) -> list[tuple[str, int | None]]:
        """Take over what has become of jobs; return a line on each that has ended, with its colour."""
        lines = []
        for number in sorted(self.sweep.begun() - self.ended.keys()):
            before, trial = self.trials.get(number), self._read_trial(number)
            if trial is None:
                continue
            self.trials[number] = trial
            if before is None or before.began != trial.began:
                self.since[number] = self._step(trial)
            if trial.ended:
                self.ended[number] = trial
                lines.append((self._line(trial), COLOURS.get(trial.state)))
        begun = [trial for trial in self.trials.values() if trial.state == "running"]
        # What an earlier start left behind waits for a worker.
        self.running = [trial for trial in begun if trial.began != self.earlier.get(trial.number)]
        self.num_workers = max(self.num_workers, len(self.running))
        return lines

    def _read_trial(self, number: int) -> Trial | None:
        with suppress(OSError, Refused):
            return self.sweep.read_trial(number)

    def _read_report(self, trial: Trial) -> None:
        """Read how far a job is, if it can be told."""
        with suppress(OSError, Refused):
            if trial.directory and (reports := self.task.reports(self.sweep.path / trial.directory)):
                step = max(reports)
                self.reports[trial.number] = step, reports[step]

    def _estimate(self) -> None:
        """Read how far jobs are, and estimate when all will have ended; now and then, as long as that may take."""
        began = time.monotonic()
        if began < self.read_again:
            return
        for trial in self.running:
            self._read_report(trial)
        ended = [Work(self._values(trial), trial.seconds) for trial in self.ended.values()]
        at_work = {trial.number for trial in self.running}
        waiting = [self._values(one) for one in self.trials.values() if not one.ended and one.number not in at_work]
        waiting += [{}] * (self.plan.n_trials - len(self.trials))
        left = seconds_left(ended, [self._work(trial) for trial in self.running], waiting, self.num_workers)
        now = time.monotonic()
        self.end = math.inf if left is None else now + left
        self.read_again = now + max(SECONDS_BETWEEN_READINGS, (now - began) / MOST_READING)

    def _work(self, trial: Trial) -> Work:
        """Return what has been done of a job since it was last taken up."""
        step, since = self._step(trial), self.since.get(trial.number, 0)
        since = since if since <= step else 0  # where it began anew
        steps = trial.steps or math.inf
        return Work(self._values(trial), _elapsed(trial), step / steps, since / steps)

    def _step(self, trial: Trial) -> int:
        return self.reports.get(trial.number, (0, math.nan))[0]

    def _values(self, trial: Trial) -> Values:
        return varied(self.listed, trial.overrides)

    def _what(self, trial: Trial, most: int = MOST_COLUMNS) -> str:
        """Return what tells a job from others, numbers to four digits; where that is too long, keys are cut."""
        values = varied(self.plan.dimensions, trial.overrides).items()
        texts = (f"{self.names[key]}={f'{one:.4g}' if isinstance(one, float) else one}" for key, one in values)
        pairs, text = [without_password(one).partition("=") for one in texts], ""
        for length in range(max((len(key) for key, _, _ in pairs), default=1), 0, -1):
            text = " ".join(f"{key[:length]}={value}" for key, _, value in pairs)
            if len(text) <= most:
                return text
        return f"{text[: most - 1]}…"

    def _count(self) -> str:
        return f"{len(self.ended):>{len(str(self.plan.n_trials))}}/{self.plan.n_trials}"

    def _job(self, trial: Trial) -> str:
        return f"job {trial.number:>{len(str(self.plan.n_trials - 1))}}"

    def _row(self, trial: Trial) -> tuple[str, ...]:
        """Return the cells of a line on a job that runs."""
        step, value = self.reports.get(trial.number, (0, math.nan))
        progress = (f"{self.task.step} {step}/{trial.steps}", f"{value:.3e}") if step and trial.steps else ("", "")
        return self._job(trial), self._what(trial), *progress, f"{trial.seconds + _elapsed(trial):.0f} s"

    def _line(self, trial: Trial) -> str:
        """Return a line on a job that has ended; on a terminal, what it varies gives way where width lacks."""
        value, note = trial.objective, f"  {trial.reason}" if trial.reason else ""
        head = f"[{self._count()}] {trial.state:<8}  {self._job(trial)}  "
        width = self.bar.width if self.bar else COLUMNS
        if trial.state == "pruned" and not note:
            self._read_report(trial)
            step, value = self.reports.get(trial.number, (0, math.nan))
            note = f"  at {self.task.step} {step}/{trial.steps}"
            width -= len(note)  # which must not wrap, unlike a reason
        tail = f"  {'' if value is None else f'{value:.3e}':>9}  {trial.seconds:5.1f} s"
        room = max(8, width - len(head + tail))
        what = self._what(trial, room if self.bar else MOST_COLUMNS)
        self.widest = max(self.widest, len(what))
        return f"{head}{what.ljust(min(self.widest, room))}{tail}{note}"

    def _status(self) -> str:
        """Return how many jobs run, and how the others have ended."""
        counts = Counter(trial.state for trial in self.ended.values())
        left = self.plan.n_trials - len(self.ended)
        now = f"{len(self.running)} running" if self.num_workers or not left else self.task.beginning
        return " · ".join([now, *(f"{counts[state]} {state}" for state in ENDED if counts[state])])

    def _scores(self) -> str:
        """Return the best objective so far, and the time left."""
        finished = [(one.objective, one.number) for one in self.ended.values() if one.objective is not None]
        best = "best {:.3e} (job {})  ".format(*min(finished)) if finished else ""
        return f"{best}time left {_clock(self.end - time.monotonic())}"

    def _say(self, line: str, colour: int | None = None) -> None:
        """Print a line, above the bar if there is one, if anybody listens."""
        with suppress(OSError):
            print(f"\033[{colour}m{line}\033[0m" if self.bar and colour else line, file=sys.stderr, flush=True)
        self.silent_until = time.monotonic() + SECONDS_OF_SILENCE


def _elapsed(trial: Trial) -> float:
    """Return the seconds since a job was last taken up; the clock of another machine may differ."""
    return max(0.0, time.time() - trial.began)


def _clock(seconds: float) -> str:
    """Return a time in hours, minutes and seconds."""
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(math.ceil(max(0.0, seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
