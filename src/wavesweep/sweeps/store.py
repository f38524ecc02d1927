"""The files of a sweep: its plan, its configurations, and one record and one lock for each trial.

What stands here is all that there is of a sweep: workers, the live view, `resume` and `summary` read it alone.
"""

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from wavesweep.base.errors import Refused, in_short
from wavesweep.base.files import check_plain, read_small, within, write_atomically
from wavesweep.search.space import Dimension, grid_overrides, grid_size, is_grid
from wavesweep.search.trials import Trial

SWEEP = "sweep.json"  # in a sweep's directory: what it is to do
MOST_TRIALS = 100_000
MOST_BYTES = 1 << 22  # of a plan, which may list thousands of values
SECONDS_FOR_A_LOOK = 1.0  # for which a worker may hold the sweep's lock, to see whether it is free


@dataclass(frozen=True)
class Stored:
    """What a choice of groups composes to.

    Attributes:
        file: The composed configuration, in the sweep's `configs`.
        choices: The option chosen in each group, as Hydra takes it: no `${…}`, which it would evaluate.
    """

    file: str
    choices: dict[str, Annotated[str, Field(pattern="^[^$]*$")] | None]


@dataclass(frozen=True)
class Plan:
    """The plan of a sweep; written once.

    Attributes:
        dimensions: In the order of the command line, those that aren't swept included.
        n_trials: How many jobs in all.
        pruner: What ends poor jobs early, if anything.
        seed: Of the sampler.
        launcher: The overrides that chose the launcher, and how many workers it starts.
        subdir: The directory of a job within the sweep's, as configured.
        fingerprint: Code and data that it began on.
        groups: The keys that choose options of groups.
        configs: For each choice of groups, as overrides in one line, the options chosen and the composed file.
        format: Of these files.
    """

    dimensions: list[Dimension]
    n_trials: Annotated[int, Field(ge=0, le=MOST_TRIALS)]
    pruner: str | None
    seed: int
    launcher: list[str]
    subdir: str
    fingerprint: dict[str, str]
    groups: list[str]
    configs: dict[str, Stored]
    format: Literal[1] = 1

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    def __post_init__(self) -> None:
        """Make sure that its jobs can be listed."""
        if empty := [one.key for one in self.dimensions if one.interval is None and not one.values]:
            raise ValueError(f"{empty[0]} must have at least one value, got none")
        if self.is_grid and self.n_trials != grid_size(self.dimensions):
            raise ValueError(
                f"n_trials must be {grid_size(self.dimensions)}, as many as combinations, got {self.n_trials}"
            )

    @property
    def is_grid(self) -> bool:
        """Whether all jobs are known beforehand."""
        return is_grid(self.dimensions)

    def typical(self, number: int) -> list[list[str]]:
        """Return the overrides of a job with each choice of groups; numbers from 0 upwards give all other values."""
        values = [one.values if one.key in self.groups else (one.typical(number),) for one in self.dimensions]
        keys = [one.key for one in self.dimensions]
        return [[f"{key}={value}" for key, value in zip(keys, chosen, strict=True)] for chosen in product(*values)]


class SweepDirectory:
    """Names, locks and safe writing of a sweep's files."""

    def __init__(self, path: Path) -> None:
        self.path, self.id = path, path.absolute().name
        self.plan = path / SWEEP
        self.configs = path / "configs"
        self.trials = path / "trials"
        self.leaderboard = path / "leaderboard.csv"
        self.plots = path / "plots"
        self.stop = path / ".stop"  # is there once the sweep has got a signal

    def locked(self, patience: float = SECONDS_FOR_A_LOOK) -> AbstractContextManager[Any]:
        """Take the sweep's lock, which may take some seconds to get; it is held until the context ends.

        Raises:
            Refused: If another process runs the sweep.
        """
        from filelock import FileLock, Timeout

        check_plain(self.path, [".lock"])
        try:
            return FileLock(self.path / ".lock", timeout=patience).acquire()
        except Timeout:
            raise Refused(f"{self.path} is being run by another process; wait for its end, or stop it") from None

    def is_run(self) -> bool:
        """Say whether a process runs the sweep."""
        try:
            with self.locked(patience=0.0):
                return False
        except Refused:
            return True

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
        """Read all trials, those of a grid that have not begun included."""
        numbers = range(plan.n_trials) if plan.is_grid else sorted(self.begun())
        return [self._read_or_make(plan, number) for number in numbers]

    def _read_or_make(self, plan: Plan, number: int) -> Trial:
        trial = self.read_trial(number)
        if trial is None:
            return Trial(number, grid_overrides(plan.dimensions, number))
        pairs = [text.partition("=") for text in trial.overrides]
        keys, values = [key for key, _, _ in pairs], [value for _, _, value in pairs]
        fits = keys == [one.key for one in plan.dimensions] and all(map(Dimension.allows, plan.dimensions, values))
        if not fits:
            raise _damaged(self.trials / f"{number}.json", ValueError("its overrides are not those of the sweep"))
        return trial

    def begun(self) -> set[int]:
        """Return the numbers of trials that have a record."""
        return {int(path.stem) for path in self.trials.glob("*.json") if re.fullmatch("0|[1-9][0-9]{0,4}", path.stem)}

    def check_plain(self, jobs: Iterable[str]) -> None:
        """Make sure that all that a sweep and its jobs write to is files and folders, given the jobs' directories.

        Raises:
            Refused: If something is a link or a device.
        """
        own = (self.plan, self.configs, self.trials, self.leaderboard, self.plots, self.stop)
        check_plain(
            self.path, [*(path.name for path in own), ".queue.lock", ".parent.lock", "multirun.yaml", "workers", *jobs]
        )


_PLAN, _TRIAL = TypeAdapter(Plan), TypeAdapter(Trial)


def _damaged(path: Path, error: ValueError) -> Refused:
    return Refused(f"{path} is damaged ({in_short(error)}); remove it: if the sweep is resumed, it runs again")
