"""The Hydra job that a launcher starts for each worker of a sweep: it runs trial after trial until none is left."""

import math
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, SupportsFloat

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, flag_override

from hydra_queue_sweeper.base import hydra_internals, signals
from hydra_queue_sweeper.base.errors import Pruned, Refused, in_one_line
from hydra_queue_sweeper.base.files import within
from hydra_queue_sweeper.base.redaction import without_password
from hydra_queue_sweeper.base.repeating import repeating
from hydra_queue_sweeper.base.signals import Interrupted
from hydra_queue_sweeper.base.terminal import log
from hydra_queue_sweeper.search.estimates import Reports
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.seeds import SEED
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.claims import Lost
from hydra_queue_sweeper.sweeps.composition import Choice, Composer, changed_keys, digests, without_hydra
from hydra_queue_sweeper.sweeps.conducting import Lead
from hydra_queue_sweeper.sweeps.control import REACHED, end_early, read_control
from hydra_queue_sweeper.sweeps.custom_search_space import load_search_space
from hydra_queue_sweeper.sweeps.dimensions import group_keys
from hydra_queue_sweeper.sweeps.queue import Queue, claims_of
from hydra_queue_sweeper.sweeps.reports import objective_reports
from hydra_queue_sweeper.sweeps.returns import packed
from hydra_queue_sweeper.sweeps.store import Records, SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask

SECONDS_BETWEEN_LOOKS = 1.0


def _nobody() -> None:
    """Do nothing, where a launcher does not ask to be told."""


@dataclass
class Worker:
    """Runs trials of a sweep; callable as a Hydra job, and travels to other processes.

    Attributes:
        task: What each trial runs.
        config: That Hydra composed for the sweep, its own node included.
        local: Overrides that belong to here and now.
        hydra_context: As Hydra gave it to the sweeper.
        launch: This start of the sweep.
        at_work: Called once it has taken a trial: a launcher that sets it replaces the process if that dies later.
    """

    task: SweepTask
    config: DictConfig
    local: tuple[str, ...]
    hydra_context: HydraContext
    launch: str
    at_work: Callable[[], None] = _nobody

    @property
    def function(self) -> object:
        """The program's own function, if the task is one of Hydra's."""
        return getattr(self.task, "function", None)

    def __call__(self, _: DictConfig) -> dict[int, JobReturn]:
        """Run what is left of the sweep; return what its trials returned, by number, if the task wants that."""
        os.chdir(HydraConfig.get().runtime.cwd)  # which Hydra may have left; paths are seen from there
        with signals.watched():
            self.task.warm_up()
            runner = TrialRunner(self)
            with signals.deferred(), repeating(runner.end_with_sweep, SECONDS_BETWEEN_LOOKS):
                returned = runner.run_all()
                self.task.cool_down()
        if self.at_work is _nobody and not runner.sweep.is_run():
            os._exit(1)  # nobody waits for what this returns, and a pool, which ours is not, would keep the process
        return returned


class TrialRunner:
    """Runs the trials of one sweep, one after the other.

    Args:
        worker: Whose work it is.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker, self.task = worker, worker.task
        # Jobs may change the working directory.
        self.sweep = SweepDirectory(Path(str(worker.config.hydra.sweep.dir)).absolute())
        self.plan = self.sweep.read_plan()
        self.records = Records(self.sweep, self.plan)
        self.claims = claims_of(self.records, worker.launch, worker.config.hydra.sweeper.claims)
        self.queue = Queue(self.claims, self._propose)
        loader: Any = worker.hydra_context.config_loader
        groups = group_keys(self.plan.dimensions, loader.repository)
        self.composer = Composer(worker.config, loader, groups, worker.local)
        self._checked: set[str] = set()
        self._extend = load_search_space(self.plan.custom_search_space, worker.config)
        self.pruning = None
        if self.plan.pruner:
            from hydra_queue_sweeper.search.pruning import Pruning

            self.pruning = Pruning(self.plan, self.records.read, self._read_reports)
        self.lead: Lead | None = None
        if read_control(self.sweep).is_detached:
            typical = self.composer.compose(self.plan.typical(0, self.composer.groups)[0])
            self.lead = Lead(self.claims, self.task, without_hydra(typical))
        if not self.plan.is_grid:
            import hydra_queue_sweeper.search.proposals  # noqa: F401  before others wait for this worker's proposal

    def end_with_sweep(self) -> bool:
        """Get a signal once the sweep has got one, or is gone, or the trial is another's: not every launcher tells."""
        control = read_control(self.sweep)
        goes_on = control.launch == self.worker.launch and not control.stop
        if goes_on and (control.is_detached or self.sweep.is_run()) and self.claims.renew():
            return True
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    def run_all(self) -> dict[int, JobReturn]:
        """Run trials until none is left, or a signal comes; return what each returned, by its number."""
        returns: dict[int, JobReturn] = {}
        try:
            while not signals.pending():
                if self.lead:
                    self.lead.try_to_lead()
                returned = None
                try:
                    with self.queue.take() as trial:
                        if trial:
                            self.worker.at_work()
                            returned = self._run(trial)
                except Lost as lost:
                    log.warning("%s", lost)
                    continue
                if trial is None and not (self.lead and self.lead.wait()):
                    break
                if trial and returned and self.task.wants_returns and not self.lead:
                    returns[trial.number] = packed(returned)
        finally:
            if self.lead:
                self.lead.conclude()
        return returns

    def _run(self, trial: Trial) -> JobReturn | None:
        """Run a trial that is held, and record how it ended."""
        self.trial = trial
        began = time.monotonic()
        returned = None
        try:
            with objective_reports(to=self._take_report):
                returned = self._run_job()
            outcome = _outcome(hydra_internals.outcome(returned), self.plan)  # an error, if the job raised one
            if outcome["state"] == "failed" and not self.task.is_quiet:
                self._log_failure(hydra_internals.outcome(returned))
            if outcome["state"] == "pruned":  # for whom the sweep works, that is no error
                returned.status = JobStatus.COMPLETED
                returned.return_value = None
        except (Exception, SystemExit, Interrupted, KeyboardInterrupt, GeneratorExit) as error:
            # Of composing, of a signal, of a task that exits, or ends otherwise than by an error.
            outcome = _outcome(error, self.plan)
        self._record(stopped=time.time(), seconds=trial.seconds + time.monotonic() - began, **outcome)
        if self.plan.target is not None and self.plan.reached(self.records.read()):
            end_early(self.sweep, REACHED)
        if outcome["state"] == "failed" and self._too_many_failed():
            end_early(self.sweep, "since too many have failed")
        return returned

    def _run_job(self) -> JobReturn:
        trial = self.trial
        choice = self.composer.choice(trial.overrides)
        self._check_unchanged(choice)
        config = self.composer.compose_job(trial, self.plan.subdir)
        directory = str(config.hydra.sweep.subdir)
        self.task.check_directory(within(self.sweep.path, directory))
        if self.task.is_quiet:
            _leave_console(config)
        if not trial.directory:
            seed = OmegaConf.select(config, SEED)
            identity = self.task.identity(config)
            self._record(directory=directory, identity=identity, own_seed="" if seed is None else str(seed))
        context = self.worker.hydra_context
        return run_job(self.task, config, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context=context)

    def _log_failure(self, error: object) -> None:
        """Let a job's log have the traceback of its error, which does not travel to the sweep's own process."""
        if isinstance(error, Exception):
            log.error("job %d failed", self.trial.number, exc_info=error)

    def _check_unchanged(self, choice: Choice) -> None:
        """Make sure that a choice of groups composes to what it did when the sweep began, or was gone on with.

        Raises:
            Refused: If it doesn't.
        """
        key = " ".join(choice)
        if key in self._checked:
            return
        before = {key: self.plan.digests.get(key, {})}
        if changed := changed_keys(before, {key: digests(self.composer.chosen(choice), self.task.local)}):
            raise Refused(f"{changed[0]} was edited since the sweep began; undo that, then resume the sweep")
        self._checked.add(key)

    def _too_many_failed(self) -> bool:
        rate = self.plan.max_failure_rate
        if rate is None:
            return False
        num_failed = sum(trial.state == "failed" for trial in self.records.read())
        return num_failed > rate * self.plan.n_trials

    def _record(self, **changes: Any) -> None:
        self.trial = replace(self.trial, **changes)
        self.claims.record(self.trial)

    def _take_report(self, step: int, objective: float, steps: int) -> None:
        """Keep what the job reports; end it if the pruner gives it up."""
        objective = self.plan.as_returned(objective)
        self.task.write_report(self.sweep.path / self.trial.directory, step, objective)
        if steps != self.trial.steps:
            self._record(steps=steps)
        is_done = step >= steps
        if self.pruning and not is_done and self.pruning.give_up(self.trial, step, objective, steps):
            raise Pruned

    def _propose(self, number: int) -> Trial:
        from hydra_queue_sweeper.search.proposals import propose

        return propose(self.plan, number, self.records.read(), self._read_reports, self._extend)

    def _read_reports(self, trial: Trial) -> Reports:
        return self.task.read_reports(self.sweep.path / trial.directory)


def _leave_console(config: DictConfig) -> None:
    """Let a job log to its file alone: what all should see, the sweep shows."""
    handlers = OmegaConf.select(config, "hydra.job_logging.root.handlers") or []
    with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
        config.hydra.job_logging.root.handlers = [name for name in handlers if name != "console"]


def _outcome(value: object, plan: Plan) -> dict[str, Any]:
    """Return how a job ended, for its trial's record, given what it returned or raised."""
    match value:
        case Interrupted():
            return {"state": "interrupted"}
        case Pruned():
            return {"state": "pruned"}
        case SystemExit() if value.code:
            return {"state": "failed", "reason": f"the job exited with {value.code}"}
        case SystemExit():
            value = None  # as if it had returned
        case Exception() | KeyboardInterrupt() | GeneratorExit():
            return {"state": "failed", "reason": without_password(in_one_line(value))}
    try:
        objective = _objective(value, plan)
    except Refused as error:
        return {"state": "failed", "reason": str(error)}
    if objective is None:
        return {"state": "finished"}
    if not math.isfinite(objective):
        return {"state": "diverged"}
    return {"state": "finished", "objective": plan.as_returned(objective)}


def _objective(value: object, plan: Plan) -> float | None:
    """Return the objective among what a job returned; None if it has none, and the sweep needs none.

    Raises:
        Refused: If it has none, and the sweep needs one.
    """
    if plan.objective is not None:
        if not isinstance(value, Mapping) or plan.objective not in value:
            must = f"the job must return a dict with {plan.objective}, which hydra.sweeper.objective names"
            raise Refused(f"{must}, got {_described(value)}")
        value = value[plan.objective]
    if isinstance(value, SupportsFloat):  # of NumPy or torch, too
        with suppress(TypeError, ValueError, RuntimeError, OverflowError):  # of arrays
            return float(value)
    if plan.objective is None and plan.is_grid and plan.pruner is None and plan.target is None:
        return None
    must = "the job must return a number, which the sweep goes by"
    raise Refused(f"{must}, got {_described(value)}; or name that of a dict by hydra.sweeper.objective")


def _described(value: object) -> str:
    """Return what a value is: of a dict, its keys."""
    if isinstance(value, Mapping):
        return f"a dict with {', '.join(map(str, value)) or 'nothing'}"
    return "None" if value is None else f"a {type(value).__name__}"
