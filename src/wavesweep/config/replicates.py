"""Replicates: runs whose configurations differ in their seed alone."""

import json
from hashlib import sha256

from wavesweep.config.config import Config


def config_hash(composed: Config) -> str:
    """Return the hash that a configuration shares with its replicates.

    Args:
        composed: As it was composed, before anything is filled in: what is drawn from the seed, or decided from the
            data, does not tell replicates apart.

    Returns:
        16 hexadecimal digits of all values but `seed` and `tracking`; a `dataset.seed` that was given counts.
    """
    values = composed.model_dump(mode="json", exclude={"seed", "tracking"})
    values["dataset"].pop("digest", None)  # which a run that varies another has from that
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
