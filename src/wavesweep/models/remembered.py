"""Choices that are made once."""

from collections.abc import Callable, Sequence
from functools import wraps
from hashlib import blake2b
from typing import TypeVar

import numpy as np

from wavesweep.models.baseline import Windows

T = TypeVar("T")
Choose = Callable[[Sequence[np.ndarray], Windows, Sequence[int]], T]


def remembered(choose: Choose[T]) -> Choose[T]:
    """Remember what was chosen last: what networks start from and the baselines are chosen by the same series."""
    known: dict[bytes, T] = {}

    @wraps(choose)
    def chosen(train: Sequence[np.ndarray], val: Windows, seasons: Sequence[int]) -> T:
        targets = np.arange(val.truth.shape[2])[val.targets]
        key = _digest([*train, val.context, val.truth, val.observed, targets, np.array(seasons)])
        if key not in known:
            known.clear()
            known[key] = choose(train, val, seasons)
        return known[key]

    return chosen


def _digest(arrays: Sequence[np.ndarray]) -> bytes:
    digest = blake2b()
    for one in arrays:
        digest.update(f"{one.shape} {one.dtype}".encode())
        digest.update(one.tobytes())
    return digest.digest()
