"""`hydra-queue watch`, `stop` and `work`: what is done to a sweep that others run."""

import math
import os
import re
import sys
import time
from collections.abc import Callable, Sequence

from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.base.overrides import written
from hydra_queue_sweeper.base.terminal import say
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.sweeps.claims import DirectoryClaims
from hydra_queue_sweeper.sweeps.control import change_control, read_control
from hydra_queue_sweeper.sweeps.live_view import watching
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_BELIEVE = 10.0  # that nobody is at work: one worker may hand the lead to another
SECONDS_TO_STOP = 60.0
CHOICES = ("hydra/sweeper=queue", "hydra/launcher=processes")


class _Watched(SweepTask):
    """A sweep whose jobs print elsewhere."""

    is_quiet = True
    beginning = "no worker has begun yet"

    def __init__(self) -> None:
        super().__init__(len)


def watch(sweep: SweepDirectory) -> None:
    """Show how a sweep goes that others run, until it has ended or nobody is at work."""
    plan = sweep.read_plan()
    is_at_work = _at_work(sweep, plan)
    seen = time.monotonic()
    with watching(sweep, plan, _Watched()):
        while True:
            if is_at_work():
                seen = time.monotonic()
            elif not _has_jobs(sweep, plan) or time.monotonic() - seen > _patience(sweep, plan):
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
    _tell(sweep, plan)


def _patience(sweep: SweepDirectory, plan: Plan) -> float:
    """Return for how many seconds nobody may be at work: batch jobs may wait for long before the first begins."""
    control = read_control(sweep)
    has_begun = any(trial.launch == control.launch for trial in sweep.read_trials(plan))
    return SECONDS_TO_BELIEVE if has_begun or not control.is_detached else math.inf


def stop(sweep: SweepDirectory) -> None:
    """Let the workers of a sweep end in order, and wait for that."""
    sweep.check_plain()
    plan = sweep.read_plan()
    is_at_work = _at_work(sweep, plan)
    change_control(sweep, stop=True)
    until = time.monotonic() + SECONDS_TO_STOP
    while is_at_work():
        if time.monotonic() > until:
            raise Refused(f"{sweep.path}: jobs are still at work after {SECONDS_TO_STOP:g} s; end their processes")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    _tell(sweep, plan)


def work(sweep: SweepDirectory, command: Sequence[str]) -> None:
    """Become one worker more of a sweep, by the program that is its own: nothing is run that the sweep names."""
    if not command:
        again = f"hydra-queue work {relative(sweep.path)} python train.py"
        raise Refused(f"say which program has begun the sweep, as it was called: {again}")
    more = [f"hydra.sweep.dir={written(str(sweep.path.absolute()))}", "hydra.sweeper.resume=join"]
    keys = {word.partition("=")[0] for word in command}
    more += [text for text in CHOICES if text.partition("=")[0] not in keys]
    # Hydra wants overrides to stand together.
    place = 1 + max(
        (place for place, word in enumerate(command) if re.match("[^-].*=", word)), default=len(command) - 1
    )
    words = [*command[:place], *more, *command[place:], "--multirun"]
    sys.stdout.flush()
    os.execvp(words[0], words)  # noqa: S606  what was typed


def _at_work(sweep: SweepDirectory, plan: Plan) -> Callable[[], bool]:
    """Return what says whether somebody runs a sweep: holds it, or one of its trials."""
    claims = DirectoryClaims(sweep, plan, read_control(sweep).launch)
    return lambda: sweep.is_run() or claims.others_at_work()


def _has_jobs(sweep: SweepDirectory, plan: Plan) -> bool:
    """Say whether further jobs may begin."""
    control = read_control(sweep)
    return plan.num_left(sweep.read_trials(plan)) > 0 and not (control.stop or control.enough)


def _tell(sweep: SweepDirectory, plan: Plan) -> None:
    left = plan.num_left(sweep.read_trials(plan))
    place = relative(sweep.path)
    if left:
        say(f"{left} of {plan.n_trials} jobs of {place} are left, and nobody is at work there")
    else:
        say(f"all {plan.n_trials} jobs of {place} have ended; hydra-queue summary {place} ranks them")
