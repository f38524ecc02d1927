"""The console script: dispatches to commands, completion, or Hydra."""

import gc
import io
import logging
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from hydra_queue_sweeper.base.errors import Refused, in_one_line, is_out_of_memory, suggestion
from hydra_queue_sweeper.base.garbage import leave_garbage
from hydra_queue_sweeper.base.signals import Interrupted, defer, watch
from wavesweep.base.exit_codes import FAILED
from wavesweep.base.streams import Output, guard_streams
from wavesweep.cli.arguments import refuse
from wavesweep.cli.commands import COMMANDS, help_of, run
from wavesweep.config.groups import groups, options


def main() -> None:
    """Run the command line and exit with the code that the contract gives its outcome."""
    output, errors = guard_streams()
    os.environ["MPLBACKEND"] = "agg"  # pictures go to files alone
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # what is started imports nothing of the working directory
    watch()
    try:
        code = _dispatch()
    except SystemExit as ended:  # by Hydra
        code = ended.code
    except Interrupted as interrupted:
        defer()
        print(f"wavesweep: ended by {interrupted}", file=sys.stderr)
        logging.disable()  # torch whose import was cut short prints statistics as Python ends
        code = interrupted.exit_code
    except MemoryError:  # which wasn't enough to say so in the usual way
        errors.write(b"wavesweep: out of memory; take smaller sizes or end other programs\n")
        os._exit(FAILED)
    finally:
        defer()
        leave_garbage()
    lost = _check_output(output)
    sys.exit(code or lost)


def _check_output(output: Output) -> int:
    """Say if standard output could not be written; return the exit code."""
    sys.stdout.flush()
    if output.failure is None:
        return 0
    refuse(f"standard output can't be written ({output.failure.strerror}); lead it elsewhere: runs are stored anyway")
    return FAILED


def _dispatch() -> int:
    """Do what the command line says; return the exit code."""
    try:
        place = str(Path.cwd())
    except OSError:
        return refuse("the working directory is gone; change into one that is there")
    if "${" in place:
        return refuse(f"{place} can't be the working directory, since Hydra takes ${{ for a reference; rename it")
    if broken := [argument for argument in sys.argv[1:] if "\n" in argument]:  # each problem is told in a line
        return refuse(f"an argument must be one line, got {broken[0]!r:.60}; leave out what ends it")
    # Imports make many objects and little garbage: looking for it as often as by default takes a fifth of a short run.
    gc.set_threshold(100_000, 50, 100)
    match sys.argv[1:]:
        case [command, *arguments] if command in COMMANDS:
            return _run_command(command, arguments)
        case ["--version"]:
            from importlib.metadata import version

            print(f"wavesweep {version('wavesweep')}")
            return 0
        case ["--version", word, *_]:
            return refuse(f"--version must stand alone, got {word} after it; leave that out")
        case ["-sc" | "--shell-completion", query] if query.startswith("query="):
            _complete(sys.argv[1:])
            return 0
        case [word, *_] if word.isidentifier():
            return refuse(f"{word} is neither KEY=VALUE nor a command; {suggestion(word, COMMANDS)}")
        case arguments:
            return _run_hydra(arguments)


def _run_hydra(arguments: list[str]) -> int:
    from wavesweep.cli.application import run_hydra  # imports Hydra, which the help of a command need not wait for

    return run_hydra(arguments)


def _run_command(command: str, arguments: list[str]) -> int:
    """Run one of our commands; return its exit code."""
    if {"-h", "--help"} & set(arguments):
        print(help_of(command), end="")
        return 0
    try:
        return run(command, arguments)
    except Refused as error:
        return refuse(str(error))
    except (OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        refuse(in_one_line(error))
        return FAILED


def _complete(arguments: list[str]) -> None:
    """Print what can follow the unfinished command line in `COMP_LINE`, a line each."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        _run_hydra(arguments)
    suggestions = printed.getvalue().split()
    words = os.environ.get("COMP_LINE", "").split(" ")
    begun = words[-1]
    if len(words) == 2:
        suggestions += COMMANDS
    for group in groups():
        if any("/" in option for option in options(group)):
            # Hydra takes a folder of options, such as experiment/article, for a group of its own.
            suggestions = [text for text in suggestions if not text.startswith(f"{group}/")]
            suggestions.append(f"{group}=")
            if begun.startswith(f"{group}="):
                suggestions += [f"{group}={option}" for option in options(group)]
    print("\n".join(sorted({text for text in suggestions if text.startswith(begun)})))
