"""What is done for a whole sweep beside its workers' work: by the sweeper, or by one of the workers that outlive it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import TIMEOUT_MAX, Timer

from omegaconf import DictConfig

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.files import write_yaml
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.space import but_seed, varied
from hydra_queue_sweeper.sweeps.claims import Claims
from hydra_queue_sweeper.sweeps.control import end_early, read_control
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from hydra_queue_sweeper.sweeps.task import SweepTask

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_END = 15.0  # for other workers, after a signal


@contextmanager
def conducting(sweep: SweepDirectory, plan: Plan, task: SweepTask, config: DictConfig) -> Iterator[None]:
    """Prepare what the jobs of a sweep need, end it in time, and conclude it."""
    with task.prepare_and_conclude(sweep, plan, config), _until_time_is_up(sweep):
        yield
        _write_results(sweep, plan)


@contextmanager
def _until_time_is_up(sweep: SweepDirectory) -> Iterator[None]:
    """Let no further job begin once the time is up: workers see that as jobs end."""
    until = read_control(sweep).until
    seconds = TIMEOUT_MAX if until is None else min(max(0.0, until - time.time()), TIMEOUT_MAX)
    timer = Timer(seconds, end_early, [sweep, "since the time is up"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _write_results(sweep: SweepDirectory, plan: Plan) -> None:
    """Write the best values as Optuna's own plugin for Hydra does."""
    for objective, group in plan.ranked(sweep.read_trials(plan))[:1]:
        chosen = varied([*but_seed(plan.dimensions), *group[0].further], group[0].overrides)
        best = {"best_params": chosen, "best_value": plan.as_returned(objective)}
        write_yaml(sweep.results, {"name": "optuna"} | best)


class Lead:
    """Of workers that outlive what started them, the one that holds the sweep's lock, and conducts it.

    Args:
        claims: Of this worker.
        task: What the sweep runs.
        config: Of one of its jobs.
    """

    def __init__(self, claims: Claims, task: SweepTask, config: DictConfig) -> None:
        self.claims, self.task, self.config = claims, task, config
        self._held = ExitStack()
        self.leads = False

    def try_to_lead(self) -> None:
        """Take the lead, unless somebody has it."""
        if self.leads:
            return
        try:
            self._held.enter_context(self.claims.sweep.locked(patience=0.0))
        except Refused:
            return
        self.leads = True
        self._held.enter_context(conducting(self.claims.sweep, self.claims.plan, self.task, self.config))

    def wait(self) -> bool:
        """Wait for a moment, where nothing is to be taken; say whether to go on: whether others are at work."""
        if not self.leads or not self.claims.others_at_work():
            return False
        time.sleep(SECONDS_BETWEEN_LOOKS)
        return True

    def conclude(self) -> None:
        """Conclude the sweep, if this is the one to do it; after a signal that all get, once others have ended."""
        until = time.monotonic() + SECONDS_TO_END
        is_stopped = self.leads and read_control(self.claims.sweep).stop
        while is_stopped and self.claims.others_at_work() and time.monotonic() < until:
            time.sleep(SECONDS_BETWEEN_LOOKS / 4)
        self._held.close()
