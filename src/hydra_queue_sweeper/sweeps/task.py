"""The task of a sweep: all that the sweep, which knows nothing of networks or of MLflow, asks of what it runs."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import relative
from hydra_queue_sweeper.base.files import check_empty, check_length
from hydra_queue_sweeper.base.redaction import without_password
from hydra_queue_sweeper.base.terminal import log, say
from hydra_queue_sweeper.search.estimates import Reports
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.seeds import SEED
from hydra_queue_sweeper.search.space import readable
from hydra_queue_sweeper.sweeps.composition import identity
from hydra_queue_sweeper.sweeps.control import why_enough
from hydra_queue_sweeper.sweeps.reports import read_reports, write_report
from hydra_queue_sweeper.sweeps.store import SweepDirectory

OBJECTIVE = "hydra.sweeper.objective"


class SweepTask:
    """A task of any Hydra application; one that knows more of itself overrides these methods.

    Args:
        function: What Hydra calls for each job.

    Attributes:
        local: Nodes of the configuration that belong to here and now: not stored, not swept.
        wants_returns: Whether the sweep collects what jobs return; else their directories say all.
        is_quiet: Whether jobs log to their own files alone, not to the console.
        beginning: What is being waited for until the first job begins.
        step: What jobs count in their reports.
    """

    local: tuple[str, ...] = ()
    wants_returns = True
    is_quiet = False
    beginning = "starting workers"
    step = "step"

    def __init__(self, function: Callable[[DictConfig], Any]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)  # callbacks ask for it

    def __call__(self, config: DictConfig) -> Any:
        """Run one job; return what it returns: its objective, or what holds that."""
        return self.function(config)

    def warm_up(self) -> None:
        """Import what jobs need, once a worker: it is no part of the first job."""

    def cool_down(self) -> None:
        """Wait for what jobs have left to be done beside them, once a worker has no more jobs."""

    def check(self, config: DictConfig) -> None:
        """Look at a job's configuration before the sweep begins.

        Raises:
            Refused: If it can't be run.
        """

    def check_place(self, place: Path) -> None:
        """Make sure that a new sweep gets a directory of its own.

        Raises:
            Refused: If it isn't so.
        """
        check_length(place)
        check_empty(place)

    def check_directory(self, directory: Path) -> None:
        """Look at the directory of a job before it begins, or begins again; a job may have left links there.

        Raises:
            Refused: If it can't be written to.
        """

    def explain(self, error: Exception, overrides: list[str]) -> str:
        """Return in words why the configuration of a job can't be composed; else raise what Hydra explains itself."""
        raise error

    def fingerprint(self, configs: list[DictConfig]) -> dict[str, str]:
        """Return what results depend on beside the configuration, given one of each choice of groups."""
        return {}

    def identity(self, config: DictConfig) -> str:
        """Return what jobs share that differ in their seed alone, given the configuration of one."""
        return identity(config, (*self.local, SEED))

    def check_plan(self, plan: Plan) -> None:
        """Look at the plan of a sweep before it begins or goes on; somebody else may have written it.

        Raises:
            Refused: If it asks for what only who began it may ask for.
        """

    def write_report(self, directory: Path, step: int, objective: float) -> None:
        """Add what a job reports to its directory."""
        write_report(directory, step, objective)

    def read_reports(self, directory: Path) -> Reports:
        """Return from a job's directory the objective at each step that it has reported."""
        return read_reports(directory)

    def resume_command(self, directory: Path, *, force: bool = False) -> str:
        """Return the command that goes on with a sweep, in words; with force, whatever has changed."""
        how = "force" if force else "true"
        return f"the same command with {shlex.quote(f'hydra.sweep.dir={directory}')} hydra.sweeper.resume={how}"

    @contextmanager
    def prepare_and_conclude(self, sweep: SweepDirectory, plan: Plan, config: DictConfig) -> Iterator[None]:
        """Prepare what jobs need before the first starts; conclude once no worker is left: name the best job."""
        try:
            yield
        finally:
            trials = sweep.read_trials(plan)
            best = plan.ranked(trials)[:1]
            for objective, group in best:
                numbers = ", ".join(str(one.number) for one in group)
                places = ", ".join(str(relative(sweep.path / one.directory)) for one in group)
                configuration = without_password(readable(" ".join(group[0].configuration))) or "as given"
                say(f"best: {plan.as_returned(objective):.6g} by job {numbers}: {configuration}, in {places}")
            if not best and any(trial.state == "finished" for trial in trials):
                log.warning("none is the best: jobs return no number, nor is one of a dict named by %s", OBJECTIVE)
            if left := plan.num_left(trials):
                command = self.resume_command(relative(sweep.path))
                why = "" if signals.pending() else why_enough(sweep)
                log.warning("%d of %d jobs are left%s; %s goes on", left, plan.n_trials, why and f", {why}", command)
