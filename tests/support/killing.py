"""Runs a job again and again, each time killed at another of its steps in writing files, and finishes each.

    python -m tests.support.killing DIRECTORY OVERRIDES...

Each job is a fork of this process, which has run one itself: the imports and what libraries do once take longer than
the job. The directory then holds `straight`, a run left alone, a folder for each kill, and `kills.json`, which says
what was next at each.
"""

import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.commands import SMALL
from tests.support.following import InThisProcess, carry_out
from wavesweep.cli.resume import finish
from wavesweep.config.composing import compose
from wavesweep.config.config import Config
from wavesweep.experiment.preparation import prepare
from wavesweep.runs import checkpoints
from wavesweep.tracking import follower_handle
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

STEPS = ((os, "fsync"), (Path, "replace"), (Path, "unlink"))
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")


class Steps:
    """Names the steps in writing files, in a report, and kills the process right before one of them."""

    def __init__(self, report: Path, last: int | None = None) -> None:
        self.report, self.last, self.names = report, last, []
        for owner, name in STEPS:
            setattr(owner, name, self.counting(getattr(owner, name), name))

    def counting(self, step: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(target: Any, *arguments: Any, **options: Any) -> Any:
            if len(self.names) == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            file = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else target
            self.names.append(f"{name} " + TEMPORARY.sub(r"\1.part", file.name))
            self.report.write_text(json.dumps(self.names))
            return step(target, *arguments, **options)

        return counted


def forked(work: Callable[[], object]) -> int:
    """Do some work in a process of its own; return how that ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_told_by_another(names: list[str], number: int) -> bool:
    """Say whether a kill before a step leaves, to any other process, what a kill before one beside it leaves."""
    before, step, after = ["", *names, ""][number : number + 3]
    if step == before.replace("fsync", "replace"):
        return True  # a sync lies between
    if not before.startswith("replace"):
        return False
    # A folder is synced, and then another file is begun, by a temporary one.
    return step.startswith("fsync") and after.startswith("fsync") and after.endswith(".part")


def begin(composed: Config, directory: RunDirectory) -> None:
    """Run a job from its beginning."""
    carry_out(prepare(composed), directory, RunInfo([], {}, None, "killed"))


def resume(composed: Config, directory: RunDirectory) -> None:
    """Finish a job; begin it where nothing is known of it."""
    if directory.exists():
        finish(directory, composed, [])
    else:
        begin(composed, directory)


def main(place: Path, *overrides: str) -> None:
    follower_handle.open_process = InThisProcess  # type: ignore[assignment]  # which is killed with the run
    checkpoints.SPACING = 0.0  # at each epoch, however short
    options = ("runtime.device=cpu", "model.hidden_sizes=[5]", *SMALL, *overrides)
    composed = compose(*options)
    straight, first, report = RunDirectory(place / "straight"), RunDirectory(place / "first"), place / "report"
    for directory in (straight, first):
        directory.path.mkdir(parents=True)
    begin(compose(*options, f"tracking.uri=sqlite:///{place}/first.db"), first)  # a fork shares no connection

    def counted() -> None:
        Steps(report)
        begin(composed, straight)

    assert forked(counted) == 0
    names = json.loads(report.read_text())
    kills = {}
    for number, name in enumerate(names):
        if is_told_by_another(names, number):
            continue
        directory = RunDirectory(place / f"{number:03d}")
        directory.path.mkdir()

        def killed(directory: RunDirectory = directory, number: int = number) -> None:
            Steps(report, number)
            begin(composed, directory)

        ended = forked(killed)
        if ended == 0 and number >= len(names) - 2:  # a delivery that begins before there are records syncs none
            continue
        assert ended == -signal.SIGKILL
        kills[directory.path.name] = name
        assert forked(lambda directory=directory: resume(composed, directory)) == 0
    (place / "kills.json").write_text(json.dumps(kills))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
