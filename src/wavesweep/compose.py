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
from wavesweep.redaction import without_password

if TYPE_CHECKING:
    from wavesweep.config import Config

# Runs and sweeps that start in the same second would share a directory that is named by the time alone.
OmegaConf.register_new_resolver("unique", lambda: token_hex(2), use_cache=True, replace=True)

# Besides Hydra's own, composing `training=null` raises a ValueError.
COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, ValueError)


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
            from wavesweep.jobs import prepare  # imports numpy, which a wrong key need not wait for

            prepare(parsed)
        except Refused as error:
            # Hydra turns any exception of a callback into a warning, but for this.
            sys.exit(refuse(str(error)))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Hide a password in what Hydra's sweeper is about to store in multirun.yaml."""
        address = OmegaConf.select(config, "tracking.uri")
        if isinstance(address, str):
            config.tracking.uri = without_password(address)


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
        arguments: Of the command line; what was moved is taken out.

    Returns:
        What to say of a secret that can't be moved, else None.
    """
    for argument in list(arguments):
        name, _, address = argument.partition("=")
        if without_password(argument) == argument:
            continue
        if name.lstrip("+") != "tracking.uri":
            return f"{name}: a command line is stored, so it can't hold a password; use MLFLOW_TRACKING_URI"
        os.environ["MLFLOW_TRACKING_URI"] = address.strip("'\"")
        arguments.remove(argument)
    return None


def explain(error: Exception) -> str:
    """Return one line on a configuration that can't be composed."""
    first = str(error).partition("\n")[0]
    if isinstance(error, OverrideParseException):
        return f"{error.override} can't be read as an override; quote values with special characters"
    if isinstance(error, MissingConfigException):
        return _missing_option(error, first)
    if "Config group override must be" in first:
        return _no_option(next(argument for argument in sys.argv if argument.endswith(("=null", "="))))
    if match := re.search(r"Could not override '([^']+)'", first):
        return _unknown_key(match[1])
    key = getattr(error, "full_key", None)
    return f"{key}: {first}" if key else first


def _missing_option(error: MissingConfigException, text: str) -> str:
    from wavesweep.schema import suggestion

    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if not group:
        return text
    folder = conf_dir() / group.partition("/")[0]
    nested = [file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml")]
    option, group = str(error.missing_cfg_file).removeprefix(f"{folder.name}/"), folder.name
    return f"{group}={option} is not an option; {suggestion(option, {*nested, *(error.options or [])})}"


def _no_option(override: str) -> str:
    from wavesweep.schema import suggestion

    group = override.partition("=")[0]
    options = [file.stem for file in (conf_dir() / group).glob("*.yaml")]
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
