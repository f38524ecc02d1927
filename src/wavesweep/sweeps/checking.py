"""All jobs of a sweep are checked before the first runs."""

from collections.abc import Iterable

from wavesweep.base.errors import Refused
from wavesweep.base.terminal import log, track
from wavesweep.search.plan import Plan
from wavesweep.sweeps.composition import OBJECTIONS
from wavesweep.sweeps.planning import Prepared, Sweep

MOST_PROBLEMS = 10
MANY_JOBS = 1000  # whose checking takes seconds


def check(sweep: Sweep, prepared: Prepared, before: Plan | None = None) -> None:
    """Make sure that the jobs of a sweep can be run; where it has grown, those that were added.

    Args:
        sweep: Which.
        prepared: Its plan, and what composes it.
        before: The plan that it had before it grew.

    Raises:
        Refused: If some can't, each with its overrides.
    """
    checked = {tuple(trial.overrides) for trial in before.waiting.values()} if before else set()
    jobs = [job for job in _to_check(prepared.plan) if tuple(job) not in checked]
    problems: dict[str, list[str]] = {}
    for overrides in _tracked(jobs):
        try:
            sweep.task.check(prepared.composer.compose(overrides)[0])
        except Refused as error:
            problems.setdefault(str(error), []).append(" ".join(overrides))
        except OBJECTIONS as error:
            problems.setdefault(sweep.task.explain(error, overrides), []).append(" ".join(overrides))
    if problems:
        lines = [_where(problem, found, len(jobs)) + problem for problem, found in problems.items()]
        raise Refused("\n".join(lines[:MOST_PROBLEMS]))


def _to_check(plan: Plan) -> list[list[str]]:
    """Return the overrides of all jobs that are known, and of jobs with every value and both bounds of intervals."""
    jobs = [trial.overrides for trial in plan.waiting.values()]
    if plan.is_grid:
        return jobs
    most = max(2, *(len(one.values) for one in plan.dimensions))
    return jobs + [overrides for number in range(most) for overrides in plan.typical(number)]


def _tracked(jobs: list[list[str]]) -> Iterable[list[str]]:
    """Iterate over jobs; show how it goes, where there is something to wait for."""
    if len(jobs) < MANY_JOBS:
        return jobs
    log.info("checking %d jobs", len(jobs))
    return track(jobs, "checking")


def _where(problem: str, jobs: list[str], total: int) -> str:
    """Name the first job that has a problem, unless all have it, or it says so itself."""
    if len(jobs) == total or problem.startswith(jobs[0]):
        return ""
    return f"{jobs[0]} (and {len(jobs) - 1} more): " if len(jobs) > 1 else f"{jobs[0]}: "
