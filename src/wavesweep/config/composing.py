"""Composing a configuration by Hydra, and turning it into the typed one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.base.hydra_releases import AS_IN_1_3, register_resolver
from hydra_queue_sweeper.base.redaction import public_store
from wavesweep.config.groups import conf_dir, groups
from wavesweep.config.hydra_objections import explain, read_overrides

if TYPE_CHECKING:
    from wavesweep.config.config import Config


STORED, STORED_REFINER = "stored", "stored_refiner"
"""The options that a stored configuration is offered as: of each group, and of the optimizers for the refinement."""

# Runs and sweeps that start in the same second would share a directory that is named by the time alone.
register_resolver("unique", lambda: token_hex(2), use_cache=True)
# The one way in for a password: configurations hold the address without it (see tracking/store.py).
register_resolver("public", public_store)
register_resolver("given", lambda *values: next(filter(None, values)))


def typed(composed: DictConfig) -> "Config":
    """Turn what Hydra composed into a typed configuration.

    Raises:
        Refused: With all problems, one line each.
    """
    from wavesweep.config.config import parse

    own = composed
    if "hydra" in composed:
        own = OmegaConf.masked_copy(composed, [key for key in composed if key != "hydra"])  # type: ignore[misc]
    try:
        values: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise Refused(explain(error, [])) from None
    training = values.get("training")
    if isinstance(training, dict) and [*training] == ["refiner"]:  # which has a group of its own: no option was chosen
        del values["training"]
    return parse(values)


def with_tags(overrides: Iterable[str]) -> list[str]:
    """Return overrides such that Hydra takes those of `tracking.tags`, whose keys conf/ can't name."""
    return [f"++{text}" if text.startswith(("tracking.tags.", "tracking.tags=")) else text for text in overrides]


def compose(*overrides: str) -> "Config":
    """Compose a configuration as the command line does.

    Args:
        overrides: In Hydra's grammar, such as `dataset=sine` or `model.hidden_sizes=[32]`.

    Returns:
        The configuration as composed: what is `null` or `auto` is derived when a run is prepared.

    Raises:
        Refused: If it can't be composed or used.
    """
    import hydra

    if strange := [override for override in overrides if not isinstance(override, str)]:
        raise Refused(f"compose takes overrides one by one, such as 'model=tiny', 'seed=1', got {strange[0]!r}")
    if ours := [override for override in overrides if override.lstrip("+~").startswith("hydra")]:
        raise Refused(f"compose makes the configuration of a run, which has no {ours[0]}; leave it out")
    read_overrides(overrides)
    with _beside_another(), hydra.initialize_config_dir(str(conf_dir()), **AS_IN_1_3):
        try:
            return typed(hydra.compose("config", with_tags(overrides)))
        except (HydraException, OmegaConfBaseException) as error:
            raise Refused(explain(error, list(overrides))) from None


def offer(config: "Config", tracking: dict[str, Any] | None = None) -> str:
    """Offer a configuration to Hydra as options of that name, one of each group; return the name of the whole.

    Overrides then change it as they change what stands in files, in processes that a launcher starts too.

    Args:
        config: Less its tracking, which belongs to here and now.
        tracking: To offer besides, in place of the defaults.
    """
    from hydra.core.config_store import ConfigStore

    from wavesweep.config.config import dump

    store, values = ConfigStore.instance(), dump(config)
    parts = {group: values.pop(group) for group in groups() if group in values}
    refiner = parts["training"].pop("refiner")
    del values["tracking"]
    for group, part in parts.items():
        store.store(STORED, part, group=group)
    store.store(STORED_REFINER, refiner, group="optimizer")
    chosen = [{f"override {group}": STORED} for group in parts]
    chosen.append({"override optimizer@training.refiner": STORED_REFINER})
    values["defaults"] = ["config", "_self_", *chosen]
    if tracking is not None:
        values["tracking"] = tracking
    store.store(STORED, values)
    return STORED


def offer_tracking(tracking: dict[str, Any]) -> str:
    """Offer Hydra the defaults with another `tracking`, as `offer` does; return the name of the whole."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(STORED, {"defaults": ["config", "_self_"], "tracking": tracking})
    return STORED


@contextmanager
def _beside_another() -> Iterator[None]:
    """Lay aside the Hydra that a notebook, or another application, has initialized."""
    from hydra.core.global_hydra import GlobalHydra

    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = outer
