"""The beginning and the end of a sweep of experiments: its record in MLflow, its leaderboard, its exit codes."""

import logging
import shlex
from collections import Counter
from dataclasses import replace

from wavesweep.base import signals
from wavesweep.base.errors import in_one_line, relative
from wavesweep.base.exit_codes import DIVERGED, FAILED, UNTRACKED
from wavesweep.base.files import write_atomically, write_yaml
from wavesweep.base.names import BASED_ON
from wavesweep.config.config import Config, Tracking, dump
from wavesweep.leaderboard.ranking import Leaderboard, rank
from wavesweep.leaderboard.table import show, text, to_csv
from wavesweep.runs.description import origin_name, sweep_name
from wavesweep.runs.directory import RunDirectory, SweepRecord
from wavesweep.runs.fingerprints import environment
from wavesweep.runs.info import RunInfo, Status
from wavesweep.sweeps.store import Plan, SweepDirectory, Trial
from wavesweep.tracking.delivery import LeftAlone, deliver
from wavesweep.tracking.store import require
from wavesweep.tracking.store_errors import reason
from wavesweep.tracking.sync import MISSING, deliver_all, seems_to_run

log = logging.getLogger("wavesweep")


def announce(sweep: SweepDirectory, plan: Plan, config: Config, tags: dict[str, str]) -> None:
    """Record that a sweep runs, and let MLflow know; where that fails, the runs or `sync` do it later.

    Args:
        sweep: Its directory.
        plan: Of the sweep.
        config: Of one of its jobs.
        tags: Of the sweep and of its runs.
    """
    record = SweepRecord(sweep.path)
    if record.info.exists():
        info = replace(record.read_info(), status="running", ended=None)
    else:
        swept = [one.text for one in plan.dimensions if one.swept]
        keys, origin = [one.name for one in plan.dimensions if one.swept], origin_name(tags.get(BASED_ON, ""))
        name = config.tracking.run_name or sweep_name(keys, plan.n_trials, origin)
        info = RunInfo(swept, {}, sweep.id, name, tags=environment() | tags)
    write_yaml(record.config, dump(config))
    record.write_info(info)
    _deliver(record, config.tracking)


def conclude(sweep: SweepDirectory, plan: Plan, local: Config) -> list[int]:
    """Show how a sweep ended, and deliver it; return exit codes of what is not in order."""
    trials = sweep.read_trials(plan)
    states = Counter(trial.state for trial in trials)
    left = plan.n_trials - sum(trial.ended for trial in trials)
    board = rank(sweep)
    write_atomically(sweep.leaderboard, to_csv(board).encode())
    if not signals.pending():
        _draw(sweep, board)
    show(board, sweep)
    if left:
        again = shlex.join(["wavesweep", "resume", str(relative(sweep.path)), *plan.launcher])
        log.warning("%d of %d jobs are left; %s goes on with them", left, plan.n_trials, again)
    status: Status = "killed" if left else "failed" if states["failed"] else "finished"
    record = SweepRecord(sweep.path)
    record.write_info(record.read_info().finished(status, f"```\n{text(board, sweep)}\n```"))
    delivered = _deliver(record, local.tracking)
    if signals.pending():
        return []
    codes = [FAILED] if states["failed"] or left else []
    codes += [DIVERGED] if states["diverged"] else []
    return codes if delivered and not _missing(sweep, trials, local) else [*codes, UNTRACKED]


def _draw(sweep: SweepDirectory, board: Leaderboard) -> None:
    from wavesweep.leaderboard.charts import draw

    try:
        draw(sweep, board)
    except Exception as error:  # the results are worth more than their pictures
        log.warning("the sweep's pictures can't be drawn: %s", in_one_line(error))


def _missing(sweep: SweepDirectory, trials: list[Trial], local: Config) -> int:
    """Deliver what MLflow has not taken yet; return how many runs it still lacks."""
    runs = [RunDirectory(sweep.path / trial.directory) for trial in trials if trial.directory]
    late = [run for run in runs if run.undelivered.exists() or seems_to_run(run)]
    return deliver_all(late, local, ["tracking.uri"])[MISSING]


def _deliver(record: SweepRecord, tracking: Tracking) -> bool:
    try:
        require(tracking)  # which doesn't wait long
        deliver(record, tracking)
    except LeftAlone:  # someone deleted it, and it stays so
        return True
    except Exception as error:
        log.warning("MLflow has not taken the sweep yet: %s", reason(error, tracking))
        return False
    return True
