"""The task of a sweep: all that the sweep, which knows nothing of networks or of MLflow, asks of what it runs."""

import json
import math
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavesweep.base.errors import relative
from wavesweep.base.files import check_empty
from wavesweep.base.redaction import without_password
from wavesweep.base.terminal import log, say
from wavesweep.search.estimates import ranked

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from wavesweep.search.plan import Plan
    from wavesweep.sweeps.store import SweepDirectory

Hear = Callable[[int, float, int], None]
"""Takes a job's objective at a step of so many; raises `Pruned` to end the job."""

REPORTS = "reports.jsonl"  # in a job's directory: a step and the objective then, a line each
_hear: Hear | None = None


def report(step: int, objective: float, steps: int) -> None:
    """Report the objective of the running job to its sweep; outside a sweep, do nothing.

    What is not finite is left out, and a job that reports its last step is never given up.

    Args:
        step: From 1 to `steps`, each greater than the one before.
        objective: What the job has reached by then; lower is better.
        steps: That the job does in all.

    Raises:
        Pruned: If the sweep gives the job up. Let it pass: it ends the job, which then counts as pruned, not as failed.
    """
    if _hear and math.isfinite(objective):
        _hear(step, float(objective), steps)


@contextmanager
def heard_by(hear: Hear | None) -> Iterator[None]:
    """Hand the reports of the job that runs meanwhile to a function; None: to nobody."""
    global _hear
    before, _hear = _hear, hear
    try:
        yield
    finally:
        _hear = before


class SweepTask:
    """A task of any Hydra application; one that knows more of itself overrides these methods.

    Args:
        function: What Hydra calls for each job.

    Attributes:
        local: Nodes of the configuration that belong to here and now: not stored, not swept.
        wants_returns: Whether the sweep collects what jobs return; else their directories say all.
        beginning: What is being waited for until the first job begins.
        step: What jobs count in their reports.
    """

    local: tuple[str, ...] = ()
    wants_returns = True
    beginning = "starting workers"
    step = "step"

    def __init__(self, function: "Callable[[DictConfig], Any]") -> None:
        self.function = function

    def __call__(self, config: "DictConfig") -> Any:
        """Run one job; return its objective, lower is better."""
        return self.function(config)

    def warm_up(self) -> None:
        """Import what jobs need, once a worker: it is no part of the first job."""

    def check(self, config: "DictConfig") -> None:
        """Look at a job's configuration before the sweep begins.

        Raises:
            Refused: If it can't be run.
        """

    def check_place(self, place: Path) -> None:
        """Make sure that a new sweep gets a directory of its own.

        Raises:
            Refused: If it isn't so.
        """
        check_empty(place)

    def explain(self, error: Exception, overrides: list[str]) -> str:
        """Return in words why the configuration of a job can't be composed; else raise what Hydra explains itself."""
        raise error

    def fingerprint(self, configs: "list[DictConfig]") -> dict[str, str]:
        """Return what results depend on beside the configuration, given one of each choice of groups."""
        return {}

    def composes(self, plan: "Plan", config_name: str | None) -> bool:
        """Say whether further options of groups mean here what they would have meant as a sweep began."""
        return plan.config_name == config_name

    def keep_report(self, directory: Path, step: int, objective: float) -> None:
        """Write what a job reports into its directory, each record behind a line end: one may be torn before it."""
        with (directory / REPORTS).open("a") as file:
            file.write(f"\n{json.dumps([step, objective])}")

    def reports(self, directory: Path) -> dict[int, float]:
        """Return from a job's directory the objective at each step that it has reported, since it last began anew."""
        reports: dict[int, float] = {}
        with suppress(FileNotFoundError):
            for line in (directory / REPORTS).read_text().splitlines():
                with suppress(ValueError):  # of a line that is torn, or empty
                    step, objective = json.loads(line)
                    if step <= next(reversed(reports), 0):
                        reports = {then: value for then, value in reports.items() if then < step}
                    reports[step] = objective
        return reports

    def resuming(self, directory: Path, *, force: bool = False) -> str:
        """Return the command that goes on with a sweep, in words; with force, whatever has changed."""
        how = "force" if force else "exactly"
        return f"the same command with {shlex.quote(f'hydra.sweep.dir={directory}')} hydra.sweeper.resume={how}"

    @contextmanager
    def accompany(self, sweep: "SweepDirectory", plan: "Plan", config: "DictConfig") -> Iterator[None]:
        """Prepare what jobs need before the first starts; conclude once no worker is left: name the best job."""
        try:
            yield
        finally:
            self._conclude(sweep, plan)

    def _conclude(self, sweep: "SweepDirectory", plan: "Plan") -> None:
        trials = sweep.read_trials(plan)
        for objective, group in ranked(trials)[:1]:
            numbers, (best, *others) = ", ".join(str(one.number) for one in group), group
            jobs = f"jobs {numbers} (their mean)" if others else f"job {numbers}"
            what = without_password(" ".join(best.configuration if others else best.overrides)) or "as given"
            place = relative(sweep.path if others else sweep.path / best.directory)
            say(f"best: {objective:.6g} by {jobs}: {what}, in {place}")
        if left := plan.n_trials - sum(trial.ended for trial in trials):
            log.warning("%d of %d jobs are left; %s goes on", left, plan.n_trials, self.resuming(relative(sweep.path)))
