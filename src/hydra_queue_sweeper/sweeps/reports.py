"""What a job reports of its objective to its sweep while it runs, and where that is kept."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

REPORTS = "reports.jsonl"  # in a job's directory: a step and the objective then, a line each

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


def write_report(directory: Path, step: int, objective: float) -> None:
    """Add what a job reports to its directory, behind a line end: the report before may be torn."""
    with (directory / REPORTS).open("a") as file:
        file.write(f"\n{json.dumps([step, objective])}")


def read_reports(directory: Path) -> dict[int, float]:
    """Return from a job's directory the objective at each step that it has reported, since it last began anew."""
    reports: dict[int, float] = {}
    with suppress(FileNotFoundError):
        for line in (directory / REPORTS).read_text().splitlines():
            with suppress(ValueError, TypeError):  # of a line that is torn, or empty
                step, objective = json.loads(line)
                if step <= next(reversed(reports), 0):
                    reports = {then: value for then, value in reports.items() if then < step}
                reports[step] = objective
    return reports
