"""Effects of what is known in advance, told by regressions that validation chooses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.parts import composed
from wavesweep.config.resolve import outline
from wavesweep.data.data import Data
from wavesweep.data.known import Effect
from wavesweep.experiment.preparation import load_data
from wavesweep.models import fit_effects as fitting
from wavesweep.models.fit_effects import Moments, fit_effects

STEPS, HORIZON = 400, 5
DRAWS = np.random.default_rng(0)
PROMOTED, COLD, FOREIGN = DRAWS.integers(0, 2, STEPS), DRAWS.normal(size=STEPS), DRAWS.normal(size=STEPS)
NOISE = 0.3 * DRAWS.normal(size=STEPS)
MEMORY = np.zeros(STEPS)
for step in range(1, STEPS):
    MEMORY[step] = 0.6 * MEMORY[step - 1] + NOISE[step]
KNOWN = {"promoted": PROMOTED, "cold": COLD}


def data_of(path: Path, values: np.ndarray, known: dict[str, np.ndarray], *overrides: str) -> Data:
    """Return the data of a file, as they are before effects are fitted."""
    pd.DataFrame({"y": values, **known}).to_csv(path / "sales.csv", index=False)
    lines = ("dataset=csv", f"dataset.path={path}/sales.csv", f"forecast.horizon={HORIZON}", "dataset.season=[]")
    names = f"dataset.known=[{','.join(known)}]"
    data = load_data(composed(*lines, names, "dataset.effects=[]", *overrides))
    return replace(data, val=replace(data.val, effect=None), test=None, effects=None, effect=None)


def told(data: Data, given: list[Effect] | None = None) -> np.ndarray:
    """Return the effect of each step of the only series, (time, channel), in the units of the data."""
    return data.effect_of(fit_effects(data, given))[0]


def one(products: bool, differences: bool, share: float = 1.0) -> list[Effect]:
    return [Effect(products=products, differences=differences, penalty=1e-4, share=share)]


def test_what_is_added_is_found(tmp_path: Path) -> None:
    effect = PROMOTED + 0.8 * np.abs(COLD)
    found = told(data_of(tmp_path, MEMORY + effect, KNOWN))[:, 0]
    assert np.corrcoef(found, effect)[0, 1] > 0.95
    assert np.std(found - effect) < 0.3 * np.std(effect)


def test_what_acts_together_is_found_by_products_alone(tmp_path: Path) -> None:
    effect = 2 * PROMOTED * COLD
    data = data_of(tmp_path, MEMORY + effect, KNOWN)
    together, apart = (told(data, one(products, False))[:, 0] for products in (True, False))
    assert np.std(together - effect) < 0.5 * np.std(apart - effect)
    chosen = fit_effects(data, None).chosen
    assert sum(effect.share for effect in chosen if effect.products) > 0.9


def test_a_level_that_wanders_hides_nothing_of_steps(tmp_path: Path) -> None:
    level = np.cumsum(0.5 * DRAWS.normal(size=STEPS))
    data = data_of(tmp_path, level + PROMOTED, KNOWN)
    of_steps, of_values = (told(data, one(False, differences))[:, 0] for differences in (True, False))
    assert abs(np.ptp(of_steps) - 1) < 0.3, "one, and something of what does nothing"
    assert np.std(of_steps - PROMOTED) < np.std(of_values - PROMOTED)


def test_what_does_nothing_is_left_out(tmp_path: Path) -> None:
    data = data_of(tmp_path, MEMORY, {"foreign": FOREIGN})
    assert np.std(told(data)) < 0.15 * np.std(MEMORY)


def test_their_mean_is_that_of_each(tmp_path: Path) -> None:
    data = data_of(tmp_path, MEMORY + PROMOTED, KNOWN)
    both = [*one(False, False, 0.25), *one(True, True, 0.5)]
    each = 0.25 * told(data, one(False, False)) + 0.5 * told(data, one(True, True))
    np.testing.assert_allclose(told(data, both), each, atol=1e-9)


def test_chosen_ones_given_again_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    data = data_of(tmp_path, MEMORY + PROMOTED, KNOWN)
    chosen = fit_effects(data, None)
    assert chosen.chosen
    assert sum(effect.share for effect in chosen.chosen) <= 1 + 1e-12
    again = fit_effects(data, chosen.chosen)
    np.testing.assert_array_equal(again.weights, chosen.weights)


def test_nothing_of_the_test_part_is_looked_at(tmp_path: Path) -> None:
    values, known = MEMORY + PROMOTED, KNOWN
    first = fit_effects(data_of(tmp_path, values, known), None)
    tested = int(0.85 * STEPS)
    others = {name: np.where(np.arange(STEPS) < tested, one, 1 - one) for name, one in known.items()}
    other = fit_effects(data_of(tmp_path, np.where(np.arange(STEPS) < tested, values, -values), others), None)
    assert (first.chosen, first.weights.tobytes()) == (other.chosen, other.weights.tobytes())


def test_ridge_regression_is_scikit_learn_s() -> None:
    from sklearn.linear_model import Ridge

    rows = DRAWS.normal(size=(60, 4)) * [1, 5, 0.1, 1]
    values = DRAWS.normal(size=(60, 2))
    both = np.concatenate([rows, values], axis=1)
    mean = both.mean(axis=0)
    moments = Moments(mean, (rows - mean[:4]).T @ (both - mean) / 60)
    found = moments.weights(0.3)
    std = rows.std(axis=0)
    oracle = Ridge(alpha=0.3 * 60).fit(rows / std, values)
    np.testing.assert_allclose(found[:-1], (oracle.coef_ / std).T, rtol=1e-9)
    np.testing.assert_allclose(found[-1], oracle.intercept_, rtol=1e-9)


def test_many_rows_are_measured_by_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(tmp_path, MEMORY + PROMOTED, KNOWN)
    whole = told(data, one(False, False))
    monkeypatch.setattr(fitting, "MOST_ROWS", 200)
    some = told(data, one(False, False))
    assert not np.array_equal(some, whole)
    np.testing.assert_allclose(some, whole, atol=0.3)
    monkeypatch.setattr(fitting, "MOST_ROWS", STEPS)
    monkeypatch.setattr(fitting, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(told(data, one(False, False)), whole, atol=1e-9)


def test_a_configuration_stores_what_was_chosen(tmp_path: Path) -> None:
    data_of(tmp_path, MEMORY + PROMOTED, KNOWN)
    lines = ("dataset=csv", f"dataset.path={tmp_path}/sales.csv", "dataset.known=[promoted,cold]", "dataset.season=[]")
    data = outline(composed(*lines, f"forecast.horizon={HORIZON}")).load()
    assert data.effects
    assert data.val.effect is not None
    np.testing.assert_allclose(data.without_effects.val.context + data.val.effect[:, :-HORIZON], data.val.context)
