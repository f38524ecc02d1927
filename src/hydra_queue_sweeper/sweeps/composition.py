"""The configuration of each job: composed once for each choice of groups, kept with the sweep, and changed by values.

Composing takes Hydra some 40 ms, changing values 0.4 ms; and what has been composed no longer changes with conf/. What
is kept are plain values that mean the same wherever the sweep goes on.
"""

import copy
import math
import pickle
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cloudpickle
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base.errors import Refused, shown
from hydra_queue_sweeper.base.files import leaves, read_yaml, within, write_yaml
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.store import SweepDirectory

FOR_WORKERS = "hydra.sweep.subdir=workers/${hydra.job.num}"
"""The override that keeps the files of workers apart from those of jobs."""

OBJECTIONS = (HydraException, OmegaConfBaseException)
"""What is raised where a configuration can't be composed."""

RESOLVERS = {"hydra", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.select"}
"""The resolvers that stored configurations may call: none depends on the machine or the moment, looks elsewhere, or
evaluates a text, as oc.create and oc.decode do: that could be put together from harmless pieces."""

_CALL = re.compile(r"\$\{\s*+([^{}:\s]*+)\s*+:")
_NESTED = re.compile(r"\$\{[^}$]*+\$")
_CALL_AFTER_NESTED = re.compile(r"\}[^{},:\s]*+\s*+:")

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
            if strange_resolvers(text):
                raise Refused(f"{text.replace(chr(92), '')}: a sweep may be resumed elsewhere; write the value itself")
        choice = self.choice(overrides)
        config, choices = pickle.loads(self._pickled(choice))  # noqa: S301  it is this object's own
        values = [parse(text) for text in overrides if text not in choice]
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        if "hydra" in config:
            raise Refused(f"{' '.join(overrides)}: a job can't change how Hydra runs it; leave hydra out")
        return config, choices

    def choice(self, overrides: list[str]) -> Choice:
        """Return those overrides that choose options of groups."""
        return tuple(text for text in overrides if text.partition("=")[0] in self.groups)


def parse_dimensions(arguments: list[str], config_loader: Any) -> list[Dimension]:
    """Read overrides in Hydra's grammar; of two with one key, the later counts.

    Raises:
        Refused: For a dimension without values.
        hydra.errors.HydraException: For what Hydra can't parse.
    """
    parsed = OverridesParser.create(config_loader=config_loader).parse_overrides(arguments)
    dimensions = [_dimension(override, config_loader) for override in parsed]
    return list({dimension.key: dimension for dimension in dimensions}.values())


def _dimension(override: Override, config_loader: Any) -> Dimension:
    key = override.get_key_element()
    if override.is_interval_sweep():
        return Dimension(key, interval=_interval(override))
    if not override.is_sweep_override():
        return Dimension(key, (override.get_value_element_as_str(),))
    given = override._value  # Hydra's own way to a glob's options leaves out those in folders
    if isinstance(given, Glob):
        values = given.filter(sorted(_options(override.key_or_group, config_loader)))
    else:
        values = dict.fromkeys(override.sweep_string_iterator())
    if not values:
        raise Refused(f"{override.input_line} must give at least one value, got none; a sweep of no jobs does nothing")
    return Dimension(key, tuple(values), override.is_range_sweep())


def _options(group: str, config_loader: Any) -> Iterator[str]:
    yield from config_loader.get_group_options(group, ObjectType.CONFIG)
    for folder in config_loader.get_group_options(group, ObjectType.GROUP):
        yield from (f"{folder}/{option}" for option in _options(f"{group}/{folder}", config_loader))


def _interval(override: Override) -> Interval:
    sweep: Any = override.value()
    text = override.input_line
    low, high = sweep.start, sweep.end
    log = "log" in sweep.tags
    integer = "int" in sweep.tags or isinstance(low, int)  # which int(interval(…)) makes them
    if unknown := sweep.tags - {"log", "int"}:
        raise Refused(f"{text}: a tag of an interval must be log or int, got {', '.join(sorted(unknown))}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise Refused(f"{text}: an interval must go upwards, got {low:g} to {high:g}")
    if log and low <= 0:
        raise Refused(f"{text}: a logarithmic interval must begin above 0, got {low:g}; leave out tag(log, …)")
    if integer and not (float(low).is_integer() and float(high).is_integer()):
        raise Refused(f"{text}: an interval of whole numbers must have whole bounds, got {low:g} and {high:g}")
    return Interval(low, high, integer, log)


@cache  # jobs share their texts, and nobody changes what is read
def parse(text: str) -> Override:
    """Read an override that sweeps nothing."""
    [override] = OverridesParser.create().parse_overrides([text])
    return override


def group_keys(dimensions: list[Dimension], repository: Any) -> set[str]:
    """Return the keys that choose options of groups; they may have values beside these."""

    def chooses(override: Override) -> bool:
        return repository.group_exists(override.key_or_group) and not isinstance(override.value(), dict)

    return {one.key for one in dimensions if any(chooses(parse(f"{one.key}={value}")) for value in one.values)}


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
        kept = _load(within(sweep.path, f"{sweep.configs.name}/{stored.file}"))
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


def strange_resolvers(text: str) -> set[str]:
    """Return the resolvers that a text calls and a stored configuration may not."""
    text = text.replace("\\", "")
    strange = set(_CALL.findall(text)) - RESOLVERS
    if _NESTED.search(text) and _CALL_AFTER_NESTED.search(text):
        strange.add("a name that is computed")
    return strange


def save(config: DictConfig, path: Path, local: tuple[str, ...]) -> None:
    """Write a composed configuration, less its local nodes; what depends on here and now is written as it is now."""
    kept = OmegaConf.masked_copy(config, [str(key) for key in config if key not in local])
    write_yaml(path, _settled(OmegaConf.to_container(kept, resolve=False, enum_to_str=True), config))


def _settled(raw: Any, config: DictConfig, path: str = "") -> Any:
    """Return plain values in which what calls a strange resolver is replaced by what it gives now."""
    if isinstance(raw, dict):
        return {key: _settled(value, config, f"{path}[{key}]") for key, value in raw.items()}
    if isinstance(raw, list):
        return [_settled(value, config, f"{path}[{index}]") for index, value in enumerate(raw)]
    key = path[1:-1].replace("][", ".")
    if raw is not None and not isinstance(raw, str | int | float):
        raise Refused(f"{key}: a sweep stores plain values alone, got a {type(raw).__name__}; write it as text")
    if not isinstance(raw, str) or not strange_resolvers(raw):
        return raw
    if raw.count("${") > len(_CALL.findall(raw)):  # there is one that names a key
        raise Refused(f"{key}: {raw} mixes what is fixed now with what jobs may change; use a key for each")
    settled = OmegaConf.select(config, path)
    return OmegaConf.to_container(settled) if OmegaConf.is_config(settled) else settled


def _load(path: Path) -> DictConfig:
    """Read a stored configuration.

    Raises:
        Refused: If it can't be read, or would change how Hydra runs jobs, or calls a strange resolver.
    """
    values = read_yaml(path)
    strange = {one for leaf in leaves(values) for one in strange_resolvers(str(leaf))} | ({"hydra"} & values.keys())
    if strange:
        raise Refused(f"{path} must hold plain values, got {shown(strange.pop())}; restore it")
    return OmegaConf.create(values)


def check_subdir(subdir: str) -> None:
    """Make sure that the name of a job's directory can be computed wherever the sweep is resumed.

    Raises:
        Refused: If it can't.
    """
    if ".." in Path(subdir).parts or Path(subdir).is_absolute():
        raise Refused(f"hydra.sweep.subdir must lie within the sweep's directory, got {subdir}; leave it out")
    if strange := strange_resolvers(subdir) - {"now"}:
        raise Refused(f"hydra.sweep.subdir must not call {shown(strange.pop())}: a sweep may be resumed elsewhere")
