"""The progress of a sweep: a bar on a terminal, and a line for each job that ends."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

from wavesweep.base import signals
from wavesweep.base.errors import Refused
from wavesweep.base.redaction import without_password
from wavesweep.base.repeating import repeating
from wavesweep.base.terminal import interactive
from wavesweep.sweeps.space import varied
from wavesweep.sweeps.store import ENDED, Plan, SweepDirectory, Trial

SECONDS_BETWEEN_LOOKS = 0.3
Show = Callable[[list[str], int, str], None]
"""Shows lines, how many trials have ended, and a text on how all stand."""


@contextmanager
def watching(sweep: SweepDirectory, plan: Plan) -> Iterator[None]:
    """Show how a sweep goes while its workers run, wherever they run: its directory tells."""
    ended = {trial.number: trial for trial in sweep.read_trials(plan) if trial.ended}
    with _bar(plan.n_trials) if interactive() else nullcontext(_say) as show:

        def look() -> bool:
            """Show what has changed, and let workers elsewhere know of a signal; what fails now may succeed later."""
            with suppress(OSError, Refused):
                if signals.pending():
                    sweep.stop.touch()
                lines, running = [], 0
                trials = [sweep.read_trial(number) for number in sorted(sweep.begun() - ended.keys())]
                for trial in filter(None, trials):
                    running += trial.state == "running"
                    if trial.ended:
                        ended[trial.number] = trial
                        lines.append(_line(plan, trial, len(ended)))
                show(lines, len(ended), _text(list(ended.values()), running))
            return True

        look()
        with repeating(look, SECONDS_BETWEEN_LOOKS):
            yield
        look()


def _line(plan: Plan, trial: Trial, num_ended: int) -> str:
    """Return a line on a trial that has ended."""
    what = " ".join(f"{key}={value}" for key, value in varied(plan.dimensions, trial.overrides).items())
    number = f"[{num_ended:>{len(str(plan.n_trials))}}/{plan.n_trials}]"
    value = f"  {trial.objective:.2e}" if trial.objective is not None else ""
    reason = f": {trial.reason}" if trial.reason else ""
    line = f"{number} {trial.state:<8}  {what or 'job ' + str(trial.number)}{value}  {trial.seconds:.1f} s{reason}"
    return without_password(line)


def _text(ended: list[Trial], running: int) -> str:
    """Return how many trials run, how the others have ended, and what the best has."""
    counts = Counter(trial.state for trial in ended)
    parts = [f"{running} running", *(f"{counts[state]} {state}" for state in ENDED if counts[state])]
    values = [trial.objective for trial in ended if trial.objective is not None]
    return " · ".join([*parts, *([f"best {min(values):.2e}"] if values else [])])


def _say(lines: list[str], _: int, __: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def _bar(total: int) -> Iterator[Show]:
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
