"""Independent random streams from one seed."""

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np


def stream(seed: int, purpose: str) -> "np.random.Generator":
    """Return the generator that `seed` gives for one purpose, independent of those for all others.

    A draw more for one purpose thus never changes the numbers of another.

    Source:
        numpy.random.SeedSequence, which mixes all words of its entropy, after O'Neill (2015).
    """
    import numpy as np

    return np.random.default_rng([crc32(purpose.encode()), seed])
