"""The configuration of each job, as Hydra composes it: once for each choice of groups, and changed by values.

Composing takes Hydra some 40 ms, a copy with other values 1 ms. A copy has all that Hydra composes: types, references
that are not resolved yet, Hydra's own node.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base import hydra_internals
from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.pickling import dumps, loads
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.dimensions import parse

OBJECTIONS = (HydraException, OmegaConfBaseException)
"""What is raised where a configuration can't be composed."""

Choice = tuple[str, ...]
"""The overrides that choose options of groups."""

DIGITS = 12  # of a digest


class Composer:
    """Composes the configurations of a sweep's jobs.

    Args:
        config: The configuration that Hydra composed for the sweep, its own node included.
        loader: Hydra's, which composes others.
        groups: The keys among the dimensions that choose options of groups.
        local: Overrides that belong to here and now.
    """

    def __init__(self, config: DictConfig, loader: Any, groups: Iterable[str], local: Iterable[str] = ()) -> None:
        self.config, self.loader, self.groups, self.local = config, loader, set(groups), tuple(local)
        self.chosen = cache(self._compose_chosen)
        self._pickled = cache(lambda choice: dumps(self.chosen(choice)))  # copied in a quarter of the time

    def _compose_chosen(self, choice: Choice) -> DictConfig:
        return self.loader.load_sweep_config(self.config, [*choice, *self.local])

    def choice(self, overrides: Iterable[str]) -> Choice:
        """Return those overrides that choose options of groups."""
        return tuple(text for text in overrides if text.partition("=")[0] in self.groups)

    def compose(self, overrides: list[str]) -> DictConfig:
        """Return the configuration of a job, Hydra's node included.

        Raises:
            hydra.errors.ConfigCompositionException: If an override can't be applied.
            Refused: If it is Hydra's own.
        """
        choice = self.choice(overrides)
        config = loads(self._pickled(choice))  # it is this object's own
        values = [parse(text) for text in overrides if text not in choice]
        if any(override.is_hydra_override() for override in values):
            raise Refused(f"{' '.join(overrides)}: a job can't change how Hydra runs it; leave hydra out")
        hydra_internals.apply_overrides(values, config)
        return config

    def compose_job(self, trial: Trial, subdir: str) -> DictConfig:
        """Return the configuration of a job as `run_job` wants it.

        Args:
            trial: The job.
            subdir: The directory of a job, as it was configured: that of one which has none yet, and chooses no option
                that says otherwise.
        """
        config = self.compose(trial.overrides)
        node = config.hydra
        with flag_override(node, ["struct", "readonly"], [False, False]):
            node.overrides.task = trial.overrides
            node.sweep.dir = str(self.config.hydra.sweep.dir)  # which may say ${now:…}
            if trial.directory:
                node.sweep.subdir = trial.directory
            elif raw_subdir(config) == raw_subdir(self.config):
                node.sweep.subdir = subdir
            node.job.num = trial.number
            node.job.id = str(trial.number)
            hydra_internals.set_override_dirname(node, [parse(text) for text in trial.overrides])
        return config


def without_hydra(config: DictConfig) -> DictConfig:
    """Take Hydra's node out of a configuration, which leaves what a job is given."""
    with flag_override(config, ["struct", "readonly"], [False, False]):
        del config["hydra"]
    return config


def raw_subdir(config: DictConfig) -> str:
    """Return the directory of a job within the sweep's as it is written: it refers to what only a job has."""
    node: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    return str(node["subdir"])


def check_subdir(subdir: str) -> None:
    """Make sure that a job's directory lies within the sweep's.

    Raises:
        Refused: If it doesn't.
    """
    if ".." in Path(subdir).parts or Path(subdir).is_absolute():
        raise Refused(f"hydra.sweep.subdir must lie within the sweep's directory, got {subdir}; leave it out")


def digests(config: DictConfig, but: Iterable[str] = ()) -> dict[str, str]:
    """Return a digest of each value that was composed, references as they are written, by its dotted key.

    Args:
        config: Hydra's node is left out.
        but: Further nodes to leave out.
    """
    left_out = {"hydra", *but}
    kept = OmegaConf.masked_copy(config, [key for key in config if key not in left_out])  # type: ignore[misc]
    values: Any = OmegaConf.to_container(kept, resolve=False)
    return {key: sha256(repr(value).encode()).hexdigest()[:DIGITS] for key, value in _flatten(values).items()}


def identity(config: DictConfig, but: Iterable[str]) -> str:
    """Return one digest of a whole configuration, less some nodes."""
    text = "\n".join(f"{key}={digest}" for key, digest in sorted(digests(config, but).items()))
    return sha256(text.encode()).hexdigest()[:DIGITS]


def changed_keys(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the keys that are composed otherwise now, of the choices of groups that were known before."""
    found: dict[str, None] = {}
    for choice, digests_before in before.items():
        digests_now = now.get(choice, {})
        keys = [*digests_before, *digests_now]
        found |= dict.fromkeys(key for key in keys if digests_before.get(key) != digests_now.get(key))
    return [*found]


def _flatten(values: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
