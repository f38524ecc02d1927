"""The hash of each trial's configuration, which those that differ in their seed alone share."""

from functools import cache
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wavesweep.base.errors import Refused
from wavesweep.config.config import Tracking, parse
from wavesweep.config.replicates import config_hash
from wavesweep.search.plan import Plan
from wavesweep.sweeps.composition import from_files
from wavesweep.sweeps.store import SweepDirectory

NOWHERE = Tracking(uri="sqlite:///nowhere", experiment="none", required=False)  # the hash leaves it out


def config_hashes(sweep: SweepDirectory, plan: Plan, overrides: list[list[str]]) -> list[str]:
    """Return the hash of the configuration that each list of overrides makes.

    Where the sweep's files don't tell the configuration, the overrides themselves take its place.
    """
    composer = from_files(sweep, plan, OmegaConf.create({"tracking": NOWHERE.model_dump()}), ("tracking",))

    @cache
    def hash_of(*texts: str) -> str:
        try:
            values: Any = OmegaConf.to_container(composer.compose(list(texts))[0], resolve=True)
            return config_hash(parse(values))
        except (Refused, KeyError, HydraException, OmegaConfBaseException):
            return " ".join(texts)

    return [hash_of(*texts) for texts in overrides]
