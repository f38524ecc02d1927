"""What known values do: weights at knots, on lines between."""

import numpy as np
import pytest

from wavesweep.data import effects
from wavesweep.data.effects import Effects, Features

DRAWS = np.random.default_rng(0)
INPUTS = np.stack([DRAWS.integers(0, 3, 90), DRAWS.normal(size=90), DRAWS.integers(0, 24, 90)], axis=1).astype(float)
EACH = Features.of(INPUTS, 1)
PAIRS = Features(EACH.knots, products=True)


def test_few_values_and_the_calendar_s_are_all_knots() -> None:
    sizes = [len(one) for one in EACH.knots]
    assert sizes == [3, effects.NUM_KNOTS, len(np.unique(INPUTS[:, 2]))]
    np.testing.assert_array_equal(EACH.knots[0], [0, 1, 2])


@pytest.mark.parametrize("features", [EACH, PAIRS])
def test_there_are_as_many_as_is_told(features: Features) -> None:
    assert features.make(INPUTS).shape == (90, features.number)


def test_those_of_an_input_share_one() -> None:
    made = EACH.make(INPUTS)
    for group in np.split(made, np.cumsum([len(one) for one in EACH.knots])[:-1], axis=1):
        np.testing.assert_allclose(group.sum(axis=1), 1.0)
        assert (group >= 0).all()
        assert ((group > 0).sum(axis=1) <= 2).all(), "of two neighbours"


def test_those_of_pairs_are_products() -> None:
    sizes = [len(one) for one in EACH.knots]
    first, second, _ = np.split(EACH.make(INPUTS), np.cumsum(sizes)[:-1], axis=1)
    pairs = PAIRS.make(INPUTS)[:, sum(sizes) : sum(sizes) + sizes[0] * sizes[1]]
    np.testing.assert_array_equal(pairs, (second[:, :, None] * first[:, None]).reshape(90, -1))


def test_weights_lie_on_lines_between_knots_and_stay_beyond() -> None:
    features = Features((np.array([0.0, 2.0]),))
    line = Effects(features, np.array([[1.0, 10.0], [5.0, 30.0], [0.5, 0.0]]))
    steps = np.array([[-9.0], [0.0], [0.5], [2.0], [7.0]])
    np.testing.assert_allclose(line.of(steps), [[1.5, 10], [1.5, 10], [2.5, 15], [5.5, 30], [5.5, 30]])


def test_what_is_not_known_has_no_effect_that_is_known() -> None:
    some = Effects(PAIRS, DRAWS.normal(size=(PAIRS.number + 1, 2)))
    inputs = INPUTS.copy()
    inputs[7, 1] = np.nan
    told = some.of(inputs)
    assert np.isnan(told[7]).all()
    np.testing.assert_array_equal(np.delete(told, 7, axis=0), np.delete(some.of(INPUTS), 7, axis=0))


def test_many_rows_have_the_effects_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    some = Effects(EACH, DRAWS.normal(size=(EACH.number + 1, 2)))
    at_once = some.of(INPUTS)
    monkeypatch.setattr(effects, "MOST_ROWS", 7)
    np.testing.assert_allclose(some.of(INPUTS), at_once, rtol=1e-12)
    assert some.of(INPUTS[:0]).shape == (0, 2)
