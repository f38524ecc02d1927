"""The files of a sweep: its plan, its configurations, and one record and one lock for each trial.

What stands here is all that there is of a sweep: workers, the live view, `resume` and `summary` read it alone.
"""

import logging
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from hydra_queue_sweeper.base.errors import Refused, in_short
from hydra_queue_sweeper.base.files import check_plain, read_small, remove_parts, within, write_atomically
from hydra_queue_sweeper.base.locks import make_lock
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.trials import Trial

logging.getLogger("filelock").setLevel(logging.WARNING)  # with hydra.verbose=true, it would tell of each look

SWEEP = "sweep.json"  # by which the directory of a sweep is known
MOST_BYTES = 1 << 24  # of a plan, which may list thousands of jobs
SECONDS_FOR_A_LOOK = 1.0  # for which a worker may hold the sweep's lock, to see whether it is free


class SweepDirectory:
    """Names, locks and safe writing of a sweep's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.absolute().name
        self.plan = path / SWEEP
        self.trials = path / "trials"
        self.leaderboard = path / "leaderboard.csv"
        self.plots = path / "plots"
        self.results = path / "optimization_results.yaml"
        self.control = path / ".control"  # see control.py
        self.endings = path / ".endings"  # see endings.py

    def locked(self, patience: float = SECONDS_FOR_A_LOOK) -> AbstractContextManager[Any]:
        """Take the sweep's lock, which may take some seconds to get; it is held until the context ends.

        Raises:
            Refused: If another process runs the sweep.
        """
        from filelock import Timeout

        check_plain(self.path, [".lock"])
        try:
            return make_lock(self.path / ".lock", patience).acquire()
        except Timeout:
            raise Refused(f"{self.path} is being run by another process; wait for its end, or stop it") from None

    def is_run(self) -> bool:
        """Say whether a process runs the sweep."""
        try:
            with self.locked(patience=0.0):
                return False
        except Refused:
            return True

    def remove_parts(self) -> None:
        """Remove what a killed sweep left half written; of trials, a worker that outlived it may still write."""
        remove_parts(path for folder in (self.path, self.plots) for path in folder.glob(".*"))

    def write_plan(self, plan: Plan) -> None:
        """Write the plan; from then on the sweep can be resumed."""
        self.trials.mkdir(exist_ok=True)
        write_atomically(self.plan, _PLAN.dump_json(plan, indent=2))

    def read_plan(self) -> Plan:
        """Read the plan.

        Raises:
            Refused: If it can't be read.
        """
        try:
            return _PLAN.validate_json(read_small(self.plan, MOST_BYTES))
        except (OSError, ValueError) as error:
            raise Refused(f"{self.plan} is damaged, or of another version ({in_short(error)}); restore it") from None

    def write_trial(self, trial: Trial) -> None:
        """Write the record of a trial."""
        write_atomically(self.trials / f"{trial.number}.json", _TRIAL.dump_json(trial, indent=2))

    def read_trial(self, number: int) -> Trial | None:
        """Read the record of a trial; None if it has none yet.

        Raises:
            Refused: If it can't be read.
        """
        path = self.trials / f"{number}.json"
        try:
            trial = _TRIAL.validate_json(read_small(path))
            if trial.number != number:
                raise ValueError(f"number must be {number}, got {trial.number}")
            within(self.path, trial.directory)
            return trial
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise _damaged(path, error) from None

    def read_trials(self, plan: Plan) -> list[Trial]:
        """Read all trials whose overrides are known, those that have not begun included."""
        return Records(self, plan).read()

    def begun(self) -> set[int]:
        """Return the numbers of trials that have a record."""
        found = map(os.path.splitext, os.listdir(self.trials))  # noqa: PTH208  which takes four times as long
        return {int(name) for name, suffix in found if suffix == ".json" and name.isdecimal()}

    def check_plain(self) -> None:
        """Make sure that all that a sweep writes to is files and folders.

        Raises:
            Refused: If something is a link or a device.
        """
        own = (self.plan, self.trials, self.leaderboard, self.results, self.plots)
        hidden = (self.control, self.endings)
        others = (".queue.lock", ".control.lock", "multirun.yaml", "workers")
        check_plain(self.path, [*(path.name for path in (*own, *hidden)), *others])


class Records:
    """The records of a sweep's trials, each read once after it has ended.

    Args:
        sweep: Its directory.
        plan: Of the sweep.
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan) -> None:
        self.sweep, self.plan = sweep, plan
        self._ended: dict[int, Trial] = {}

    def read(self) -> list[Trial]:
        """Return all trials whose overrides are known, those that have not begun included.

        Raises:
            Refused: If a record can't be read, or is none of the sweep's.
        """
        begun = dict(self._ended)
        for number in self.sweep.begun() - begun.keys():
            trial = self.sweep.read_trial(number) if number < self.plan.n_trials else None
            if trial is None:
                continue
            if not self._is_of_the_sweep(trial):
                path = self.sweep.trials / f"{number}.json"
                raise _damaged(path, ValueError("its overrides are not those of the sweep"))
            begun[number] = trial
            if trial.ended:
                self._ended[number] = trial
        return self.plan.trials(begun)

    def _is_of_the_sweep(self, trial: Trial) -> bool:
        if known := self.plan.waiting.get(trial.number):
            return trial.overrides == known.overrides
        return self.plan.allows(trial)


_PLAN = TypeAdapter(Plan)
_TRIAL = TypeAdapter(Trial)


def _damaged(path: Path, error: ValueError) -> Refused:
    return Refused(f"{path} is damaged ({in_short(error)}); remove it: if the sweep is resumed, it runs again")
