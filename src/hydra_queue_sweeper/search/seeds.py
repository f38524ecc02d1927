"""The key of the seed, whose values make replicates."""

from hydra_queue_sweeper.base.overrides import key_of

SEED = "seed"


def is_seed(override: str) -> bool:
    """Say whether an override is that of the seed."""
    return key_of(override) == SEED
