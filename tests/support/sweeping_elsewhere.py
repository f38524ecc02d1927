"""Sweeps of a small program, whose workers a launcher starts elsewhere."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.trees import wait_until

PROGRAM = """
import os
import time

import hydra


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    with open("begun", "a") as file:
        job, node = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURMD_NODENAME")
        file.write(f"{config.number} {job} {node} {os.getpid()}\\n")
    for _ in range(round(10 * config.seconds)):
        time.sleep(0.1)
    return config.number / 7


if __name__ == "__main__":
    main()
"""
SECONDS = 120
SAME = ("number", "overrides", "state", "objective", "reason", "deaths", "directory")


class Sweep:
    """A sweep that is started at once.

    Args:
        place: The working directory, empty.
        jobs: How many there are; job N returns N / 7.
        seconds: That each takes.
        overrides: Of the launcher, for instance.
        before: A command that runs the program's.
        variables: The environment; None: that of this process.
        python: The interpreter.
    """

    def __init__(
        self,
        place: Path,
        jobs: int,
        seconds: float,
        *overrides: str,
        before: Sequence[str] = (),
        variables: dict[str, str] | None = None,
        python: str | Path = sys.executable,
    ) -> None:
        self.place, self.before, self.variables, self.python = place, before, variables, python
        (place / "program.py").write_text(PROGRAM)
        self.words = ["program.py", "-m", "hydra/sweeper=queue", f"+number=range({jobs})", f"+seconds={seconds}"]
        self.overrides = overrides
        self.start()

    def start(self, *further: str) -> None:
        """Start it, or go on with it."""
        words = [*self.before, self.python, *self.words, "hydra.sweep.dir=sweep", *self.overrides, *further]
        pipe, into_it = subprocess.PIPE, subprocess.STDOUT
        self.process = subprocess.Popen(
            words, cwd=self.place, env=self.variables, stdout=pipe, stderr=into_it, text=True
        )

    def begun(self) -> list[list[str]]:
        """Return number, batch job, node and process of each job that has begun."""
        path = self.place / "begun"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for(self, number: int) -> None:
        """Wait until so many jobs have begun."""
        wait_until(lambda: len(self.begun()) >= number, SECONDS)

    def end(self, code: int = 0) -> str:
        """Wait for the end; return what was said."""
        said, _ = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == code, said
        return said

    def trials(self, name: str = "sweep") -> list[dict[str, object]]:
        """Return the records of all trials, in their order."""
        paths = sorted((self.place / name / "trials").glob("*.json"), key=lambda path: int(path.stem))
        return [json.loads(path.read_text()) for path in paths]

    def check(self, jobs: int, deaths: int = 0) -> None:
        """Make sure that each job has ended once, and that no more workers were charged."""
        trials = self.trials()
        assert [trial["state"] for trial in trials] == ["finished"] * jobs
        assert [trial["objective"] for trial in trials] == [number / 7 for number in range(jobs)]
        assert sum(trial["deaths"] for trial in trials) <= deaths  # type: ignore[misc]

    def check_as_on_one_machine(self, *but: str) -> None:
        """Make sure that our local launcher records the same of the same sweep, but for some keys."""
        words = [
            self.python,
            *self.words,
            "hydra.sweep.dir=local",
            "hydra/launcher=processes",
            "hydra.sweeper.n_workers=4",
        ]
        subprocess.run(words, cwd=self.place, check=True, capture_output=True)
        for own, local in zip(self.trials(), self.trials("local"), strict=True):
            assert {key: own[key] for key in SAME if key not in but} == {
                key: local[key] for key in SAME if key not in but
            }
