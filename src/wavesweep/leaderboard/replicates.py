"""What tells each trial's configuration from others as it was composed, and the seed that it ran on."""

from functools import cache
from typing import Any

from omegaconf import OmegaConf

from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.search.plan import Plan
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.composition import OBJECTIONS, from_files
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from wavesweep.config.config import Tracking, parse
from wavesweep.config.replicates import config_hash

NOWHERE = Tracking(followers=(), uri="sqlite:///nowhere", experiment="none", required=False, tags={})
"""What stands for the tracking of any: the hash leaves it out."""


def identities(sweep: SweepDirectory, plan: Plan, trials: list[Trial]) -> list[tuple[str, str]]:
    """Return of each trial the hash of its configuration, and its seed: the configuration's own if it overrides none.

    Where the sweep's files don't tell the configuration, the overrides themselves take its place.
    """
    composer = from_files(sweep, plan, OmegaConf.create({"tracking": NOWHERE.model_dump()}), ("tracking",))

    @cache
    def identity(*texts: str) -> tuple[str, str]:
        try:
            values: Any = OmegaConf.to_container(composer.compose(list(texts))[0], resolve=True)
            config = parse(values)
            return config_hash(config), str(config.seed)
        except (Refused, KeyError, *OBJECTIONS):
            return " ".join(texts), ""

    found = [identity(*trial.configuration) for trial in trials]
    return [(shared, trial.seed or seed) for trial, (shared, seed) in zip(trials, found, strict=True)]
