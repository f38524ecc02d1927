"""The files of a sweep: its plan, its configurations, and one record and one lock for each trial.

What stands here is all that there is of a sweep: workers, the live view, `resume` and `summary` read it alone.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Literal

from wavesweep.base.errors import Refused
from wavesweep.base.files import write_atomically
from wavesweep.sweeps.space import Dimension, Interval, grid_overrides, is_grid

SWEEP = "sweep.json"  # in a sweep's directory: what it is to do
FORMAT = 1
MOST_DEATHS = 3  # of workers that held a trial; see sweeper.py
SECONDS_FOR_A_LOOK = 1.0  # for which a worker may hold the sweep's lock, to see whether it is free
State = Literal["waiting", "running", "interrupted", "finished", "diverged", "pruned", "failed"]
ENDED = ("finished", "diverged", "pruned", "failed")


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
    n_trials: int
    pruner: str | None
    seed: int
    launcher: list[str]
    subdir: str
    fingerprint: dict[str, str]
    groups: list[str]
    configs: dict[str, dict[str, Any]]
    format: int = FORMAT

    @property
    def is_grid(self) -> bool:
        """Whether all jobs are known beforehand."""
        return is_grid(self.dimensions)

    def typical(self, number: int) -> list[list[str]]:
        """Return the overrides of a job with each choice of groups; numbers from 0 upwards give all other values."""
        values = [one.values if one.key in self.groups else (one.typical(number),) for one in self.dimensions]
        keys = [one.key for one in self.dimensions]
        return [[f"{key}={value}" for key, value in zip(keys, chosen, strict=True)] for chosen in product(*values)]


@dataclass(frozen=True)
class Trial:
    """One job of a sweep, however often it is interrupted or tried again.

    Attributes:
        number: From 0.
        overrides: That make its configuration.
        state: How it stands; one whose worker is gone counts as running until another worker looks.
        objective: What the job returned, lower is better; None unless it has finished.
        reason: Why it failed, in one line.
        directory: Of its run, as seen from the sweep's; empty before it began.
        seconds: Spent on it, interrupted attempts included.
        launch: The start of the sweep that ran it last.
        deaths: How many workers died while they held it.
        marks: What the pruner remembers of it.
    """

    number: int
    overrides: list[str]
    state: State = "waiting"
    objective: float | None = None
    reason: str = ""
    directory: str = ""
    seconds: float = 0.0
    launch: str = ""
    deaths: int = 0
    marks: dict[str, float] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether no worker needs to look at it any more."""
        return self.state in ENDED


class SweepDirectory:
    """Names, locks and safe writing of a sweep's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.absolute().name
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
        write_atomically(self.plan, _json(asdict(plan)))

    def read_plan(self) -> Plan:
        """Read the plan.

        Raises:
            Refused: If it can't be read.
        """
        try:
            values = json.loads(self.plan.read_text("utf-8"))
            dimensions = [_dimension(**dimension) for dimension in values.pop("dimensions")]
            plan = Plan(dimensions=dimensions, **values)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Refused(f"{self.plan} is damaged, or of another version ({error}); restore it") from None
        if plan.format != FORMAT:
            raise Refused(f"{self.plan} must have format {FORMAT}, got {plan.format}; use the version that wrote it")
        return plan

    def write_trial(self, trial: Trial) -> None:
        """Write the record of a trial."""
        write_atomically(self.trials / f"{trial.number}.json", _json(asdict(trial)))

    def read_trial(self, number: int) -> Trial | None:
        """Read the record of a trial; None if it has none yet.

        Raises:
            Refused: If it can't be read.
        """
        path = self.trials / f"{number}.json"
        try:
            return Trial(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise Refused(f"{path} is damaged ({error}); remove it: if the sweep is resumed, it runs again") from None

    def read_trials(self, plan: Plan) -> list[Trial]:
        """Read all trials, those of a grid that have not begun included."""
        numbers = range(plan.n_trials) if plan.is_grid else sorted(self.begun())
        return [self.read_trial(number) or Trial(number, grid_overrides(plan.dimensions, number)) for number in numbers]

    def begun(self) -> set[int]:
        """Return the numbers of trials that have a record."""
        return {int(path.stem) for path in self.trials.iterdir() if path.suffix == ".json"}


def _dimension(key: str, values: list[str], ordered: bool, interval: dict[str, Any] | None) -> Dimension:
    return Dimension(key, tuple(values), ordered, Interval(**interval) if interval else None)


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, indent=2, ensure_ascii=False).encode()


class Queue:
    """Hands out trials to one worker: each to one worker at a time, and none that has ended.

    Args:
        sweep: The sweep's directory.
        launch: This start of the sweep. A worker of the same start that is gone died: the trial that it held is
            charged with that. Of an earlier start that was killed, nothing is charged.
        propose: Gives the overrides of a trial that isn't one of a grid; called with all others locked out.
    """

    def __init__(self, sweep: SweepDirectory, launch: str, propose: Callable[[int], list[str]]) -> None:
        self.sweep, self.launch = sweep, launch
        self.plan = sweep.read_plan()
        self._propose = partial(grid_overrides, self.plan.dimensions) if self.plan.is_grid else propose
        self._open = list(range(self.plan.n_trials))
        if self.plan.is_grid and self.plan.pruner:  # which in a grid's order would compare neighbours alone
            Random(self.plan.seed).shuffle(self._open)  # noqa: S311

    @contextmanager
    def take(self) -> Iterator[Trial | None]:
        """Hold the next trial that nobody holds; None if there is none."""
        from filelock import FileLock

        with ExitStack() as held:
            with FileLock(self.sweep.path / ".queue.lock", poll_interval=0.01):
                trial = self._next(held)
            yield trial

    def _next(self, held: ExitStack) -> Trial | None:
        from filelock import FileLock, Timeout

        for number in list(self._open):
            with suppress(Timeout):
                held.enter_context(FileLock(self.sweep.trials / f"{number}.lock", timeout=0))
                if trial := self._begin(number):
                    return trial
                held.close()
        return None

    def _begin(self, number: int) -> Trial | None:
        """Mark a trial that is held as running; None if it has ended."""
        trial = self.sweep.read_trial(number) or Trial(number, self._propose(number))
        if trial.state == "running" and trial.launch == self.launch:
            trial = replace(trial, deaths=trial.deaths + 1)
            if trial.deaths >= MOST_DEATHS:
                reason = f"its worker died {trial.deaths} times; it may need more memory than there is"
                trial = replace(trial, state="failed", reason=reason)
                self.sweep.write_trial(trial)
        if trial.ended:
            self._open.remove(number)
            return None
        trial = replace(trial, state="running", launch=self.launch)
        self.sweep.write_trial(trial)
        return trial
