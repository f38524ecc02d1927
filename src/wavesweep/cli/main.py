"""The console script: dispatches to commands, completion, or Hydra."""

import gc
import logging
import os
import sys
from inspect import getdoc

from wavesweep.base.errors import Refused, in_one_line
from wavesweep.base.exit_codes import FAILED
from wavesweep.base.signals import Interrupted, defer, watch
from wavesweep.cli.arguments import refuse
from wavesweep.cli.commands import COMMANDS
from wavesweep.cli.completion import complete


def main() -> None:
    """Run the command line and exit with the code that the contract gives its outcome."""
    watch()
    try:
        sys.exit(_dispatch())
    except Interrupted as interrupted:
        defer()
        print(f"wavesweep: ended by {interrupted}", file=sys.stderr)
        logging.disable()  # torch whose import was cut short prints statistics as Python ends
        sys.exit(interrupted.exit_code)
    except MemoryError:  # which wasn't enough to say so in the usual way
        os.write(2, b"wavesweep: out of memory; take smaller sizes or end other programs\n")
        os._exit(FAILED)
    finally:
        defer()
        gc.freeze()  # else Python looks for garbage among half a million objects as it ends, for more than a second


def _dispatch() -> int:
    """Do what the command line says; return the exit code."""
    # Imports make many objects and little garbage: looking for it as often as by default takes a fifth of a short run.
    gc.set_threshold(100_000, 50, 100)
    match sys.argv[1:]:
        case [command, *arguments] if command in COMMANDS:
            return _run_command(command, arguments)
        case ["--version"]:
            from importlib.metadata import version

            print(f"wavesweep {version('wavesweep')}")
            return 0
        case ["-sc" | "--shell-completion", query] if query.startswith("query="):
            complete(lambda: _run_hydra(sys.argv[1:]))
            return 0
        case arguments:
            return _run_hydra(arguments)


def _run_hydra(arguments: list[str]) -> int:
    from wavesweep.cli.application import run_hydra  # imports Hydra, which the help of a command need not wait for

    return run_hydra(arguments)


def _run_command(command: str, arguments: list[str]) -> int:
    """Run one of our commands; return its exit code."""
    if {"-h", "--help"} & set(arguments):
        print(getdoc(COMMANDS[command]))
        return 0
    try:
        return COMMANDS[command](arguments)
    except Refused as error:
        return refuse(str(error))
    except (OSError, MemoryError) as error:
        refuse(in_one_line(error))
        return FAILED
