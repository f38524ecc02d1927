"""A sweep that a program asks for: the command runs it, in a process beside, since its workers are processes too."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.overrides import written
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from wavesweep.base.exit_codes import REFUSED
from wavesweep.base.processes import open_process
from wavesweep.base.streams import log

REFUSAL = "wavesweep: "
"""How the lines begin in which the command says what is wrong."""


def run_sweep(overrides: Sequence[str], place: Path) -> None:
    """Run a sweep to its end, or until the program gets Ctrl-C; what the command prints is logged, a line each.

    Args:
        overrides: As the command takes them after `-m`.
        place: The sweep's directory, absolute.

    Raises:
        Refused: If the command refuses it.
        RuntimeError: If it left no sweep, as after a dry run.
    """
    check_overrides(overrides)
    at = f"hydra.sweep.dir={written(str(place))}"
    lines: list[str] = []
    with open_process("wavesweep.cli.beside", "-m", *overrides, at, stderr=subprocess.STDOUT) as process:
        try:
            for line in _lines_of(process):
                lines.append(line)
                log.info("%s", line)
        except BaseException:
            process.terminate()  # SIGINT may be ignored there, as by what a shell starts in the background
            for line in _lines_of(process):
                log.info("%s", line)
            raise
    code = process.returncode
    refusals = [line.removeprefix(REFUSAL) for line in lines if line.startswith(REFUSAL)]
    if code == REFUSED and refusals:
        raise Refused("\n".join(refusals))
    if not SweepDirectory(place).plan.exists():
        raise RuntimeError(f"the command ended with {code} and left no sweep: {' '.join(lines[-1:])}")
    if code:
        log.warning("the command ended with %d; the leaderboard of %s has what came of each job", code, place)


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuse what can't be the overrides of a sweep that a program asks for."""
    for override in overrides:
        if not isinstance(override, str):
            raise Refused(f"an override must be text, as on the command line, got {override!r:.60}")
        if override.startswith("-"):
            raise Refused(f"{override:.60} is no override; leave it out: flags are the command's")
        if override.lstrip("+").startswith("hydra.sweep.dir="):
            raise Refused(f"hydra.sweep.dir is chosen by directory=, got {override}; leave it out")


def _lines_of(process: "subprocess.Popen[bytes]") -> Iterator[str]:
    """Yield what a process prints, as text."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line.decode("utf-8", "replace").rstrip()
