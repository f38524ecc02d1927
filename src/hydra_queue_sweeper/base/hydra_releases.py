"""Calls that Hydra 1.3 and 1.4 want to be made in different ways."""

from collections.abc import Callable, Iterable
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.utils import configure_log
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

IS_OLD = not hasattr(hydra.utils, "execution_whitelist")
"""Whether this is Hydra 1.3, which comes with OmegaConf 2.3."""

AS_IN_1_3: dict[str, Any] = {"version_base": "1.3"} if IS_OLD else {}
"""What chooses the defaults of 1.3: later releases have no others, and deprecate the choice."""


def calling_only(targets: Iterable[str]) -> dict[str, Any]:
    """Return what lets `hydra.main` call these alone of what configurations name, besides plugins and its own logging.

    Hydra 1.3 calls whatever is named.
    """
    return AS_IN_1_3 if IS_OLD else {"execution_whitelist": [*targets]}


def configure_log_of_sweep(config: DictConfig, context: HydraContext) -> None:
    """Let Hydra log as it does beside jobs: by classes that the program lets it call."""
    allowed: dict[str, Any] = {} if IS_OLD else {"execution_whitelist": context.execution_whitelist}  # type: ignore
    configure_log(config.hydra.hydra_logging, config.hydra.verbose, **allowed)


def register_resolver(name: str, resolver: Callable[..., Any], *, use_cache: bool = False) -> None:
    """Register a resolver, in the place of another of its name."""
    register: Any = OmegaConf.register_resolver  # in OmegaConf 2.3, that is an older one
    if IS_OLD:
        register = OmegaConf.register_new_resolver
    register(name, resolver, use_cache=use_cache, replace=True)


def store_option(group: str, name: str, node: Any) -> None:
    """Offer Hydra an option of a group; a process that a launcher started may have it from its parent already."""
    options: dict[str, Any] = {} if IS_OLD else {"replace": True}
    ConfigStore.instance().store(group=group, name=name, node=node, provider="hydra_queue_sweeper", **options)
