"""`hydra-queue watch`, `stop` and `work`: what is done to a sweep that others run."""

import math
import os
import re
import sys
import time
from collections.abc import Sequence

from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.base.overrides import written
from hydra_queue_sweeper.base.terminal import say
from hydra_queue_sweeper.sweeps.claims import DirectoryClaims
from hydra_queue_sweeper.sweeps.control import change_control, read_control
from hydra_queue_sweeper.sweeps.live_view import watching
from hydra_queue_sweeper.sweeps.store import Records, SweepDirectory
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
    claims = _claims(sweep)
    seen = time.monotonic()
    with watching(sweep, claims.plan, _Watched()):
        while True:
            if _at_work(claims):
                seen = time.monotonic()
            elif not _has_jobs(claims) or time.monotonic() - seen > _patience(claims):
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
    _tell(claims)


def _patience(claims: DirectoryClaims) -> float:
    """Return for how many seconds nobody may be at work: batch jobs may wait for long before the first begins."""
    has_begun = any(trial.launch == claims.launch for trial in claims.records.read())
    return SECONDS_TO_BELIEVE if has_begun or not read_control(claims.sweep).is_detached else math.inf


def stop(sweep: SweepDirectory) -> None:
    """Let the workers of a sweep end in order, and wait for that."""
    sweep.check_plain()
    claims = _claims(sweep)
    change_control(sweep, stop=True)
    until = time.monotonic() + SECONDS_TO_STOP
    while _at_work(claims):
        if time.monotonic() > until:
            raise Refused(f"{sweep.path}: jobs are still at work after {SECONDS_TO_STOP:g} s; end their processes")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    _tell(claims)


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


def _claims(sweep: SweepDirectory) -> DirectoryClaims:
    return DirectoryClaims(Records(sweep, sweep.read_plan()), read_control(sweep).launch)


def _at_work(claims: DirectoryClaims) -> bool:
    """Say whether somebody runs a sweep: holds it, or one of its trials."""
    return claims.sweep.is_run() or claims.others_at_work()


def _has_jobs(claims: DirectoryClaims) -> bool:
    """Say whether further jobs may begin."""
    control = read_control(claims.sweep)
    return claims.plan.num_left(claims.records.read()) > 0 and not (control.stop or control.enough)


def _tell(claims: DirectoryClaims) -> None:
    plan, place = claims.plan, relative(claims.sweep.path)
    if left := plan.num_left(claims.records.read()):
        say(f"{left} of {plan.n_trials} jobs of {place} are left, and nobody is at work there")
    else:
        say(f"all {plan.n_trials} jobs of {place} have ended; hydra-queue summary {place} ranks them")
