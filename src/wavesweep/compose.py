"""What stands between Hydra and the typed configuration: checks, messages, secrets."""

import os
import re
import sys
from pathlib import Path
from secrets import token_hex
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from wavesweep.config import Config, parse
from wavesweep.redaction import without_password
from wavesweep.schema import Refused, keys_of, suggestion
from wavesweep.shapes import fill_in

# Runs and sweeps that start in the same second would share a directory that is named by the time alone.
OmegaConf.register_new_resolver("unique", lambda: token_hex(2), use_cache=True, replace=True)


def conf_dir() -> Path:
    """Return where the configuration stands: inside the installed package, or at the checkout's top."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def typed(composed: DictConfig) -> Config:
    """Turn what Hydra composed into a typed configuration, with derived values filled in.

    Raises:
        Refused: With all problems, one line each.
    """
    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    return fill_in(parse(OmegaConf.to_container(own, resolve=True)))  # type: ignore[arg-type]


def compose_words(overrides: list[str]) -> Config:
    """Compose the configuration for a command that isn't Hydra's own, such as `ui`.

    Raises:
        Refused: If the configuration can't be used.
        hydra.errors.HydraException: If it can't be composed.
    """
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return parse(OmegaConf.to_container(compose("config", overrides), resolve=True))  # type: ignore[arg-type]


class Guard(Callback):
    """Hydra callback that acts before Hydra writes anything."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Exit with code 2 if the configuration, the data or a required store of a single run can't be used."""
        from wavesweep.jobs import check

        try:
            check(typed(config))
        except Refused as error:
            # Hydra turns any exception of a callback into a warning, but for this.
            sys.exit(refuse(str(error)))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Hide a password in what Hydra's sweeper is about to store in multirun.yaml."""
        address = OmegaConf.select(config, "tracking.uri")
        if isinstance(address, str):
            config.tracking.uri = without_password(address)


def refuse(problems: str) -> int:
    """Print what is wrong, a line each, and return the exit code of a refusal."""
    for line in without_password(problems).splitlines():
        print(f"wavesweep: {line}", file=sys.stderr)
    return 2


def hide_password(arguments: list[str]) -> None:
    """Move a tracking address with a password into the environment: Hydra stores and prints overrides."""
    for argument in list(arguments):
        name, _, address = argument.partition("=")
        if name == "tracking.uri" and without_password(address) != address:
            os.environ["MLFLOW_TRACKING_URI"] = address.strip("'\"")
            arguments.remove(argument)


def explain_composition(error: Exception) -> str:
    """Return one line on a command line that Hydra can't compose a configuration from."""
    from hydra.errors import MissingConfigException, OverrideParseException

    first = str(error).splitlines()[0]
    if isinstance(error, OverrideParseException):
        return f"{error.override} can't be read as an override; quote values with special characters"
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={option} is not an option; {suggestion(option, list(error.options))}"
    if match := re.search(r"Could not override '([^']+)'", first):
        return _unknown_key(match[1])
    return first


def _unknown_key(key: str) -> str:
    groups = {entry.name for entry in conf_dir().iterdir() if entry.is_dir()} - {"hydra"}
    group, _, name = key.rpartition(".")
    siblings = [known for known in keys_of(Config) if known.rpartition(".")[0] == group]
    if siblings and group:
        options, outer = [known.rpartition(".")[2] for known in siblings], [group]
    else:
        name, options, outer = key.partition(".")[0], [*siblings, *groups], []
    return f"{key} is not a key of this configuration; {suggestion(name, set(options), outer)}"
