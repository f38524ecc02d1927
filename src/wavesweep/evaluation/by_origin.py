"""What a run leaves of its errors at each validation origin, by which runs on the same data are compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from safetensors.numpy import load, save

from hydra_queue_sweeper.base.errors import in_short
from wavesweep.data.parts import Part
from wavesweep.evaluation.comparison import compare

MOST_ORIGINS = 1000  # that are kept apart: 8 kB


@dataclass(frozen=True)
class ErrorsByOrigin:
    """Errors of the forecasts of one part.

    Attributes:
        errors: Mean squared error at each origin, (origin,), scaled: of many origins, of neighbours together.
        overlap: How many of them on no forecast shares a step with those of the first.
        part: SHA-256 of what was forecast, and from where: the same of runs whose errors may be compared.
    """

    errors: np.ndarray
    overlap: int
    part: bytes


def errors_by_origin(errors: np.ndarray, part: Part) -> ErrorsByOrigin | None:
    """Return what is kept of the errors at all origins, (origin,), of a part; None where they are too few to tell.

    Neighbours are put together by their sum over the number that a group has on average: the mean stays, and so do the
    slow cosines that `compare` looks at.
    """
    number, groups = len(errors), min(len(errors), MOST_ORIGINS)
    if number < 2 * part.overlap:
        return None
    if groups < number:
        errors = np.bincount(np.arange(number) * groups // number, errors) * groups / number
    return ErrorsByOrigin(errors, math.ceil(part.overlap * groups / number), _digest(part))


def _digest(part: Part) -> bytes:
    """Return the SHA-256 of the truth of a part, and of all that tells at which places of it forecasts are scored."""
    digest = sha256(str(part.truth.shape).encode())
    for one in (part.series, part.origin, part.targets):
        digest.update(one.tobytes())
    for some in part.chunks(1000):
        digest.update(some.truth.tobytes())
        digest.update(some.observed.tobytes())
    return digest.digest()


def pack(found: ErrorsByOrigin) -> bytes:
    """Return it in the safetensors format."""
    part = np.frombuffer(found.part, np.uint8)
    return save({"errors": found.errors, "overlap": np.array([found.overlap]), "part": part})


def unpack(content: bytes) -> ErrorsByOrigin:
    """Return what `pack` was given.

    Raises:
        ValueError: If the content is something else.
    """
    try:
        arrays = load(content)
        errors, overlap, part = arrays["errors"], arrays["overlap"], arrays["part"]
    except Exception as error:  # of safetensors, which has one of its own
        raise ValueError(f"it holds no errors by origin: {in_short(error)}") from None
    kinds = [(one.dtype, one.shape) for one in (overlap, part)]
    if kinds != [(np.int64, (1,)), (np.uint8, (32,))] or overlap[0] < 1:
        raise ValueError("it must hold an overlap of at least 1, and a SHA-256")
    if errors.dtype != np.float64 or errors.ndim != 1 or not 0 < len(errors) <= MOST_ORIGINS or not (errors >= 0).all():
        raise ValueError(f"it must hold at most {MOST_ORIGINS} errors, float64, of at least 0")
    return ErrorsByOrigin(errors, int(overlap[0]), part.tobytes())


def compare_runs(
    runs: Sequence[ErrorsByOrigin], others: Sequence[ErrorsByOrigin], confidence: float
) -> tuple[float, float, float] | None:
    """Compare the errors of two configurations, each of which ran on some seeds, at the same origins.

    Args:
        runs: Errors of one configuration, a run each.
        others: Of the other.
        confidence: Share of cases in which the interval is to hold the true ratio.

    Returns:
        The geometric mean of the runs' errors over that of the others', and the interval of `compare`: where origins
        and not seeds are drawn. At each origin, errors of a configuration are the mean over its seeds, each in units of
        its own mean, since it counts as much in the geometric mean. None where not all were forecast from the same
        origins of the same data, or these are too few to tell.
    """
    every = [*runs, *others]
    if len({one.part for one in every}) != 1 or len({(len(one.errors), one.overlap) for one in every}) != 1:
        return None
    if not all(0 < one.errors.mean() < math.inf for one in every):
        return None
    mine, theirs = (np.mean([one.errors / one.errors.mean() for one in some], axis=0) for some in (runs, others))
    _, interval = compare(mine, theirs, every[0].overlap, confidence)
    if interval is None:
        return None
    logarithms = [np.mean([np.log(one.errors.mean()) for one in some]) for some in (runs, others)]
    ratio = math.exp(logarithms[0] - logarithms[1])
    spread = 1 - interval[0]  # about 1, which is the ratio of these means
    return ratio, ratio / spread, ratio * spread
