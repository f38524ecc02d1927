"""What a notebook does with configurations, runs and sweeps. What is heavy is imported when it is used."""

from dataclasses import dataclass
from io import StringIO
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from wavesweep.base.streams import log
from wavesweep.config.config import Config, Resolved, dump, parse
from wavesweep.runs.terminal import Terminal
from wavesweep.tracking.follower_handle import Follower
from wavesweep.workspace.configurations import check_unchanged, read_resolved
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.index import find_sweep
from wavesweep.workspace.info import RunInfo, Status
from wavesweep.workspace.places import as_path, make, new_run, new_sweep

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike

    from wavesweep.evaluation.shown import Shown
    from wavesweep.experiment.events import Event
    from wavesweep.experiment.result import Result
    from wavesweep.runs.execute import Execution, Observer, Outcome


@dataclass(frozen=True)
class Run:
    """A run as its directory, at `path`, tells of it; each attribute reads the files anew.

    All raise Refused where these can't be read, `config` and `forecast` also where the configuration was changed.
    """

    path: Path

    @property
    def config(self) -> Resolved:
        """The complete configuration: each `null` and `auto` replaced by what was used."""
        config = read_resolved(RunDirectory(self.path).config)
        check_unchanged(RunDirectory(self.path))
        return config

    @property
    def status(self) -> Status:
        """How it stands; a run whose process was killed counts as running until `wavesweep resume` looks at it."""
        return self._info.status

    @property
    def metrics(self) -> "pd.DataFrame":
        """What was recorded so far: a row an epoch, a column a metric; nan where a value was not finite."""
        import pandas as pd

        rows = RunDirectory(self.path).read_scores()
        rows.pop(0, None)
        return pd.DataFrame(list(rows.values()), pd.Index(rows, dtype=int, name="epoch"))

    @property
    def result(self) -> "Result":
        """How it ended: the kept epoch, its objective and its metrics, with all that is measured once.

        Raises:
            Refused: If it has not finished.
        """
        from wavesweep.experiment.result import Result

        directory = RunDirectory(self.path)
        if self.status not in ("finished", "diverged"):
            raise self._lacks("result")
        kept = directory.read_kept_epoch()
        if self.status == "diverged":
            return Result(diverged=True, objective=directory.read_objective(), epoch=kept)
        return Result(False, directory.read_objective(), kept, directory.read_result_metrics())

    @property
    def plots(self) -> dict[str, Path]:
        """Its pictures by name, such as `forecast`."""
        return {path.stem: path for path in sorted(RunDirectory(self.path).plots.glob("*.png"))}

    @property
    def shown(self) -> "dict[str, Shown]":
        """The numbers behind its pictures, by their names: `ShownForecasts`, `ShownErrors` or `ShownCurve`."""
        from wavesweep.evaluation.shown import read_shown

        return {path.stem: read_shown(path) for path in RunDirectory(self.path).all_shown()}

    def forecast(
        self,
        values: "ArrayLike | pd.DataFrame | None" = None,
        horizon: int | None = None,
        *,
        future: "pd.DataFrame | None" = None,
        bounds: bool = False,
    ) -> "np.ndarray":
        """Forecast in closed loop, on the CPU, with the weights that were kept: the numbers of `wavesweep forecast`.

        Args:
            values: What was observed, in the units of the data, the latest step last: (series, time, channel), or
                (series, time) or (time,) of a single channel; the first step is at time 0. As many as
                `config.training.washout`, for a network that has to find the phase. Or a table with the columns of the
                run's own file, whose last rows may have no values and tell what is known in advance. None: the run's
                own series, all of the data set, which are continued beyond their end.
            horizon: Steps to forecast, at least 1; None: as many as are known in advance or, where nothing has to be
                known, as the run was scored on.
            future: What is known in advance of the steps after the last values: a table with the columns of
                `dataset.known` and, where there are some, of time and of the series' names.
            bounds: Whether to return lower bound, forecast and upper bound: of intervals that hold a share of
                `config.forecast.coverage`, nan where nothing is known of them.

        Returns:
            (series, horizon, channel), float64, in the units of the data; with bounds, three of these in one array.

        Raises:
            Refused: If values are missing, too few, or of other channels, the horizon is less than 1, or the run has
                no weights yet.
        """
        from wavesweep.reproduction.forecasting import forecast_values

        config, weights = self.config, RunDirectory(self.path).read_weights()
        if not weights:
            raise self._lacks("weights")
        return forecast_values(config, weights, values, _steps(horizon), future, bounds=bounds)

    def reproduce(self, rtol: float = 0.0) -> "Reproduction":
        """Run the stored configuration again, as a new run below outputs/runs; compare every metric and the weights.

        Args:
            rtol: Greatest relative difference of metrics, for other machines; 0: all must be equal to the last bit.

        Returns:
            The new run, tracked as `compose()` says, and how it compares.

        Raises:
            Refused: If it can't be run here, or its files can't be read.
            KeyboardInterrupt: After Ctrl-C.
        """
        from wavesweep.config.composing import compose
        from wavesweep.reproduction.reproducing import check_rtol, conclude, prepare_again, run_again
        from wavesweep.reproduction.stored import from_directory
        from wavesweep.runs.lending import alone, at_once

        check_rtol(rtol)
        stored, directory, local = from_directory(RunDirectory(self.path)), RunDirectory(new_run()), compose()
        with alone(), Follower(local.tracking) as follower, Terminal(stored.config.objective) as terminal:
            prepared = prepare_again(stored, local, [], follower)
            directory.path.mkdir(parents=True)
            _tell(at_once(run_again(stored, prepared, directory, follower, [terminal])), directory)
        return Reproduction(Run(directory.path), *conclude(stored, directory, rtol))

    @property
    def _info(self) -> RunInfo:
        try:
            return RunDirectory(self.path).read_info()
        except OSError as error:
            raise Refused(in_one_line(error, "name a run's directory")) from None

    def _lacks(self, what: str) -> Refused:
        info = self._info
        way_out = "" if info.complete else f"; wait for its end, or go on with it: wavesweep resume {self.path}"
        return Refused(f"{self.path} has no {what}, since its status is {info.status}{way_out}")


@dataclass(frozen=True)
class Reproduction:
    """A stored run, run again.

    Attributes:
        run: The new run.
        equal: Whether all that was compared is equal.
        report: How the two compare, in words.
    """

    run: Run
    equal: bool
    report: str


@dataclass(frozen=True)
class Sweep:
    """A sweep as its directory tells of it, while it runs too.

    Attributes:
        path: Of its directory.
    """

    path: Path

    def leaderboard(self) -> "pd.DataFrame":
        """Return the leaderboard as it stands now: the rows and columns of leaderboard.csv, the best first."""
        import pandas as pd

        from hydra_queue_sweeper.leaderboard.columns import to_csv
        from wavesweep.leaderboard.ranking import rank

        board = rank(SweepDirectory(self.path))
        return pd.read_csv(StringIO(to_csv(board))) if board.rows else pd.DataFrame()

    def runs(self) -> list[Run]:
        """Return the runs that have begun, in the order of the trials."""
        sweep = SweepDirectory(self.path)
        places = [self.path / trial.directory for trial in sweep.read_trials(sweep.read_plan()) if trial.directory]
        return [Run(place) for place in places if RunDirectory(place).exists()]


def run(config: Config, directory: str | Path | None = None, data: "pd.DataFrame | None" = None) -> Run:
    """Train, forecast, score and track, as the command does: same configuration and seed, same numbers.

    It warns at most; `logging.basicConfig(level="INFO")` lets it tell of its epochs. torch's threads and random
    generator are put back at the end.

    Args:
        config: As `compose` gives it.
        directory: Of the run, made if it is not there; None: a new one below outputs/runs.
        data: A table to take for the file of `dataset=csv`, whose path is null then; kept below outputs/data. Its index
            is a column, where it is more than row numbers.

    Returns:
        The run, finished or diverged. Its name is `tracking.run_name`, or tells what is not as by default.

    Raises:
        Refused: If it can't be run, or the directory is not new or empty, and nothing is written then; or if another
            run goes on in this process.
        KeyboardInterrupt: After Ctrl-C; `wavesweep resume DIRECTORY` goes on with the run.
    """
    from wavesweep.runs.lending import alone, at_once

    place = _place(config, directory)
    if data is not None:
        config = _with_table(config, data)
    with alone(), Follower(config.tracking) as follower, Terminal(config.objective) as terminal:
        _tell(at_once(_begin(config, place, follower, [terminal])), place)
    return Run(place.path)


def iterate(config: Config, directory: str | Path | None = None) -> "Generator[Event, None, None]":
    """Run a configuration as `run` does, and yield its events, such as each epoch's record, as they come.

    Between events, torch's threads and random generator are the caller's. Whoever leaves the loop ends the run as
    Ctrl-C does: `wavesweep resume DIRECTORY` goes on with it. An iterator that is kept has to be closed for that.

    Args:
        config: As `compose` gives it.
        directory: Of the run, made if it is not there; None: a new one below outputs/runs.

    Yields:
        The events of `wavesweep.experiment.events`: the last is `Finished`, with the result.

    Raises:
        Refused, KeyboardInterrupt: As `run` does.
    """
    return _events(config, _place(config, directory))


def sweep(*overrides: str, directory: str | Path | None = None) -> Sweep:
    """Run a sweep, as `wavesweep -m` does, and wait for its end: same configurations and seeds, same numbers.

    It is the command, in a process beside; what it prints is logged, a line each: `logging.basicConfig(level="INFO")`
    shows it. Once this process is gone, the sweep ends in order, as after SIGTERM.

    Args:
        overrides: As on the command line, such as `"model=tiny,small"`.
        directory: Of the sweep; None: a new one below outputs/sweeps. Of one that is there, `hydra.sweeper.resume=true`
            goes on with it.

    Returns:
        The sweep; jobs of it may have failed or diverged, which its leaderboard says.

    Raises:
        Refused: If it can't be run, and nothing is written then.
        RuntimeError: If the command left no sweep, as after a dry run.
        KeyboardInterrupt: After Ctrl-C; `wavesweep resume DIRECTORY` goes on with the sweep.
    """
    from wavesweep.runs.sweeping import run_sweep

    place = as_path(directory).absolute() if directory else new_sweep()
    run_sweep(overrides, place)
    return open_sweep(place)


def _with_table(config: Config, data: "pd.DataFrame") -> Config:
    """Return a configuration that reads a table as its file."""
    from wavesweep.files.dataset import Csv
    from wavesweep.files.frames import keep_frame

    dataset = config.dataset
    if not isinstance(dataset, Csv) or dataset.path is not None:
        given = dataset.kind if dataset.file is None and not isinstance(dataset, Csv) else f"path={dataset.title}"
        raise Refused(f"data takes the place of a file: give dataset=csv with dataset.path=null, got {given}")
    return config.model_copy(update={"dataset": dataset.model_copy(update={"path": str(keep_frame(data))})})


def _events(config: Config, place: RunDirectory) -> "Generator[Event, None, None]":
    from wavesweep.runs.lending import alone, step_by_step

    with alone(), Follower(config.tracking) as follower:
        _tell((yield from step_by_step(_begin(config, place, follower, []))), place)


def _steps(horizon: int | None) -> int | None:
    """Return a horizon as Python's own integer, such as numpy's and torch's are not."""
    try:
        return None if horizon is None else index(horizon)
    except TypeError:
        raise Refused(f"horizon must be a whole number, got {horizon!r:.40}; give one of 1 or more") from None


def _place(config: Config, directory: str | Path | None) -> RunDirectory:
    """Return the directory of a new run; nothing is made yet."""
    if not isinstance(config, Config):
        raise Refused(f"a run takes a configuration, as compose gives it, got {config!r:.60}")
    return RunDirectory(as_path(directory).absolute() if directory else new_run())


def _begin(config: Config, place: RunDirectory, follower: Follower, observers: "Sequence[Observer]") -> "Execution":
    """Prepare a run, make its directory, and begin it."""
    from wavesweep.config.overrides import overrides_of
    from wavesweep.experiment.description import run_name
    from wavesweep.experiment.preparation import prepare
    from wavesweep.runs.execute import execute

    prepared = prepare(parse(dump(config)), follower.require)
    make(place.path)
    overrides, choices = overrides_of(config)
    info = RunInfo(overrides, choices, sweep_id=None, name=run_name(overrides, choices))
    return execute(prepared, place, info, follower, observers)


def _tell(outcome: "Outcome", place: RunDirectory) -> None:
    """Say so where a copy lacks something."""
    if not outcome.delivered.complete:
        log.warning("the results are complete; wavesweep sync %s delivers them", place.path)


def open_run(path: str | Path) -> Run:
    """Return the run whose directory this is, however it stands.

    Raises:
        Refused: If it is no run's.
    """
    place = as_path(path)
    if not RunDirectory(place).exists():
        called = str(path).replace("\n", "\\n")
        raise Refused(f"{called} must be a run's directory, but holds no run.json; name another")
    return Run(place.absolute())


def open_sweep(path: str | Path) -> Sweep:
    """Return a sweep by its directory or, of those below outputs/, by its id or as `latest`.

    Raises:
        Refused: If there is none, it is a run's, or several ids begin so.
    """
    return Sweep(find_sweep(str(path)).path.absolute())
