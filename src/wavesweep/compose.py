"""What stands between Hydra and the typed configuration: checks and secrets.

Help, completion and `--cfg` come through here: what they don't need is imported late.
"""

import io
import logging
import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wavesweep.exit_codes import REFUSED
from wavesweep.groups import conf_dir, groups, options
from wavesweep.hydra_errors import explain
from wavesweep.redaction import public_address, without_password
from wavesweep.refusals import Refused, suggestion

if TYPE_CHECKING:
    from wavesweep.config import Config

# Runs and sweeps that start in the same second would share a directory that is named by the time alone.
OmegaConf.register_new_resolver("unique", lambda: token_hex(2), use_cache=True, replace=True)


SECRET = "WAVESWEEP_TRACKING_URI"  # noqa: S105  the name of a variable
ELSEWHERE = "give the address by MLFLOW_TRACKING_URI"


def typed(composed: DictConfig) -> "Config":
    """Turn what Hydra composed into a typed configuration.

    Raises:
        Refused: With all problems, one line each.
    """
    from wavesweep.config import parse

    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    try:
        values = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise Refused(explain(error, [])) from None
    return parse(values)  # type: ignore[arg-type]


def compose_words(overrides: list[str]) -> "Config":
    """Compose the configuration for a command that isn't Hydra's own, such as `ui`.

    Raises:
        Refused: If it can't be composed or used.
    """
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            return typed(compose("config", overrides))
        except (HydraException, OmegaConfBaseException) as error:
            raise Refused(explain(error, [])) from None


def read_word(word: str, arguments: list[str], more: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """Split what follows one of our own words into overrides and all else.

    Args:
        word: The first of the command line.
        arguments: All that follows it.
        more: How further keys begin that the word takes.

    Returns:
        The arguments that are no overrides, and the overrides by their keys.

    Raises:
        Refused: For an override of something else.
    """
    others, overrides = [], {}
    for argument in arguments:
        match = re.match(r"\+*([\w./]+)=", argument)
        if match is None:
            others.append(argument)
        elif match[1].startswith(("tracking.", "runtime.", *more)):
            overrides[match[1]] = argument
        else:
            raise Refused(f"{word} takes tracking.* and runtime.* overrides, got {argument}; leave it out")
    return others, overrides


def read_place(word: str, arguments: list[str], more: tuple[str, ...] = ()) -> tuple[str | None, dict[str, str]]:
    """Split what follows a word that takes one place and no flags into that place and the overrides, by their keys.

    Raises:
        Refused: For another number of them, or an override of something else.
    """
    others, overrides = read_word(word, arguments, more)
    if flags := [argument for argument in others if argument.startswith("-")]:
        raise Refused(f"{flags[0]} is not a flag of {word}; wavesweep {word} --help shows what it takes")
    if len(others) > 1:
        raise Refused(f"{word} takes one place, got {len(others)}; call it for each")
    return (others[0] if others else None), overrides


class Guard(Callback):
    """Hydra callback that acts before Hydra writes anything."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 if a single run is going to be refused."""
        with _refusing():
            parsed = typed(config)
            _check_place(config, "hydra.run.dir")
            from wavesweep.jobs import prepare, refuse_taken  # import numpy, which a wrong key need not wait for
            from wavesweep.rundir import RunDirectory

            prepare(parsed)
            refuse_taken(RunDirectory(Path(config.hydra.run.dir)))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 where a sweep can't be written, and keep passwords out of what Hydra is about to write."""
        with _refusing():
            _check_place(config, "hydra.sweep.dir")
            if OmegaConf.select(config, "tracking") and not OmegaConf.is_interpolation(config.tracking, "uri"):
                config.tracking.uri = public_address(str(config.tracking.uri))
            text = OmegaConf.to_yaml(config)
            if without_password(text) != text:
                raise Refused("hydra: a sweep's configuration is stored, so it can't hold a password; " + ELSEWHERE)


@contextmanager
def _refusing() -> Iterator[None]:
    """Exit where a callback refuses: Hydra turns all its other exceptions into warnings."""
    try:
        yield
    except Refused as error:
        sys.exit(refuse(str(error)))
    except (OSError, OmegaConfBaseException) as error:
        sys.exit(refuse(explain(error, [])))
    except Exception:  # noqa: S110
        pass  # the job will meet it again, and say so better than Hydra's warning


def _check_place(config: DictConfig, key: str) -> None:
    """Refuse a directory that can't be made or written."""
    if config.hydra.job.chdir:
        raise Refused("hydra.job.chdir must be false, since outputs/ and tracking.uri are seen from here, got true")
    place = OmegaConf.select(config, key)
    if not place:
        raise Refused(f"{key} must not be empty, got nothing; leave it out, or name a directory")
    there = next(path for path in (Path(place), *Path(place).absolute().parents) if path.exists())
    if not there.is_dir():
        raise Refused(f"{place} can't be made: {there} is a file; move it away, or choose another {key}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise Refused(f"{place} can't be made: {there} is not writable; make it so, or choose another {key}")


class Redacting(logging.Formatter):
    """Hides passwords in all that is logged, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as usual, less its secrets."""
        return without_password(super().format(record))


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
    return parser.parse_args(arguments)


def check_kinds(overrides: list[str]) -> None:
    """Refuse an override that makes a part another kind, but not its other keys."""
    for override in overrides:
        key, _, kind = override.partition("=")
        group, _, name = key.rpartition(".")
        if name == "kind" and group in groups():
            raise Refused(f"{override}: a kind comes with its option, {group}=…; {suggestion(kind, options(group))}")


@contextmanager
def hiding_passwords() -> Iterator[None]:
    """Hide passwords in what is printed meanwhile."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        print(without_password(printed.getvalue()), end="")


def hide_password(arguments: list[str]) -> None:
    """Move a tracking address with a password into the environment: Hydra stores and prints overrides.

    Args:
        arguments: Of the command line; what was moved is replaced by a reference.

    Raises:
        Refused: For a secret that can't be moved.
    """
    for argument in list(arguments):
        name, _, address = argument.partition("=")
        address = address.strip("'\"")
        if name.lstrip("+") == "tracking.uri" and public_address(address) != address:
            os.environ[SECRET] = address
            arguments[arguments.index(argument)] = f"{name}=${{oc.env:{SECRET}}}"
        elif without_password(argument) != argument:
            raise Refused(f"{name}: a command line is stored, so it can't hold a password; {ELSEWHERE}")
