"""What Hydra does for its own sweeps and offers nobody else: the one place that touches its internal names.

`tests/base/test_hydra_internals.py` names them, and fails where a release of Hydra's has others.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf


def apply_overrides(overrides: Sequence[Override], config: DictConfig) -> None:
    """Apply overrides of values to a composed configuration.

    Sweeps write `~key` as `~key=null`. By that, Hydra 1.4 would take away nothing but a null; here, it takes the key.

    Raises:
        hydra.errors.ConfigCompositionException: If one can't be applied.
    """
    meant = [replace(one, value_type=None) if one.is_delete() and one.value() is None else one for one in overrides]
    ConfigLoaderImpl._apply_overrides_to_config(meant, config)


def set_override_dirname(hydra: DictConfig, overrides: Sequence[Override]) -> None:
    """Let Hydra's node name the overrides of another job in `override_dirname`; Hydra 1.4 computes it as it is read."""
    if OmegaConf.is_interpolation(hydra.job, "override_dirname"):
        return
    form = hydra.job.config.override_dirname
    texts = [str(one.input_line) for one in overrides if one.key_or_group not in form.exclude_keys]
    hydra.job.override_dirname = form.item_sep.join(sorted(texts)).replace("=", form.kv_sep)


def outcome(job: JobReturn) -> Any:
    """Return what a job returned, or what it raised: Hydra's own way would raise that, and print a line on it."""
    return job._return_value
