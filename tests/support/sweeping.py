"""Starts sweeps in process groups of their own, looks at what they leave, and strikes at their processes."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.commands import SMALL, environment
from tests.support.records import for_mlflow, in_mlflow
from tests.support.trees import children
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory

QUICK = (*SMALL, "model=tiny")
"""A job that trains for a tenth of a second."""
STEADY = (*SMALL, "model=tiny", "training.epochs=150", "training.refine_epochs=0")
"""A job that trains for a second or so, with many epochs."""
START = "the network takes "
"""Written to a job's log by each start of a network."""


class Started:
    """The command in a process group of its own; what it says goes to files, anew at each start.

    Args:
        cwd: Where.
        line: Its arguments, or a line of shell.
    """

    def __init__(self, cwd: Path, line: "tuple[str, ...] | str") -> None:
        self.out, self.err = cwd / "out", cwd / "err"
        arguments = line if isinstance(line, str) else [sys.executable, "-m", "wavesweep", *line]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                arguments,
                cwd=cwd,
                shell=isinstance(line, str),
                env=environment(PATH=f"{program(cwd)}:{os.environ['PATH']}"),
                stdout=out,
                stderr=err,
                start_new_session=True,
                # Ctrl-C is ignored by what a shell starts in the background, and inherited so.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def workers(self) -> list[int]:
        """Return the processes that it has started to work, in the order of their starts."""
        return [pid for pid in children(self.process.pid) if b"spawn_main" in _command_line(pid)]

    def drawers(self) -> list[int]:
        """Return the processes that draw pictures."""
        return [pid for pid in self.tree() if b"drawing.drawer" in _command_line(pid)]

    def tree(self) -> list[int]:
        """Return all processes that descend from it."""
        found = children(self.process.pid)
        for pid in found:
            found += children(pid)
        return found

    def kill(self) -> int:
        """Kill the whole group; return how the command ended: as killed, unless it was faster."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def wait_until(self, condition: Callable[[], Any], seconds: float = 120) -> None:
        """Wait for a condition, while the command runs."""
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.err.read_text()}"
            assert time.monotonic() < until
            time.sleep(0.002)

    def end(self, seconds: float = 300) -> int:
        """Wait for its end; return its exit code."""
        return self.process.wait(timeout=seconds)


@contextmanager
def started(cwd: Path, *arguments: str) -> Iterator[Started]:
    """Start the command, and leave nothing of it behind."""
    command = Started(cwd, arguments)
    try:
        yield command
    finally:
        command.kill()


def shell(cwd: Path, line: str) -> int:
    """Run a line as it was typed; return its exit code."""
    command = Started(cwd, line)
    try:
        return command.end()
    finally:
        command.kill()


def program(cwd: Path) -> Path:
    """Return a folder that holds the command by its name."""
    path = cwd / "bin" / "wavesweep"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wavesweep "$@"\n')
        path.chmod(0o755)
    return path.parent


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def held(sweep: Path, pid: int) -> int | None:
    """Return the trial that a process runs: that counts as running, and whose lock it has open; else None."""
    opened: list[str] = []
    with suppress(OSError):  # of a process that has ended
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # of a file that has been closed since
                opened.append(str(file.readlink()))
    for name in opened:
        match = re.fullmatch(rf"{re.escape(str(sweep / 'trials'))}/(\d+)\.lock", name)
        if match and (trial := SweepDirectory(sweep).read_trial(int(match[1]))) and trial.state == "running":
            return trial.number
    return None


def advanced(sweep: Path, pid: int) -> int | None:
    """Return the trial that a process runs, once it has recorded something."""
    number = held(sweep, pid)
    return number if number is not None and RunDirectory(sweep / str(number)).metrics.exists() else None


def trials(sweep: Path) -> list[Trial]:
    """Return all trials of a sweep."""
    directory = SweepDirectory(sweep)
    return directory.read_trials(directory.read_plan())


def num_ended(sweep: Path) -> int:
    """Return how many trials have ended."""
    return sum(trial.ended for trial in trials(sweep)) if SweepDirectory(sweep).plan.exists() else 0


def states(sweep: Path) -> list[str]:
    """Return the states of all trials."""
    return [trial.state for trial in trials(sweep)]


def starts(run: Path) -> int:
    """Return how often a network's job was started."""
    return (run / "wavesweep.log").read_text().count(START)


def keys(sweep: Path) -> dict[str, str]:
    """Return the keys of all runs that have begun, by their directories."""
    return {
        path.parent.name: RunDirectory(path.parent).read_info().run_key for path in sorted(sweep.glob("*/run.json"))
    }


def rows(sweep: Path) -> list[dict[str, str]]:
    """Return the rows of the leaderboard, less the time that they took."""
    with (sweep / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def families(database: Path) -> list[tuple[Run, list[Run]]]:
    """Return each run of MLflow's that has no parent, with its children; none may hang under anything else."""
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{database}").tracking)
    found: list[Run] = list(client.search_runs([experiment], max_results=1000))
    parents = {run.info.run_id: (run, []) for run in found if "mlflow.parentRunId" not in run.data.tags}
    for run in found:
        if run.info.run_id not in parents:
            parents[run.data.tags["mlflow.parentRunId"]][1].append(run)
    return list(parents.values())


def is_whole(cwd: Path, sweep: Path) -> None:
    """Assert that MLflow has a sweep as one parent, and each of its jobs as one child, finished and complete."""
    [(parent, found)] = families(cwd / "outputs" / "mlflow.db")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["wavesweep.run_key"] == json.loads((sweep / "parent.json").read_text())["run_key"]
    by_key = {run.data.tags["wavesweep.run_key"]: run for run in found}
    directories = {key: RunDirectory(sweep / name) for name, key in keys(sweep).items()}
    assert len(found) == len(by_key) == len(directories)
    assert by_key.keys() == directories.keys()
    client, _ = connect(compose(f"tracking.uri=sqlite:///{cwd}/outputs/mlflow.db").tracking)
    for key, run in by_key.items():
        record = in_mlflow(client, run)
        hung = {name: record["tags"].pop(name) for name in ("mlflow.parentRunId", "wavesweep.sweep_id")}
        assert hung == {"mlflow.parentRunId": parent.info.run_id, "wavesweep.sweep_id": sweep.name}
        assert record == for_mlflow(directories[key])
