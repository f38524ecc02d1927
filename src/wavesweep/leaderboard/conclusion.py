"""The beginning and the end of a sweep of experiments: its record in MLflow, its leaderboard, its exit codes."""

import shlex
from contextlib import suppress
from dataclasses import replace

from wavesweep.base import signals
from wavesweep.base.errors import Refused, in_one_line, relative
from wavesweep.base.exit_codes import DIVERGED, FAILED, UNTRACKED
from wavesweep.base.files import write_atomically, write_yaml
from wavesweep.base.terminal import log, say
from wavesweep.config.config import Config, Tracking, dump
from wavesweep.config.tag_names import BASED_ON, REOPENED
from wavesweep.leaderboard.ranking import Leaderboard, rank
from wavesweep.leaderboard.table import show, to_csv, to_markdown
from wavesweep.models.metric_names import OBJECTIVE, SKILL, jobs
from wavesweep.runs.description import TEST_SCORE, origin_name, sweep_name
from wavesweep.runs.directory import RunDirectory, SweepRecord
from wavesweep.runs.fingerprints import environment
from wavesweep.runs.info import RunInfo, Status, Variety
from wavesweep.search.plan import Plan
from wavesweep.search.space import Dimension
from wavesweep.search.trials import ENDED, SEED, Trial
from wavesweep.sweeps.store import SweepDirectory
from wavesweep.tracking.courier import Courier
from wavesweep.tracking.store import import_mlflow
from wavesweep.tracking.sync import MISSING, deliver_all, seems_to_run


class SweepCourier(Courier):
    """Delivers a sweep's record while it runs, with the best so far.

    Args:
        sweep: Its directory, whose lock is held.
        tracking: Where to.
    """

    share = 0.1  # its process waits for workers else

    def __init__(self, sweep: SweepDirectory, tracking: Tracking) -> None:
        self.sweep = sweep
        super().__init__(SweepRecord(sweep.path), tracking)

    def refresh(self) -> None:
        """Record the best so far."""
        with suppress(OSError, Refused):  # of a trial that is damaged
            _record_best(self.directory, rank(self.sweep))


def announce(sweep: SweepDirectory, plan: Plan, config: Config, tags: dict[str, str]) -> SweepCourier:
    """Record that a sweep runs; return what lets MLflow know, now and as it goes on.

    Args:
        sweep: Its directory.
        plan: Of the sweep.
        config: Of one of its jobs.
        tags: Of the sweep and of its runs.

    Raises:
        Refused: If its record can't be read, or something that is written to is a link or a device.
    """
    record = SweepRecord(sweep.path)
    record.check_plain()
    swept = [one for one in plan.dimensions if one.swept]
    if record.info.exists():
        info = record.read_info()
        reopened = {REOPENED: str(int(info.tags.get(REOPENED, "0")) + 1)} if info.complete else {}
        info = replace(info, status="running", ended=None, tags=info.tags | reopened)
    else:
        name = config.tracking.run_name or sweep_name([one.name for one in swept], origin_name(tags.get(BASED_ON, "")))
        info = RunInfo(overrides=[], choices={}, sweep_id=sweep.id, name=name, tags=environment() | tags)
    seeds: dict[str, Variety] = {SEED: "values"} if len({one.seed for one in plan.waiting.values()}) > 1 else {}
    info = replace(
        info,
        overrides=[one.text for one in swept],
        varied={one.name: one.kind for one in swept} | seeds,  # which may be of the best alone
        params=_params(plan, swept),
    )
    write_yaml(record.config, dump(config))
    record.write_info(info)
    import_mlflow()
    return SweepCourier(sweep, config.tracking)


def _params(plan: Plan, swept: list[Dimension]) -> dict[str, str]:
    """Return what MLflow shows beside a sweep's name."""
    values = {one.name: one.text.partition("=")[2] for one in swept}
    sampler = "grid" if plan.is_grid else plan.sampler
    return values | {"sampler": sampler, "pruner": plan.pruner or "none", "jobs": str(plan.n_trials)}


def _record_best(record: RunDirectory, board: Leaderboard, *, ended: bool = False) -> None:
    """Record the best of a sweep so far, and how many jobs are in each state; test scores once it has ended."""
    num_ended = sum(board.counts[state] for state in ENDED)
    if not num_ended:
        return
    values = {jobs(state): float(board.counts[state]) for state in ENDED}
    if (best := board.winner) and best.objective is not None:
        scores = {OBJECTIVE: best.objective, SKILL: best.skill}
        scores |= {TEST_SCORE: best.test.own.value} if ended and best.test else {}
        values |= {key: score for key, score in scores.items() if score is not None}
    record.append_metrics(num_ended, values)


def conclude(sweep: SweepDirectory, plan: Plan, local: Config, courier: SweepCourier) -> list[int]:
    """Show how a sweep ended, and deliver it; return exit codes of what is not in order."""
    trials, board = sweep.read_trials(plan), rank(sweep)
    left = plan.n_trials - sum(trial.ended for trial in trials)
    write_atomically(sweep.leaderboard, to_csv(board).encode())
    if not signals.pending():
        _draw(sweep, board)
    show(board, sweep)
    enough = sweep.enough.exists() and not signals.pending()
    if left:
        further = ["hydra.sweeper.target=null"] if plan.reached(trials) else []
        again = shlex.join(["wavesweep", "resume", str(relative(sweep.path)), *plan.launcher, *further])
        why = f", since {'the target is reached' if further else 'the time is up'}" if enough else ""
        log.warning("%d of %d jobs are left%s; %s goes on with them", left, plan.n_trials, why, again)
    missing = 0 if signals.pending() else _missing(sweep, trials, local)  # before the sweep, whose table leads to them
    stopped = left and not enough
    status: Status = "killed" if stopped else "failed" if board.counts["failed"] else "finished"
    record = courier.directory
    _record_best(record, board, ended=True)
    record.write_info(record.read_info().finished(status, to_markdown(board, sweep)))
    with courier:
        pass
    if signals.pending():
        return []
    codes = [FAILED] if stopped else []
    return [*codes, *_codes(board), *([] if courier.has_all and not missing else [UNTRACKED])]


def _codes(board: Leaderboard) -> list[int]:
    """Return the exit codes of jobs that did not end well."""
    return [code for state, code in (("failed", FAILED), ("diverged", DIVERGED)) if board.counts[state]]


def has_ended(sweep: SweepDirectory, plan: Plan) -> bool:
    """Say whether a sweep has nothing left to do, and its end is recorded."""
    trials, record = sweep.read_trials(plan), SweepRecord(sweep.path)
    left = plan.n_trials - sum(trial.ended for trial in trials)
    return (not left or plan.reached(trials)) and record.info.exists() and record.read_info().complete


def show_again(sweep: SweepDirectory, plan: Plan, local: Config) -> tuple[list[int], Courier]:
    """Show a sweep that has ended before, and deliver what MLflow lacks of it; return exit codes as its end did."""
    say(f"{relative(sweep.path)} has ended already")
    show(board := rank(sweep), sweep)
    missing = _missing(sweep, sweep.read_trials(plan), local)
    import_mlflow()
    with Courier(SweepRecord(sweep.path), local.tracking) as courier:
        pass
    return [*_codes(board), *([] if courier.has_all and not missing else [UNTRACKED])], courier


def _draw(sweep: SweepDirectory, board: Leaderboard) -> None:
    from wavesweep.charts.pictures import draw

    try:
        draw(sweep, board)
    except Exception as error:  # the results are worth more than their pictures
        log.warning("the sweep's pictures can't be drawn: %s", in_one_line(error))


def _missing(sweep: SweepDirectory, trials: list[Trial], local: Config) -> int:
    """Deliver what MLflow has not taken yet; return how many runs it still lacks."""
    runs = [RunDirectory(sweep.path / trial.directory) for trial in trials if trial.directory]
    late = [run for run in runs if run.undelivered.exists() or seems_to_run(run)]
    return deliver_all(late, local, ["tracking.uri"])[MISSING]
