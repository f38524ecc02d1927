"""What people see of a sweep while it runs: a bar on a terminal, and a line for each job that ends."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

from wavesweep import interrupts
from wavesweep.redaction import without_password
from wavesweep.refusals import Refused
from wavesweep.repeating import repeating
from wavesweep.sweeps.space import varied
from wavesweep.sweeps.store import ENDED, Plan, SweepDirectory, Trial
from wavesweep.terminal import interactive

SECONDS_BETWEEN_LOOKS = 0.3


@contextmanager
def watching(sweep: SweepDirectory, plan: Plan) -> Iterator[None]:
    """Show how a sweep goes while its workers run, wherever they run: its directory tells."""
    with _bar(plan.n_trials) if interactive() else nullcontext(_say) as show:
        view = View(sweep, plan, show)
        view.look()
        with repeating(view.look, SECONDS_BETWEEN_LOOKS):
            yield
        view.look()


class View:
    """Follows the trials of a sweep.

    Args:
        sweep: Its directory.
        plan: Of the sweep.
        show: Shows lines, how many trials have ended, and a text on how all stand.
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan, show: Callable[[list[str], int, str], None]) -> None:
        self.sweep, self.plan, self.show = sweep, plan, show
        self.ended = {trial.number: trial for trial in sweep.read_trials(plan) if trial.ended}

    def look(self) -> bool:
        """Take in what has changed, and show it; let workers elsewhere know of a signal.

        Returns:
            True, to look again: what can't be read now may be read later, and the summary says what is wrong.
        """
        with suppress(OSError, Refused):
            if interrupts.pending():
                self.sweep.stop.touch()
            lines, running = [], 0
            numbers = sorted(self.sweep.begun() - self.ended.keys())
            for trial in filter(None, map(self.sweep.read_trial, numbers)):
                running += trial.state == "running"
                if trial.ended:
                    self.ended[trial.number] = trial
                    lines.append(self._line(trial))
            self.show(lines, len(self.ended), self._text(running))
        return True

    def _line(self, trial: Trial) -> str:
        what = " ".join(f"{key}={value}" for key, value in varied(self.plan.dimensions, trial.overrides).items())
        number = f"[{len(self.ended):>{len(str(self.plan.n_trials))}}/{self.plan.n_trials}]"
        value = f"  {trial.objective:.2e}" if trial.objective is not None else ""
        reason = f": {trial.reason}" if trial.reason else ""
        line = f"{number} {trial.state:<8}  {what or 'job ' + str(trial.number)}{value}  {trial.seconds:.1f} s{reason}"
        return without_password(line)

    def _text(self, running: int) -> str:
        counts = Counter(trial.state for trial in self.ended.values())
        parts = [f"{running} running", *(f"{counts[state]} {state}" for state in ENDED if counts[state])]
        values = [trial.objective for trial in self.ended.values() if trial.objective is not None]
        return " · ".join([*parts, *([f"best {min(values):.2e}"] if values else [])])


def _say(lines: list[str], _: int, __: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[list[str], int, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    columns = [MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn(compact=True)]
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with Progress(*columns, TextColumn("left"), console=console, transient=True, refresh_per_second=4) as bar:
        task = bar.add_task("starting", total=total)

        def show(lines: list[str], ended: int, text: str) -> None:
            for line in lines:
                bar.console.print(Text(line, "red" if "failed" in line.split("  ")[0] else ""))
            bar.update(task, completed=ended, description=text)

        yield show
