"""The Hydra job that a launcher starts for each worker of a sweep: it runs trial after trial until none is left."""

import math
import os
import signal
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from wavesweep import interrupts
from wavesweep.failures import in_one_line
from wavesweep.interrupts import Interrupted, Pruned
from wavesweep.redaction import without_password
from wavesweep.repeating import repeating
from wavesweep.sweeps.composition import from_files, with_hydra
from wavesweep.sweeps.store import Queue, SweepDirectory, Trial
from wavesweep.sweeps.task import SweepTask, answer_by

if TYPE_CHECKING:
    from wavesweep.sweeps.study import Study

SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class Worker:
    """Runs trials of a sweep; callable as a Hydra job, and travels to other processes.

    Attributes:
        task: What each trial runs.
        hydra_context: As Hydra gave it to the sweeper.
        launch: This start of the sweep.
        restartable: Whether another process may take over where one died.
    """

    task: SweepTask
    hydra_context: HydraContext
    launch: str
    restartable: bool = True

    def __call__(self, composed: DictConfig) -> list[JobReturn]:
        """Run what is left of the sweep; return what its trials returned, if the task wants that."""
        os.chdir(HydraConfig.get().runtime.cwd)  # which Hydra may have left; paths are seen from there
        with interrupts.watched():
            self.task.warm_up()
            shift = Shift(self, composed)
            if shift.plan.pruner or not shift.plan.is_grid:
                import wavesweep.sweeps.study  # noqa: F401  before others wait for this worker's proposal
            with interrupts.deferred(), repeating(shift.follow, SECONDS_BETWEEN_LOOKS):
                returned = shift.work()
        if not shift.sweep.is_run():
            os._exit(1)  # nobody waits for what this returns, and a pool would keep the process
        return returned


class Shift:
    """One worker's work on one sweep.

    Args:
        worker: Who works.
        composed: The worker's own configuration.
    """

    def __init__(self, worker: Worker, composed: DictConfig) -> None:
        self.task, self.context = worker.task, worker.hydra_context
        self.hydra = cast("DictConfig", HydraConfig.get())
        self.sweep = SweepDirectory(Path(self.hydra.sweep.dir).absolute())  # jobs may change the working directory
        self.queue = Queue(self.sweep, worker.launch, lambda number: self.study.propose(number))
        self.plan = self.queue.plan
        self.composer = from_files(self.sweep, self.plan, composed, self.task.local)

    def follow(self) -> bool:
        """Get a signal once the sweep has got one, or is gone: not every launcher passes it on."""
        if self.sweep.is_run() and not self.sweep.stop.exists():
            return True
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    def work(self) -> list[JobReturn]:
        """Run trials until none is left, or a signal comes."""
        returns = []
        while not interrupts.pending():
            with self.queue.take() as trial:
                if trial is None:
                    break
                returned = self._run(trial)
            if returned and self.task.wants_returns:
                returns.append(returned)
            del returned  # an error holds what the job had in memory
        return returns

    def _run(self, trial: Trial) -> JobReturn | None:
        """Run a trial that is held, and record how it ended."""
        began, returned = time.monotonic(), None
        self.trial = trial
        answer_by(self._answer if self.plan.pruner else None)
        try:
            returned = self._run_job()
            outcome = _outcome(returned._return_value)  # an error, if the job raised one
        except (Exception, SystemExit, Interrupted) as error:  # of composing, or of a task that exits, or of a signal
            outcome = _outcome(error)
        self._record(seconds=trial.seconds + time.monotonic() - began, **outcome)
        return returned

    def _run_job(self) -> JobReturn:
        config, choices = self.composer.compose(self.trial.overrides)
        config = with_hydra(config, self.hydra, self.trial.directory or self.plan.subdir, self.trial, choices)
        if not self.trial.directory:
            self._record(directory=str(config.hydra.sweep.subdir))
        return run_job(self.task, config, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context=self.context)

    def _record(self, **changes: Any) -> None:
        self.trial = replace(self.trial, **changes)
        self.sweep.write_trial(self.trial)

    def _answer(self, step: int, objective: float, steps: int) -> bool:
        """Say whether the pruner gives the trial up, and record what it wants to remember."""
        pruned, marks = self.study.give_up(self.trial, step, objective, steps)
        if marks != self.trial.marks and not pruned:  # or a job whose end isn't recorded would count as asked
            self._record(marks=marks)
        return pruned

    @cached_property
    def study(self) -> "Study":
        """What proposes and prunes."""
        from wavesweep.sweeps.study import Study

        return Study(self.sweep, self.plan, self.task.reports)


def _outcome(value: object) -> dict[str, Any]:
    """Return how a job ended, for its trial's record, given what it returned or raised."""
    match value:
        case Interrupted():
            return {"state": "interrupted"}
        case Pruned():
            return {"state": "pruned"}
        case SystemExit():
            return {"state": "failed", "reason": f"the job exited with {value.code}"}
        case Exception():
            return {"state": "failed", "reason": without_password(in_one_line(value))}
        case int() | float():
            finite = math.isfinite(value)
            return {"state": "finished", "objective": float(value)} if finite else {"state": "diverged"}
    return {"state": "finished"}
