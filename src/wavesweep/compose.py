"""What stands between Hydra and the typed configuration: checks, messages, secrets.

Help, completion and `--cfg` come through here: what they don't need is imported late.
"""

import logging
import os
import re
import sys
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wavesweep.exit_codes import REFUSED
from wavesweep.redaction import public_address, without_password

if TYPE_CHECKING:
    from wavesweep.config import Config

# Runs and sweeps that start in the same second would share a directory that is named by the time alone.
OmegaConf.register_new_resolver("unique", lambda: token_hex(2), use_cache=True, replace=True)


SECRET = "WAVESWEEP_TRACKING_URI"  # noqa: S105  the name of a variable
ELSEWHERE = "give the address by MLFLOW_TRACKING_URI"


def conf_dir() -> Path:
    """Return where the configuration stands: inside the installed package, or at the checkout's top."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def typed(composed: DictConfig) -> "Config":
    """Turn what Hydra composed into a typed configuration.

    Raises:
        Refused: With all problems, one line each.
    """
    from wavesweep.config import parse
    from wavesweep.schema import Refused

    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    try:
        values = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise Refused(explain(error)) from None
    return parse(values)  # type: ignore[arg-type]


def compose_words(overrides: list[str]) -> "Config":
    """Compose the configuration for a command that isn't Hydra's own, such as `ui`.

    Raises:
        Refused: If it can't be composed or used.
    """
    from hydra import compose, initialize_config_dir

    from wavesweep.schema import Refused

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            return typed(compose("config", overrides))
        except (HydraException, OmegaConfBaseException) as error:
            raise Refused(explain(error)) from None


class Guard(Callback):
    """Hydra callback that acts before Hydra writes anything."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 if a single run is going to be refused."""
        from wavesweep.schema import Refused

        try:
            parsed = typed(config)
            from wavesweep.jobs import prepare, refuse_taken  # import numpy, which a wrong key need not wait for
            from wavesweep.rundir import RunDirectory

            prepare(parsed)
            refuse_taken(RunDirectory(Path(config.hydra.run.dir)))
        except Refused as error:
            # Hydra turns any exception of a callback into a warning, but for this.
            sys.exit(refuse(str(error)))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Keep passwords out of what Hydra's sweeper is about to store in multirun.yaml and to print."""
        if OmegaConf.select(config, "tracking") and not OmegaConf.is_interpolation(config.tracking, "uri"):
            config.tracking.uri = public_address(str(config.tracking.uri))
        text = OmegaConf.to_yaml(config)
        if without_password(text) != text:
            sys.exit(refuse("hydra: a sweep's configuration is stored, so it can't hold a password; " + ELSEWHERE))


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


def hide_password(arguments: list[str]) -> str | None:
    """Move a tracking address with a password into the environment: Hydra stores and prints overrides.

    Args:
        arguments: Of the command line; what was moved is replaced by a reference.

    Returns:
        What to say of a secret that can't be moved, else None.
    """
    for argument in list(arguments):
        name, _, address = argument.partition("=")
        address = address.strip("'\"")
        if name.lstrip("+") == "tracking.uri" and public_address(address) != address:
            os.environ[SECRET] = address
            arguments[arguments.index(argument)] = f"{name}=${{oc.env:{SECRET}}}"
        elif without_password(argument) != argument:
            return f"{name}: a command line is stored, so it can't hold a password; {ELSEWHERE}"
    return None


def explain(error: Exception) -> str:
    """Return one line on a command line that Hydra can't make a run of."""
    first = str(error).partition("\n")[0]
    if isinstance(error, OverrideParseException):
        if "=" in (error.override or "") or (error.override or "").startswith("~"):
            return f"{error.override} can't be read as an override; quote values with special characters"
        return f"{error.override or 'an empty argument'} is neither KEY=VALUE nor a word that comes first, such as ui"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; choose another hydra.run.dir or hydra.sweep.dir"
    if isinstance(error, MissingConfigException):
        return _missing_option(error, first)
    if "Config group override must be" in first:
        return _no_option(sys.argv[1:])
    if match := re.search(r"Could not override '([^']+)'", first):
        return _unknown_key(match[1])
    key = getattr(error, "full_key", None)
    if key or isinstance(error, HydraException | ValueError):
        return f"{key}: {first}" if key else first
    mark = " ".join(str(getattr(error, "problem_mark", "")).split())
    return f"{type(error).__name__}: {first} {mark}".rstrip() + "; HYDRA_FULL_ERROR=1 shows where"


def _missing_option(error: MissingConfigException, text: str) -> str:
    from wavesweep.schema import suggestion

    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if not group:
        return text
    folder = conf_dir() / group.partition("/")[0]
    nested = [file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml")]
    option, group = str(error.missing_cfg_file).removeprefix(f"{folder.name}/"), folder.name
    return f"{group}={option} is not an option; {suggestion(option, {*nested, *(error.options or [])})}"


def _no_option(arguments: list[str]) -> str:
    from wavesweep.schema import suggestion

    nameless = [text for text in arguments if text.startswith(("=", "+="))]
    if nameless:
        return f"{nameless[0]} can't be read as an override; put a key before the ="
    override = next(text for text in arguments if text.endswith("=null") and not text.startswith("experiment="))
    group = override.partition("=")[0]
    folder = conf_dir() / group
    options = [file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml")]
    return f"{override}: a group needs one of its options; {suggestion('', options)}"


def _unknown_key(key: str) -> str:
    from wavesweep.config import Config
    from wavesweep.schema import keys_of, suggestion

    if key in keys_of(Config):
        return f"{key} is not a key of the {key.partition('.')[0]} chosen here; leave it out, or choose another"
    group, _, name = key.rpartition(".")
    siblings = [known.rpartition(".")[2] for known in keys_of(Config) if known.rpartition(".")[0] == group]
    outer = [group]
    if not (siblings and group):
        groups = {entry.name for entry in conf_dir().iterdir() if entry.is_dir()}
        name, outer = key.partition(".")[0], []
        siblings = [known for known in keys_of(Config) if "." not in known] + sorted(groups)
    return f"{key} is not a key of this configuration; {suggestion(name, set(siblings), outer)}"
