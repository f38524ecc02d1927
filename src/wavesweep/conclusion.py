"""What a sweep of experiments does before its first run and after its last."""

import logging
import shlex
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from wavesweep import interrupts
from wavesweep.config import Config, Tracking
from wavesweep.deliveries import MISSING, deliver_all
from wavesweep.exit_codes import DIVERGED, FAILED, UNTRACKED
from wavesweep.failures import in_one_line
from wavesweep.jobs import environment
from wavesweep.rundir import RunDirectory, RunInfo, Status, read_info, write_info
from wavesweep.sweeps.leaderboard import Leaderboard, rank, show, text, write_csv
from wavesweep.terminal import relative
from wavesweep.tracking import deliver_parent, reason, require

if TYPE_CHECKING:
    from wavesweep.sweeps.store import Plan, SweepDirectory, Trial

log = logging.getLogger("wavesweep")


def announce(sweep: "SweepDirectory", plan: "Plan", tracking: Tracking) -> None:
    """Record that a sweep runs, and let MLflow know; where that fails, the runs or `sync` do it later."""
    if sweep.parent.exists():
        info = replace(read_info(sweep.parent), status="running", ended=None)
    else:
        swept = [one.text for one in plan.dimensions if one.swept]
        info = RunInfo(swept, {}, sweep.id, tags=environment())
    write_info(sweep.parent, info)
    _deliver_parent(sweep, tracking)


def conclude(sweep: "SweepDirectory", plan: "Plan", local: Config) -> list[int]:
    """Show how a sweep ended, and deliver it; return exit codes of what is not in order."""
    trials = sweep.read_trials(plan)
    states = Counter(trial.state for trial in trials)
    left = plan.n_trials - sum(trial.ended for trial in trials)
    board = rank(sweep)
    write_csv(board, sweep.leaderboard)
    if not interrupts.pending():
        _draw(sweep, board)
    show(board, sweep)
    if left:
        again = shlex.join(["wavesweep", "resume", str(relative(sweep.path)), *plan.launcher])
        log.warning("%d of %d jobs are left; %s goes on with them", left, plan.n_trials, again)
    status: Status = "killed" if left else "failed" if states["failed"] else "finished"
    write_info(sweep.parent, read_info(sweep.parent).finished(status, f"```\n{text(board, sweep)}\n```"))
    delivered = _deliver_parent(sweep, local.tracking)
    if interrupts.pending():
        return []
    codes = [FAILED] if states["failed"] or left else []
    codes += [DIVERGED] if states["diverged"] else []
    return codes if delivered and not _missing(sweep, trials, local) else [*codes, UNTRACKED]


def _draw(sweep: "SweepDirectory", board: Leaderboard) -> None:
    from wavesweep.sweeps.charts import draw

    try:
        draw(sweep, board)
    except Exception as error:  # the results are worth more than their pictures
        log.warning("the sweep's pictures can't be drawn: %s", in_one_line(error))


def _missing(sweep: "SweepDirectory", trials: "list[Trial]", local: Config) -> int:
    """Deliver what MLflow has not taken yet; return how many runs it still lacks."""
    runs = [RunDirectory(sweep.path / trial.directory) for trial in trials if trial.directory]
    late = [run for run in runs if run.info.exists() and (run.undelivered.exists() or run.vanished())]
    return deliver_all(late, local, ["tracking.uri"])[MISSING] if late else 0


def _deliver_parent(sweep: "SweepDirectory", tracking: Tracking) -> bool:
    try:
        require(tracking)  # which doesn't wait long
        deliver_parent(sweep.path, tracking)
    except Exception as error:
        log.warning("MLflow has not taken the sweep yet: %s", reason(error, tracking))
        return False
    return True
