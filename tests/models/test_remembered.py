"""A choice is made once for the same series, and anew for any others."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wavesweep.models.baseline import Windows
from wavesweep.models.remembered import remembered


def test_a_choice_is_made_once_for_the_same() -> None:
    made: list[int] = []

    @remembered
    def choose(_train: Sequence[np.ndarray], _val: Windows, _seasons: Sequence[int]) -> int:
        made.append(len(made))
        return made[-1]

    train = [np.arange(6.0).reshape(3, 2), np.ones((4, 2))]
    val = Windows(np.zeros((2, 3, 2)), np.zeros((2, 1, 2)), np.array([0]))
    assert [choose(train, val, (2,)), choose([*map(np.copy, train)], replace(val), [2])] == [0, 0]
    others = [
        (train, val, (3,)),
        (train, val, ()),
        (train[::-1], val, (2,)),
        ([train[0].reshape(1, 3, 2)[0], train[1][:3]], val, (2,)),
        (train, replace(val, targets=np.array([1])), (2,)),
        (train, replace(val, truth=val.truth + 1), (2,)),
        (train, replace(val, context=val.context[:, 1:]), (2,)),
        (train, replace(val, observed=val.truth > 0), (2,)),
    ]
    for number, other in enumerate(others, start=1):
        assert choose(*other) == number
    assert choose(train, val, (2,)) == len(others) + 1, "only the last is remembered"
