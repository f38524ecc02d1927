"""What a job reports of its objective to its sweep while it runs."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TakeReport = Callable[[int, float, int], None]
"""Takes a job's objective at a step of so many; raises `Pruned` to end the job."""


class _RunningJob:
    """The job that this process runs, one at a time: a program that reports knows no more of its sweep."""

    take_report: TakeReport | None = None


def report(step: int, objective: float, steps: int) -> None:
    """Report the objective of the running job to its sweep; outside a sweep, do nothing.

    What is not finite is left out, and a job that reports its last step is never given up.

    Args:
        step: From 1 to `steps`, each greater than the one before.
        objective: What the job has reached by then; lower is better.
        steps: That the job does in all.

    Raises:
        Pruned: If the sweep gives the job up. Let it pass: it ends the job, which then counts as pruned, not as failed.
    """
    if _RunningJob.take_report and math.isfinite(objective):
        _RunningJob.take_report(step, float(objective), steps)


@contextmanager
def objective_reports(to: TakeReport) -> Iterator[None]:
    """Hand a function what the job reports that runs within the context."""
    before = _RunningJob.take_report
    _RunningJob.take_report = to
    try:
        yield
    finally:
        _RunningJob.take_report = before
