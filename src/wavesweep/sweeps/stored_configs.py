"""What each choice of groups composed to, as a sweep stores it: plain values that mean the same wherever it goes on."""

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wavesweep.base.errors import Refused, in_short, shown
from wavesweep.base.files import leaves, read_yaml, write_yaml

RESOLVERS = {"hydra", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.select"}
"""The resolvers that stored configurations may call: none depends on the machine or the moment, looks elsewhere, or
evaluates a text, as oc.create and oc.decode do: that could be put together from harmless pieces."""

_CALL = re.compile(r"\$\{\s*+([^{}:\s]*+)\s*+:")
_NESTED = re.compile(r"\$\{[^}$]*+\$")
_CALL_AFTER_NESTED = re.compile(r"\}[^{},:\s]*+\s*+:")


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


def load(path: Path) -> DictConfig:
    """Read a stored configuration.

    Raises:
        Refused: If it can't be read, or would change how Hydra runs jobs, or calls a strange resolver.
    """
    values = read_yaml(path)
    strange = {one for leaf in leaves(values) for one in strange_resolvers(str(leaf))} | ({"hydra"} & values.keys())
    if strange:
        raise Refused(f"{path} must hold plain values, got {shown(strange.pop())}; restore it")
    try:
        return OmegaConf.create(values)
    except (OmegaConfBaseException, ValueError) as error:
        raise Refused(f"{path} is damaged ({in_short(error)}); restore it") from None


def check_subdir(subdir: str) -> None:
    """Make sure that the name of a job's directory can be computed wherever the sweep is resumed.

    Raises:
        Refused: If it can't.
    """
    if ".." in Path(subdir).parts or Path(subdir).is_absolute():
        raise Refused(f"hydra.sweep.subdir must lie within the sweep's directory, got {subdir}; leave it out")
    if strange := strange_resolvers(subdir) - {"now"}:
        raise Refused(
            f"hydra.sweep.subdir must not call {shown(strange.pop())}, since a sweep may be resumed elsewhere"
        )
