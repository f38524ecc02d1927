"""The progress of a sweep: a bar on a terminal, and a line for each job that ends."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from wavesweep.base import signals
from wavesweep.base.errors import Refused
from wavesweep.base.redaction import without_password
from wavesweep.base.repeating import repeating
from wavesweep.base.terminal import bar, interactive
from wavesweep.search.plan import Plan
from wavesweep.search.space import varied
from wavesweep.search.trials import ENDED, Trial
from wavesweep.sweeps.store import SweepDirectory

SECONDS_BETWEEN_LOOKS = 0.3


@contextmanager
def watching(sweep: SweepDirectory, plan: Plan) -> Iterator[None]:
    """Show how a sweep goes while its workers run, wherever they run: its directory tells."""
    ended = {trial.number: trial for trial in sweep.read_trials(plan) if trial.ended}
    with bar() if interactive() else nullcontext() as show:

        def look() -> bool:
            """Show what has changed, and let workers elsewhere know of a signal; what fails now may succeed later."""
            with suppress(OSError, Refused):
                if signals.pending():
                    sweep.stop.touch()
                running = 0
                trials = [sweep.read_trial(number) for number in sorted(sweep.begun() - ended.keys())]
                for trial in filter(None, trials):
                    running += trial.state == "running"
                    if trial.ended:
                        ended[trial.number] = trial
                        line = _line(plan, trial, len(ended))
                        red = show and trial.state == "failed"
                        print(f"\033[31m{line}\033[0m" if red else line, file=sys.stderr, flush=True)
                if show:
                    progress = f"{len(ended)}/{plan.n_trials}"
                    show(progress, len(ended), plan.n_trials, _text(list(ended.values()), running))
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
