"""The configuration of each job: composed once for each choice of groups, kept with the sweep, and changed by values.

Composing takes Hydra some 40 ms, changing values 0.4 ms; and what has been composed no longer changes with conf/.
"""

import copy
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import cloudpickle
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from wavesweep.base.errors import Refused, shown
from wavesweep.base.files import within
from wavesweep.search.plan import Plan
from wavesweep.search.space import Dimension
from wavesweep.search.trials import Trial
from wavesweep.sweeps import stored_configs
from wavesweep.sweeps.store import SweepDirectory

FOR_WORKERS = "hydra.sweep.subdir=workers/${hydra.job.num}"
"""The override that keeps the files of workers apart from those of jobs."""

OBJECTIONS = (HydraException, OmegaConfBaseException)
"""What is raised where a configuration can't be composed."""

Choice = tuple[str, ...]
"""The overrides that choose options of groups."""

Composed = tuple[DictConfig, dict[str, str | None]]
"""A configuration without Hydra's own node, and the option chosen in each group."""


class Composer:
    """Composes the configurations of a sweep's jobs, from its directory or, at its start, by Hydra.

    Args:
        groups: The keys among the dimensions that choose options of groups.
        load: Gives what a choice of groups composes to, before values are changed.
    """

    def __init__(self, groups: set[str], load: Callable[[Choice], Composed]) -> None:
        self.groups = groups
        self.load = cache(load)
        self._pickled = cache(lambda choice: cloudpickle.dumps(self.load(choice)))  # copied in an eighth of the time

    def compose(self, overrides: list[str]) -> Composed:
        """Return the configuration of a job, without Hydra's node, and its choices of options.

        Raises:
            hydra.errors.ConfigCompositionException: If an override can't be applied.
            Refused: If it calls what another machine or moment would change.
        """
        for text in overrides:
            if stored_configs.strange_resolvers(text):
                raise Refused(f"{text.replace(chr(92), '')}: a sweep may be resumed elsewhere; write the value itself")
        config, choices = pickle.loads(self._pickled(self.choice(overrides)))  # noqa: S301  it is this object's own
        values = [parse(text) for text in overrides if not self._is_choice(text)]
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        if "hydra" in config:
            raise Refused(f"{' '.join(overrides)}: a job can't change how Hydra runs it; leave hydra out")
        return config, choices

    def choice(self, overrides: list[str]) -> Choice:
        """Return those overrides that choose options of groups."""
        return tuple(text for text in overrides if self._is_choice(text))

    def _is_choice(self, override: str) -> bool:
        return override.partition("=")[0] in self.groups


@cache  # jobs share their texts, and nobody changes what is read
def parse(text: str) -> Override:
    """Read an override that sweeps nothing."""
    [override] = OverridesParser.create().parse_overrides([text])
    return override


def group_keys(dimensions: list[Dimension], repository: Any) -> set[str]:
    """Return the keys that choose options of groups.

    Raises:
        Refused: If one is given values too.
    """
    keys = set()
    for dimension in dimensions:
        parsed = [parse(f"{dimension.key}={value}") for value in dimension.values]
        chosen = [not isinstance(one.value(), dict) for one in parsed if repository.group_exists(one.key_or_group)]
        if any(chosen) and not all(chosen):
            raise Refused(f"{dimension.key} is given both values and options of a group; sweep over one of the two")
        if any(chosen):
            keys.add(dimension.key)
    return keys


def by_hydra(config: DictConfig, config_loader: Any, local: list[str]) -> Callable[[Choice], Composed]:
    """Return what composes a choice of groups from conf/, as Hydra does for each of its jobs, with local overrides."""

    def load(choice: Choice) -> Composed:
        composed = config_loader.load_sweep_config(config, [*choice, *local])
        choices = dict(composed.hydra.runtime.choices)
        with flag_override(composed, ["struct", "readonly"], [False, False]):
            del composed["hydra"]
        return composed, choices

    return load


def from_files(sweep: SweepDirectory, plan: Plan, config: DictConfig, local: tuple[str, ...]) -> Composer:
    """Return what composes jobs from the sweep's directory; their local nodes are those of a configuration."""
    here = OmegaConf.masked_copy(config, [key for key in local if key in config])

    def load(choice: Choice) -> Composed:
        stored = plan.configs.get(" ".join(choice))
        if stored is None:
            raise Refused(f"{sweep.plan} is damaged (it has no configuration of {shown(' '.join(choice))}); restore it")
        kept = stored_configs.load(within(sweep.path, f"{sweep.configs.name}/{stored.file}"))
        kept.merge_with(here)
        OmegaConf.set_struct(kept, True)
        return kept, stored.choices

    return Composer(set(plan.groups), load)


def with_hydra(
    config: DictConfig, hydra: DictConfig, subdir: str, trial: Trial, choices: dict[str, str | None]
) -> DictConfig:
    """Return the configuration of a job with Hydra's node, as `run_job` wants it.

    Args:
        config: Of the job, without that node.
        hydra: The node of the worker.
        subdir: The directory of a job, as configured.
        trial: The job.
        choices: The option chosen in each group.
    """
    node = copy.deepcopy(hydra)
    dirname = node.job.config.override_dirname
    typed: Any = OmegaConf.to_container(hydra.overrides.hydra, resolve=False)
    with flag_override(node, ["struct", "readonly"], [False, False]):
        node.overrides.task = trial.overrides
        node.overrides.hydra = [text for text in typed if text != FOR_WORKERS]
        node.runtime.choices = choices
        node.sweep.dir = str(hydra.sweep.dir)  # which may say ${now:…}
        node.sweep.subdir = subdir
        node.job.num = trial.number
        node.job.id = str(trial.number)
        node.job.override_dirname = get_overrides_dirname(
            [parse(text) for text in trial.overrides], dirname.exclude_keys, dirname.item_sep, dirname.kv_sep
        )
        handlers = OmegaConf.select(node, "job_logging.root.handlers")
        if handlers and len(handlers) > 1:  # a job tells its own log; what all should see, the sweep shows
            node.job_logging.root.handlers = [name for name in handlers if name != "console"]
    whole = OmegaConf.create({"hydra": node}, flags={"allow_objects": True})
    whole.merge_with(config)
    OmegaConf.set_struct(whole, True)
    OmegaConf.set_readonly(whole.hydra, False)
    return whole
