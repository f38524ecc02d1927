"""The live view of a sweep: on a terminal a bar, and a line for each job that runs; a line for each that ends."""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from wavesweep.base import signals
from wavesweep.base.keys import last_parts
from wavesweep.base.redaction import without_password
from wavesweep.base.repeating import repeating
from wavesweep.base.terminal import Bar, interactive
from wavesweep.search.plan import Plan
from wavesweep.search.space import Value, varied
from wavesweep.search.trials import ENDED, Trial
from wavesweep.sweeps.progress import Progress, seconds_since
from wavesweep.sweeps.store import SweepDirectory
from wavesweep.sweeps.task import SweepTask

SECONDS_BETWEEN_LOOKS = 0.3
SECONDS_OF_SILENCE = 30.0  # after which a pipe gets a line
COLOURS = {"failed": 31, "diverged": 33}
COLUMNS = 100  # of lines, where no terminal tells
MOST_COLUMNS = 1000  # of what a job varies


@contextmanager
def watching(sweep: SweepDirectory, plan: Plan, task: SweepTask) -> Iterator[None]:
    """Show how a sweep goes while its workers run."""
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
        self.progress = Progress(sweep, plan, task)
        self.names = last_parts([one.name for one in plan.dimensions if one.swept])
        expected = sum(len(name) + 11 for name in self.names.values())  # where numbers are drawn, of four digits
        self.widest = max((len(self._what(trial)) for trial in self.progress.trials.values()), default=expected)
        self.silent_until = time.monotonic() + SECONDS_OF_SILENCE
        if not bar and len(self.progress.ended) < plan.n_trials:
            self._say(f"[{self._count()}] {self._status()}")

    def look(self) -> bool:
        """Show what has changed, and let workers elsewhere know of a signal; what fails now may succeed later."""
        with suppress(OSError):
            if signals.pending():
                self.sweep.stop.touch()
            ended = [(self._line(trial), COLOURS.get(trial.state)) for trial in self.progress.update()]
            if self.bar:
                self._show(self.bar)
            elif time.monotonic() >= self.silent_until and not ended:
                self.progress.look_ahead()
                self._say(f"[{self._count()}] {self._status()} · {self._scores()}")
            for line, colour in ended:  # after the bar, or a job would be seen both above and below it
                self._say(line, colour)
        return True

    def _show(self, bar: Bar) -> None:
        self.progress.look_ahead()
        rows = [self._row(trial) for trial in self.progress.running]
        num_ended = len(self.progress.ended)
        bar.show(self._count(), num_ended, self.plan.n_trials, self._scores(), self._status(), rows)

    def _what(self, trial: Trial, most: int = MOST_COLUMNS) -> str:
        """Return what tells a job from others, numbers to four digits; where that is too long, keys are cut."""
        values = varied(self.plan.dimensions, trial.overrides)
        texts = [without_password(f"{self.names[key]}={_short(value)}") for key, value in values.items()]
        pairs = [text.partition("=") for text in texts]
        text = ""
        for length in range(max((len(key) for key, _, _ in pairs), default=1), 0, -1):
            text = " ".join(f"{key[:length]}={value}" for key, _, value in pairs)
            if len(text) <= most:
                return text
        return f"{text[: most - 1]}…"

    def _count(self) -> str:
        total = str(self.plan.n_trials)
        return f"{len(self.progress.ended):>{len(total)}}/{total}"

    def _job(self, trial: Trial) -> str:
        return f"job {trial.number:>{len(str(self.plan.n_trials - 1))}}"

    def _row(self, trial: Trial) -> tuple[str, ...]:
        """Return the cells of a line on a job that runs."""
        step, objective = self.progress.report(trial)
        scores = ("", "")
        if step and trial.steps:
            scores = (f"{self.task.step} {step}/{trial.steps}", f"{objective:.3e}")
        return self._job(trial), self._what(trial), *scores, f"{trial.seconds + seconds_since(trial):.0f} s"

    def _line(self, trial: Trial) -> str:
        """Return a line on a job that has ended; on a terminal, what it varies gives way where width lacks."""
        objective = trial.objective
        note = f"  {trial.reason}" if trial.reason else ""
        width = self.bar.width if self.bar else COLUMNS
        if trial.state == "pruned" and not note:
            step, objective = self.progress.read_report(trial)
            note = f"  at {self.task.step} {step}/{trial.steps}"
            width -= len(note)  # which must not wrap, unlike a reason
        score = "" if objective is None else f"{objective:.3e}"
        head = f"[{self._count()}] {trial.state:<8}  {self._job(trial)}  "
        tail = f"  {score:>9}  {trial.seconds:5.1f} s"
        room = max(8, width - len(head + tail))
        what = self._what(trial, room if self.bar else MOST_COLUMNS)
        self.widest = max(self.widest, len(what))
        return f"{head}{what.ljust(min(self.widest, room))}{tail}{note}"

    def _status(self) -> str:
        """Return how many jobs run, and how the others have ended."""
        progress = self.progress
        counts = Counter(trial.state for trial in progress.ended.values())
        has_begun = progress.num_workers > 0 or len(progress.ended) == self.plan.n_trials
        now = f"{len(progress.running)} running" if has_begun else self.task.beginning
        return " · ".join([now, *(f"{counts[state]} {state}" for state in ENDED if counts[state])])

    def _scores(self) -> str:
        """Return the best objective so far, and the time left."""
        left = f"time left {_clock(self.progress.seconds_left)}"
        finished = [(one.objective, one.number) for one in self.progress.ended.values() if one.objective is not None]
        if not finished:
            return left
        objective, number = min(finished)
        return f"best {objective:.3e} (job {number})  {left}"

    def _say(self, line: str, colour: int | None = None) -> None:
        """Print a line, above the bar if there is one, if anybody listens."""
        if self.bar and colour:
            line = f"\033[{colour}m{line}\033[0m"
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)
        self.silent_until = time.monotonic() + SECONDS_OF_SILENCE


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    """Return a time in hours, minutes and seconds."""
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(math.ceil(max(0.0, seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
