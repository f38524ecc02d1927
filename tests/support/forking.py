"""The command in forks of a process that has imported what it needs: processes of their own, which begin at once."""

import multiprocessing
import os
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.commands import environment
from wavesweep.cli.main import main

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["wavesweep.runs.pictures", "wavesweep.experiment.experiment"])


@dataclass(frozen=True)
class Forked:
    """A command that runs, with the methods of `subprocess.Popen`."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        """Return the number of its process."""
        assert self.process.pid
        return self.process.pid

    def poll(self) -> int | None:
        """Return how it ended; None: it runs."""
        return self.process.exitcode

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        self.process.kill()

    def wait(self) -> int:
        """Wait for its end; return how it ended, by the negative number of a signal if that killed it."""
        self.process.join()
        assert self.process.exitcode is not None
        return self.process.exitcode


def fork(*arguments: str, cwd: Path) -> Forked:
    """Begin the command in a fork; what it says is added to the file `said`.

    Args:
        arguments: Of the command line.
        cwd: Where.
    """
    process = SERVER.Process(target=_run, args=(arguments, cwd, environment()))
    process.start()
    return Forked(process)


def _run(arguments: tuple[str, ...], cwd: Path, variables: dict[str, str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    with Path("said").open("ab") as said:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
    sys.argv = ["wavesweep", *arguments]
    main()
