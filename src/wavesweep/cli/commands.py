"""The commands that are no runs. Their helps are plain texts in `help/`, which print without importing the command."""

from pathlib import Path
from pkgutil import resolve_name

COMMANDS = {
    "reproduce": "wavesweep.cli.again:reproduce",
    "forecast": "wavesweep.cli.forecast:run",
    "diff": "wavesweep.cli.again:diff",
    "draw": "wavesweep.cli.draw:run",
    "resume": "wavesweep.cli.resume:run",
    "summary": "wavesweep.cli.summary:run",
    "sync": "wavesweep.cli.sync:run",
    "work": "wavesweep.cli.work:run",
    "ui": "wavesweep.cli.ui:run",
}
"""Where the function of each command stands, as `module:name`."""


def run(command: str, arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    return resolve_name(COMMANDS[command])(arguments)


def help_of(command: str) -> str:
    """Return what a command prints for `--help`."""
    return Path(__file__).with_name("help").joinpath(f"{command}.txt").read_text("utf-8")
