"""Checking and splitting the arguments of the command line."""

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import NoReturn

from wavesweep.base.errors import Refused, suggestion
from wavesweep.base.exit_codes import REFUSED
from wavesweep.base.redaction import NO_PASSWORDS, public_address, without_password
from wavesweep.config.groups import groups, options

_COMMANDS = ("run", "multirun", "cfg", "info", "shell_completion")
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
    others, overrides = [], {}
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


def split_place(command: str, words: list[str]) -> tuple[str | None, list[str]]:
    """Split words into the one place that a command takes, if it is there, and another program's options.

    Those are not known here: what follows one that holds no = is its value.

    Raises:
        Refused: For several places.
    """
    places, options = [], []
    for before, word in zip(["", *words], words, strict=False):
        is_value = before.startswith("-") and "=" not in before
        (options if word.startswith("-") or is_value else places).append(word)
    return _only(command, places), options


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
    from hydra._internal.utils import get_args_parser

    def refuse_flags(message: str) -> None:
        _, _, unknown = message.partition("unrecognized arguments: ")
        if "=" in unknown and not unknown.startswith("-"):
            raise Refused(f"{unknown}: overrides must stand together, all before the flags or all after them")
        if unknown:
            raise Refused(f"{unknown} is not a flag; wavesweep --help and wavesweep --hydra-help list them")
        raise Refused(f"{message}; wavesweep --hydra-help lists the flags")

    parser = get_args_parser()
    parser.error = refuse_flags  # type: ignore[method-assign]
    flags = parser.parse_args(arguments)
    if flags.help:
        return flags
    if flags.resolve and not flags.cfg:
        raise Refused("--resolve needs --cfg or --help")
    given = [f"--{name.replace('_', '-')}" for name in _COMMANDS if getattr(flags, name)]
    if len(given) > 1 and not flags.hydra_help:
        raise Refused(f"{', '.join(given)} exclude each other; choose one")
    return flags


def check_mode(overrides: Iterable[str], *, multirun: bool) -> None:
    """Refuse overrides of Hydra's that would be ignored: of sweeps, where one run begins, and the other way round."""
    sweeps = ("hydra.sweep", "hydra/sweep", "hydra.launcher", "hydra/launcher")
    for text in overrides:
        key = text.lstrip("+~")
        if not multirun and key.startswith(sweeps):
            raise Refused(f"{text} is for a sweep; add -m, or leave it out")
        if multirun and key.startswith(("hydra.run.", "hydra.run=")):
            raise Refused(f"{text} is for a single run; hydra.sweep.dir names the directory of a sweep")


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
        if public_address(value) != value or without_password(argument) != argument:
            raise Refused(f"{key.lstrip('+')} {NO_PASSWORDS}")
