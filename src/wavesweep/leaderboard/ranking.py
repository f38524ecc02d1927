"""The leaderboard of a sweep of experiments: beside the objective, skill and test scores.

Reads the sweep's directory alone. Test scores are those of the winner: the others' are not even looked up.
"""

import html
import math
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.leaderboard import numbers, ranking, words
from hydra_queue_sweeper.leaderboard.ranking import Beside, Leaderboard, Program, Row
from hydra_queue_sweeper.search.estimates import Estimate, Reports
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from wavesweep.evaluation.metric_names import OBJECTIVE, SKILL, sampled
from wavesweep.leaderboard.scores import Scores, scores, starts
from wavesweep.workspace.directory import RunDirectory, SweepRecord

if TYPE_CHECKING:
    from wavesweep.evaluation.by_origin import ErrorsByOrigin

TEST = "test"  # a column


@dataclass(frozen=True)
class Measured(Beside):
    """What the runs of a configuration measured beside their objective.

    Attributes:
        skill: 1 - error / error of the best baseline, on validation data; None if unknown, or if the baseline is exact.
        test: Closed-loop errors on test data; None but of the winner, unless asked for.
        starts: What forecasts in those runs that kept their weights from before training.
    """

    skill: float | None = None
    test: Scores | None = None
    starts: tuple[str, ...] = ()


def measured(row: Row) -> Measured:
    """Return what the runs of a row measured."""
    assert isinstance(row.beside, Measured)
    return row.beside


def rank(sweep: SweepDirectory, *, tests: bool = False) -> Leaderboard:
    """Order a sweep's configurations, as `ranking.rank` does.

    Args:
        sweep: Its directory.
        tests: Whether to look up all test scores; they play no part in the order.

    Raises:
        Refused: If plan or trials can't be read.
    """

    def look(row: Row, is_best: bool) -> Measured:
        runs = [RunDirectory(sweep.path / trial.directory) for trial in row.counted.values()]
        validation = scores("val", runs)
        skill = validation and validation.skill
        test = scores("test", runs) if tests or is_best else None
        cells = {SKILL: _percent(skill)}
        if tests:
            cells[TEST] = numbers.estimated(test and test.own)
        kept = starts(runs)
        told = _told_of_starts(kept, len(runs)) + _told(test)
        return Measured(cells, {SKILL: skill}, told, skill, test, tuple(kept))

    program = Program(
        metric=_metric(sweep),
        of="of the kept epoch",
        look=look,
        more_seeds=_more_seeds,
        compare=_Comparison(sweep),
        compared_by="validation origins",
        remarks=_remarks,
        step="epoch",
        read_reports=_read_reports,
        reported=_reported,
    )
    return ranking.rank(sweep, program)


@dataclass
class _Comparison:
    """Compares configurations by their runs' errors at the validation origins.

    Attributes:
        sweep: That they are of.
        known: The errors of each run that was looked at, by its directory; None of one that left none.
    """

    sweep: SweepDirectory
    known: "dict[str, ErrorsByOrigin | None]" = field(default_factory=dict)

    def __call__(self, trials: list[Trial], best: list[Trial], confidence: float) -> Estimate | None:
        """See `Program.compare`."""
        errors, others = self._errors(trials), self._errors(best)
        if not errors or not others:
            return None
        from wavesweep.evaluation.by_origin import compare_runs

        found = compare_runs(errors, others, confidence)
        return found and Estimate(*found)

    def _errors(self, trials: list[Trial]) -> "list[ErrorsByOrigin]":
        """Return the errors of runs, all of which left some; else none."""
        found = [one for trial in trials if (one := self._of_run(trial.directory)) is not None]
        return found if len(found) == len(trials) else []

    def _of_run(self, directory: str) -> "ErrorsByOrigin | None":
        if directory not in self.known:
            self.known[directory] = _read_errors(RunDirectory(self.sweep.path / directory))
        return self.known[directory]


def _read_errors(run: RunDirectory) -> "ErrorsByOrigin | None":
    """Return the errors that a run left; None where it left none, or its file is damaged, as `scores` does."""
    try:
        content = run.read_by_origin()
        from wavesweep.evaluation.by_origin import unpack

        return unpack(content)
    except (OSError, ValueError):
        return None


def _read_reports(directory: Path) -> Reports:
    return RunDirectory(directory).read_objectives()


def _reported(directory: Path) -> str:
    """Return the objective's name where a run's epochs were scored on a sample of the origins."""
    run = RunDirectory(directory)
    try:
        return sampled(str(run.read_config().get(OBJECTIVE))) if run.watches_a_sample() else ""
    except (Refused, OSError):
        return ""


def _percent(skill: float | None) -> str:
    """Write a skill, in words where the baseline is far better."""
    if skill is None:
        return ""
    return f"{skill:.1%}" if skill >= -1 else f"{1 - skill:.2g}x worse"


def _told_of_starts(kept: list[str], num_runs: int) -> str:
    """Return what a sentence on the best says of the runs in which no trained network forecasts."""
    if not kept:
        return ""
    seeds = "" if len(kept) == num_runs else f" with {len(kept)} of {counted(num_runs, 'seed')}"
    return f". It kept its start{seeds}: what forecasts there is {kept[0]}"


def _told(test: Scores | None) -> str:
    """Return what a sentence on the best says of test data."""
    if test is None:
        return ""
    told = f". On test data: closed loop, scaled MSE {numbers.estimated(test.own)}"
    if test.baseline < math.inf:
        told += f"; best baseline: {test.name}, {numbers.error(test.baseline)}"
    return told


def _more_seeds(sweep: SweepDirectory, _: Plan) -> str:
    return shlex.join(["wavesweep", "resume", str(relative(sweep.path)), "seed=1,2,3,4", "--top", "3"])


def _remarks(ranked: list[Row]) -> list[str]:
    remarks = []
    if ranked and all(measured(row).skill is None for row in ranked):
        remarks.append("skill is left empty: the best baseline is exact, or was not measured")
    starting = [row for row in ranked if measured(row).starts]
    always = [row for row in starting if len(measured(row).starts) == len(row.counted)]
    if always:
        names = " or ".join(sorted({name for row in always for name in measured(row).starts}))
        told = f"{counted(len(always), 'configuration')} kept the start"
        remarks.append(f"{told}: what forecasts is {names} alone, whatever the network")
    if sometimes := len(starting) - len(always):
        remarks.append(f"{counted(sometimes, 'configuration')} kept the start with some of the seeds")
    return remarks


def _metric(sweep: SweepDirectory) -> str:
    """Return what a sweep's objective is, as its record tells."""
    try:
        return str(SweepRecord(sweep.path).read_config().get(OBJECTIVE, OBJECTIVE))
    except (OSError, ValueError):  # as of a sweep that has just begun
        return OBJECTIVE


def note(board: Leaderboard) -> str:
    """Return for MLflow, in Markdown, what was found; letters that Markdown reads otherwise are escaped."""
    told = html.escape("\n\n".join(words.found(board)), quote=False)
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", told)
