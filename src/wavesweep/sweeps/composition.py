"""The configuration of each job: composed once for each choice of groups, kept with the sweep, and changed by values.

Composing takes Hydra some 40 ms, changing values 0.4 ms; and what has been composed no longer changes with conf/.
"""

import copy
import pickle
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cloudpickle
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from wavesweep.base.errors import Refused, in_short, shown
from wavesweep.base.files import leaves, read_yaml, within, write_yaml
from wavesweep.search.plan import Plan
from wavesweep.search.space import Dimension
from wavesweep.search.trials import Trial
from wavesweep.sweeps.store import SweepDirectory

RESOLVERS = {"hydra", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.select"}
"""The resolvers that stored configurations may call: none depends on the machine or the moment, looks elsewhere, or
evaluates a text, as oc.create and oc.decode do: that could be put together from harmless pieces."""


FOR_WORKERS = "hydra.sweep.subdir=workers/${hydra.job.num}"
"""The override that keeps the files of workers apart from those of jobs."""


_CALL = re.compile(r"\$\{\s*+([^{}:\s]*+)\s*+:")
_NESTED, _AFTER = re.compile(r"\$\{[^}$]*+\$"), re.compile(r"\}[^{},:\s]*+\s*+:")
OBJECTIONS = (HydraException, OmegaConfBaseException)
"""What is raised where a configuration can't be composed."""

Composed = tuple[DictConfig, dict[str, str | None]]
"""A configuration without Hydra's own node, and the option chosen in each group."""


class Composer:
    """Composes the configurations of a sweep's jobs, from its directory or, at its start, by Hydra.

    Args:
        groups: The keys among the dimensions that choose options of groups.
        load: Gives what a choice of groups composes to, before values are changed.
    """

    def __init__(self, groups: set[str], load: Callable[[tuple[str, ...]], Composed]) -> None:
        self.groups, self.load = groups, cache(load)
        self._pickled = cache(lambda choice: cloudpickle.dumps(self.load(choice)))  # copied in an eighth of the time

    def compose(self, overrides: list[str]) -> Composed:
        """Return the configuration of a job, without Hydra's node, and its choices of options.

        Raises:
            hydra.errors.ConfigCompositionException: If an override can't be applied.
            Refused: If it calls what another machine or moment would change.
        """
        for text in overrides:
            if _strangers(text):
                raise Refused(f"{text.replace(chr(92), '')}: a sweep may be resumed elsewhere; write the value itself")
        config, choices = pickle.loads(self._pickled(self.choice(overrides)))  # noqa: S301  it is this object's own
        values = [text for text in overrides if text.split("=", 1)[0] not in self.groups]
        ConfigLoaderImpl._apply_overrides_to_config(list(map(parse, values)), config)
        if "hydra" in config:
            raise Refused(f"{' '.join(overrides)}: a job can't change how Hydra runs it; leave hydra out")
        return config, choices

    def choice(self, overrides: list[str]) -> tuple[str, ...]:
        """Return those overrides that choose options of groups."""
        return tuple(text for text in overrides if text.split("=", 1)[0] in self.groups)


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


def by_hydra(config: DictConfig, config_loader: Any, local: list[str]) -> Callable[[tuple[str, ...]], Composed]:
    """Return what composes a choice of groups from conf/, as Hydra does for each of its jobs, with local overrides."""

    def load(choice: tuple[str, ...]) -> Composed:
        composed = config_loader.load_sweep_config(config, [*choice, *local])
        choices = dict(composed.hydra.runtime.choices)
        with flag_override(composed, ["struct", "readonly"], [False, False]):
            del composed["hydra"]
        return composed, choices

    return load


def save(config: DictConfig, path: Path, local: tuple[str, ...]) -> None:
    """Write a composed configuration, less its local nodes; what depends on here and now is written as it is now."""
    kept = OmegaConf.masked_copy(config, [str(key) for key in config if key not in local])
    write_yaml(path, _settled(OmegaConf.to_container(kept, resolve=False, enum_to_str=True), config))


def _settled(raw: Any, config: DictConfig, path: str = "") -> Any:
    if isinstance(raw, dict):
        return {key: _settled(value, config, f"{path}[{key}]") for key, value in raw.items()}
    if isinstance(raw, list):
        return [_settled(value, config, f"{path}[{index}]") for index, value in enumerate(raw)]
    key = path[1:-1].replace("][", ".")
    if raw is not None and not isinstance(raw, str | int | float):
        raise Refused(f"{key}: a sweep stores plain values alone, got a {type(raw).__name__}; write it as text")
    if not isinstance(raw, str) or not _strangers(raw):
        return raw
    if raw.count("${") > len(_CALL.findall(raw)):  # there is one that names a key
        raise Refused(f"{key}: {raw} mixes what is fixed now with what jobs may change; use a key for each")
    settled = OmegaConf.select(config, path)
    return OmegaConf.to_container(settled) if OmegaConf.is_config(settled) else settled


def _strangers(text: str) -> set[str]:
    """Return the resolvers that a text calls and a stored configuration may not."""
    text = text.replace("\\", "")
    computed = {"a name that is computed"} if _NESTED.search(text) and _AFTER.search(text) else set()
    return set(_CALL.findall(text)) - RESOLVERS | computed


def check_subdir(plan: Plan) -> None:
    """Make sure that the name of a job's directory can be computed wherever the sweep is resumed.

    Raises:
        Refused: If it can't.
    """
    if ".." in Path(plan.subdir).parts or Path(plan.subdir).is_absolute():
        raise Refused(f"hydra.sweep.subdir must lie within the sweep's directory, got {plan.subdir}; leave it out")
    if found := _strangers(plan.subdir) - {"now"}:
        raise Refused(f"hydra.sweep.subdir must not call {shown(found.pop())}, since a sweep may be resumed elsewhere")


def from_files(sweep: SweepDirectory, plan: Plan, config: DictConfig, local: tuple[str, ...]) -> Composer:
    """Return what composes jobs from the sweep's directory; their local nodes are those of a configuration."""
    here = OmegaConf.masked_copy(config, [key for key in local if key in config])

    def load(choice: tuple[str, ...]) -> Composed:
        stored = plan.configs.get(" ".join(choice))
        if stored is None:
            raise Refused(f"{sweep.plan} is damaged (it has no configuration of {shown(' '.join(choice))}); restore it")
        path = within(sweep.path, f"{sweep.configs.name}/{stored.file}")
        values = read_yaml(path)
        if found := {one for leaf in leaves(values) for one in _strangers(str(leaf))} or {"hydra"} & values.keys():
            raise Refused(f"{path} must hold plain values, got {shown(found.pop())}; restore it")
        try:
            kept = OmegaConf.create(values)
        except (OmegaConfBaseException, ValueError) as error:
            raise Refused(f"{path} is damaged ({in_short(error)}); restore it") from None
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
        node.overrides.task, node.job.num, node.job.id = trial.overrides, trial.number, str(trial.number)
        node.overrides.hydra = [text for text in typed if text != FOR_WORKERS]
        node.runtime.choices, node.sweep.subdir = choices, subdir
        node.sweep.dir = str(hydra.sweep.dir)  # which may say ${now:…}
        node.job.override_dirname = get_overrides_dirname(
            list(map(parse, trial.overrides)), dirname.exclude_keys, dirname.item_sep, dirname.kv_sep
        )
        handlers = OmegaConf.select(node, "job_logging.root.handlers")
        if handlers and len(handlers) > 1:  # a job tells its own log; what all should see, the sweep shows
            node.job_logging.root.handlers = [name for name in handlers if name != "console"]
    whole = OmegaConf.create({"hydra": node}, flags={"allow_objects": True})
    whole.merge_with(config)
    OmegaConf.set_struct(whole, True)
    OmegaConf.set_readonly(whole.hydra, False)
    return whole
