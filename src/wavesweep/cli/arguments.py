"""Checking and splitting the arguments of the command line."""

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from typing import NoReturn

from hydra_queue_sweeper.base.errors import Refused, suggestion
from hydra_queue_sweeper.base.redaction import NO_PASSWORDS, public_address, public_store, without_password
from wavesweep.base.exit_codes import REFUSED
from wavesweep.config.groups import groups, options

_ACTIONS = ("run", "multirun", "cfg", "info", "shell_completion")
"""The flags of Hydra's that say what is to be done."""

LOCAL = ("tracking.", "runtime.")
"""How the keys begin of what belongs to here and now: all that a stored run leaves open."""


def read_arguments(command: str, arguments: list[str], more: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """Split the arguments of a command into overrides and all else.

    Args:
        command: Its name.
        arguments: All that follows it.
        more: How further keys begin that the command takes.

    Returns:
        The arguments that are no overrides, and the overrides by their keys.

    Raises:
        Refused: For an override of something else, or a password.
    """
    check_passwords(arguments)
    others: list[str] = []
    overrides: dict[str, str] = {}
    for argument in arguments:
        match = re.match(r"(?:\+*|~)([^-+~=][^=]*)=|~(.+)", argument)
        if match is None or os.path.lexists(argument):
            others.append(argument)
            continue
        key = match[1] or match[2]
        if not key.startswith((*LOCAL, *more)):
            raise Refused(f"{command} takes tracking.* and runtime.* overrides, got {argument}; leave it out")
        overrides[key] = argument
    return others, overrides


def read_places(command: str, arguments: list[str], more: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """Split the arguments of a command whose flags have been taken out into places and overrides.

    Raises:
        Refused: For a flag, or an override of something else.
    """
    places, overrides = read_arguments(command, arguments, more)
    if flags := [argument for argument in places if argument.startswith("-")]:
        raise Refused(f"{flags[0]} is not a flag of {command}; wavesweep {command} --help shows what it takes")
    return places, overrides


def read_place(command: str, arguments: list[str], more: tuple[str, ...] = ()) -> tuple[str | None, dict[str, str]]:
    """Split the arguments of a command that takes one place and no flags into that place and the overrides.

    Raises:
        Refused: For another number of them, or an override of something else.
    """
    places, overrides = read_places(command, arguments, more)
    return _only(command, places), overrides


def _only(command: str, places: list[str]) -> str | None:
    if len(places) > 1:
        raise Refused(f"{command} takes one place, got {len(places)}; call it for each")
    return places[0] if places else None


class Flags(ArgumentParser):
    """Reads the flags of a command; what is wrong is refused in one line.

    Args:
        command: Its name.
    """

    def __init__(self, command: str) -> None:
        super().__init__(command, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse instead of printing the usage and ending the program."""
        where = f"wavesweep {self.prog} --help shows what it takes"
        raise Refused(f"{self.prog}: {message.removeprefix('argument ')}; {where}")


def refuse(problems: str) -> int:
    """Print what is wrong, a line each, and return the exit code of a refusal."""
    for line in without_password(problems).splitlines():
        print(f"wavesweep: {line}", file=sys.stderr)
    return REFUSED


def read_flags(arguments: list[str]) -> Namespace:
    """Read the command line as Hydra does, which shows all its flags where one is wrong.

    Raises:
        Refused: With one line instead.
    """
    from wavesweep.config.hydra_internals import get_args_parser

    def refuse_flags(message: str) -> None:
        raise Refused(f"{message}; wavesweep --hydra-help lists the flags")

    parser = get_args_parser()
    parser.error = refuse_flags  # type: ignore[method-assign]
    flags, unknown = parser.parse_known_args(arguments)
    if unknown:
        words = " ".join(unknown)
        if "=" in words and not words.startswith("-"):
            raise Refused(f"{words}: overrides must stand together, all before the flags or all after them")
        raise Refused(f"{words} is not a flag; wavesweep --help and wavesweep --hydra-help list them")
    if flags.experimental_rerun:
        raise Refused("--experimental-rerun would run what code a file holds; wavesweep reproduce runs a run again")
    if flags.help:
        return flags
    ours = [text for text in flags.overrides if not text.lstrip("+~").startswith("hydra")]
    if flags.hydra_help and ours:
        raise Refused(f"--hydra-help must have overrides of hydra alone, got {ours[0]}; leave it out")
    if flags.resolve and not flags.cfg:
        raise Refused("--resolve needs --cfg or --help")
    actions = [f"--{name.replace('_', '-')}" for name in _ACTIONS if getattr(flags, name)]
    if len(actions) > 1 and not flags.hydra_help:
        raise Refused(f"{', '.join(actions)} exclude each other; choose one")
    return flags


def check_kinds(overrides: list[str]) -> None:
    """Refuse an override that makes a part another kind, but not its other keys."""
    for override in overrides:
        key, _, kind = override.partition("=")
        group, _, name = key.rpartition(".")
        if name == "kind" and group in groups():
            raise Refused(f"{override}: a kind comes with its option, {group}=…; {suggestion(kind, options(group))}")


def check_passwords(arguments: list[str]) -> None:
    """Refuse passwords on a command line: Hydra stores and prints it, and others see it in the list of processes."""
    for argument in arguments:
        key, _, value = argument.partition("=")
        value = value.strip("'\"")
        public = public_store if key.endswith("tracking.uri") or "uri:" in value else public_address
        if public(value) != value or without_password(argument) != argument:
            raise Refused(f"{key.lstrip('+')} {NO_PASSWORDS}")
