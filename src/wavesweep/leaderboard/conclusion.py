"""The beginning and the end of a sweep of experiments: its record in MLflow, its leaderboard, its exit codes."""

import shlex
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused, in_one_line, relative
from hydra_queue_sweeper.base.files import write_atomically, write_yaml
from hydra_queue_sweeper.base.repeating import repeating
from hydra_queue_sweeper.base.terminal import say
from hydra_queue_sweeper.leaderboard.columns import show, to_csv
from hydra_queue_sweeper.leaderboard.ranking import Leaderboard
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.seeds import SEED
from hydra_queue_sweeper.search.space import Dimension
from hydra_queue_sweeper.search.trials import ENDED, Trial
from hydra_queue_sweeper.sweeps.control import why_enough
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from wavesweep.base.exit_codes import DIVERGED, FAILED, UNTRACKED
from wavesweep.base.streams import log
from wavesweep.config.config import Config, dump
from wavesweep.config.tag_names import BASED_ON, REOPENED
from wavesweep.evaluation.metric_names import OBJECTIVE, SCALED, SKILL, jobs, metric
from wavesweep.experiment.description import origin_name, sweep_name
from wavesweep.leaderboard.ranking import measured, note, rank
from wavesweep.runs.drawer_handle import Drawer
from wavesweep.runs.fingerprints import environment
from wavesweep.tracking.follower_handle import Delivered, Follower
from wavesweep.workspace.directory import RunDirectory, SweepRecord
from wavesweep.workspace.info import RunInfo, Status, Variety

SECONDS_BETWEEN_RECORDS = 2.0
SECONDS_FOR_A_PICTURE = 1.0  # by what draws beside a worker, which may have been killed
SHARE = 0.1  # of a core's time, that recording the best so far may cost; its process waits for workers else


def announce(
    sweep: SweepDirectory, plan: Plan, config: Config, tags: dict[str, str], base: Config | None
) -> AbstractContextManager[None]:
    """Record that a sweep runs; return a context within which the best so far is recorded, too.

    Args:
        sweep: Its directory.
        plan: Of the sweep.
        config: Of one of its jobs.
        tags: Of the sweep and of its runs.
        base: The configuration that the sweep varies, where that is a stored run's.

    Raises:
        Refused: If its record can't be read, or something that is written to is a link or a device.
    """
    record = SweepRecord(sweep.path)
    record.check_plain()
    swept = [one for one in plan.dimensions if one.swept]
    if record.exists():
        info = record.read_info()
        if info.complete:
            info.tags[REOPENED] = str(int(info.tags.get(REOPENED, "0")) + 1)
    else:
        name = config.tracking.run_name or sweep_name([one.name for one in swept], origin_name(tags.get(BASED_ON, "")))
        info = RunInfo(overrides=[], choices={}, sweep_id=sweep.id, name=name, tags=environment() | tags)
    varied: dict[str, Variety] = {one.name: one.kind for one in swept}
    if len({trial.seed for trial in plan.waiting.values()}) > 1:  # which may be of the best alone
        varied[SEED] = "values"
    overrides = [one.text for one in swept]
    params = _params(plan, swept)
    info = replace(info, status="running", ended=None, overrides=overrides, varied=varied, params=params)
    write_yaml(record.config, dump(config))
    if base:
        write_yaml(record.composed, dump(base))
    record.write_info(info)
    return repeating(_Recorder(record), SECONDS_BETWEEN_RECORDS)


@dataclass
class _Recorder:
    """Records the best of a sweep so far, so that this costs a small share of the time; returns True, to go on.

    Attributes:
        record: Of the sweep.
        due: When to do so next, by the clock that `time.monotonic` tells.
    """

    record: SweepRecord
    due: float = 0.0

    def __call__(self) -> bool:
        if time.monotonic() >= self.due:
            began = time.thread_time()
            with suppress(OSError, Refused):  # of a trial that is damaged
                _record_best(self.record, rank(self.record.sweep))
            self.due = time.monotonic() + (time.thread_time() - began) / SHARE
        return True


def _params(plan: Plan, swept: list[Dimension]) -> dict[str, str]:
    """Return what MLflow shows beside a sweep's name."""
    values = {one.name: one.text.partition("=")[2] for one in swept}
    sampler = "grid" if plan.is_grid else plan.sampler
    return values | {"sampler": sampler, "pruner": plan.pruner or "none", "jobs": str(plan.n_trials)}


def _record_best(record: SweepRecord, board: Leaderboard, *, ended: bool = False) -> None:
    """Record the best of a sweep so far, and how many jobs are in each state; test scores once it has ended."""
    num_ended = sum(board.counts[state] for state in ENDED)
    if not num_ended:
        return
    values: dict[str, float | None] = {jobs(state): float(board.counts[state]) for state in ENDED}
    if best := board.winner:
        scored = measured(best)
        values |= {OBJECTIVE: best.objective, SKILL: scored.skill}
        if ended and scored.test:
            values[metric("test", SCALED)] = scored.test.own.value
    record.append_state(num_ended, {key: value for key, value in values.items() if value is not None})


def conclude(sweep: SweepDirectory, plan: Plan, follower: Follower) -> tuple[list[int], Delivered]:
    """Show how a sweep ended, and have it delivered; return exit codes of what is not in order, and its copies."""
    board = rank(sweep)
    trials = board.trials
    write_atomically(sweep.leaderboard, to_csv(board).encode())
    if not signals.pending():
        _draw_left(sweep, trials)
        _draw(board)
    show(board)
    left = _num_left(plan, trials)
    why = "" if signals.pending() else why_enough(sweep)
    reached = plan.reached(trials)
    if left:
        _say_what_is_left(sweep, plan, left, why, reached=reached)
    was_stopped = left > 0 and not why
    status: Status = "failed" if board.counts["failed"] else "finished"
    if left and not reached:  # it waits to be resumed, where the time is up, too
        status = "killed"
    record = SweepRecord(sweep.path)
    _record_best(record, board, ended=True)
    record.write_info(record.read_info().finished(status, note(board)))
    delivered = follower.deliver_rest(sweep.path)
    if signals.pending():
        return [], delivered
    return _codes(board, delivered, was_stopped=was_stopped), delivered


def _num_left(plan: Plan, trials: list[Trial]) -> int:
    """Return how many jobs have not ended, those that have not been proposed included."""
    return plan.n_trials - sum(trial.ended for trial in trials)


def _say_what_is_left(sweep: SweepDirectory, plan: Plan, left: int, why: str, *, reached: bool) -> None:
    """Say how many jobs are left, why, and what goes on with them."""
    further = ["hydra.sweeper.target=null"] if reached else []
    again = shlex.join(["wavesweep", "resume", str(relative(sweep.path)), *plan.launcher, *further])
    log.warning("%d of %d jobs are left%s; %s goes on with them", left, plan.n_trials, why and f", {why}", again)


def _codes(board: Leaderboard, delivered: Delivered, *, was_stopped: bool = False) -> list[int]:
    """Return the exit codes of what is not in order: of jobs, and of what copies lack."""
    wrong = {
        FAILED: was_stopped or board.counts["failed"],
        DIVERGED: board.counts["diverged"],
        UNTRACKED: not delivered.complete,
    }
    return [code for code, found in wrong.items() if found]


def has_ended(sweep: SweepDirectory, plan: Plan) -> bool:
    """Say whether a sweep has nothing left to do, and its end is recorded."""
    trials = sweep.read_trials(plan)
    if _num_left(plan, trials) and not plan.reached(trials):
        return False
    record = SweepRecord(sweep.path)
    return record.exists() and record.read_info().complete


def show_again(sweep: SweepDirectory, follower: Follower) -> tuple[list[int], Delivered]:
    """Show a sweep that has ended before, and deliver what copies lack of it; return what `conclude` does."""
    say(f"{relative(sweep.path)} has ended already")
    board = rank(sweep)
    show(board)
    delivered = follower.deliver_rest(sweep.path)
    return _codes(board, delivered), delivered


def _draw_left(sweep: SweepDirectory, trials: list[Trial]) -> None:
    """Draw the pictures of jobs that have ended, where what was to draw them was killed: no worker takes such a job."""
    runs = [RunDirectory(sweep.path / trial.directory) for trial in trials if trial.ended and trial.directory]
    lacking, before = [run for run in runs if run.lacks_pictures()], -1
    while (missing := sum(len(run.not_drawn()) for run in lacking)) not in (0, before) and not signals.pending():
        before = missing  # which a worker that outlived another may be drawing
        time.sleep(SECONDS_FOR_A_PICTURE)
    with Drawer(may_lag=True) as drawer:
        for run in lacking:
            run.undelivered.touch()
            for path in run.not_drawn():
                drawer.draw(path, run.figure(path.stem))
        drawer.wait()


def _draw(board: Leaderboard) -> None:
    from hydra_queue_sweeper.charts.pictures import draw

    try:
        draw(board)
    except Exception as error:  # the results are worth more than their pictures
        log.warning("the sweep's pictures can't be drawn: %s", in_one_line(error))
