"""Errors in the units of the data, by hand, and where shares of the truth say something."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.parts import given, go, leave_undrawn, small
from wavesweep.data.parts import Part
from wavesweep.evaluation.in_units import InUnits, as_metrics, errors_in_units
from wavesweep.experiment.description import description, in_units
from wavesweep.experiment.preparation import prepare
from wavesweep.experiment.result import Result
from wavesweep.workspace.directory import RunDirectory

DRAWS = np.random.default_rng(0)
TRUTH = 10.0 + DRAWS.uniform(0, 5, size=(6, 4, 3))  # of a second series, a hundredth
TRUTH[3:] /= 100
SERIES = np.array([0, 0, 0, 1, 1, 1])
FORECAST = TRUTH + DRAWS.normal(size=TRUTH.shape)
NAMES = ("a", "b", "c")


def part(truth: np.ndarray = TRUTH, observed: np.ndarray | None = None) -> Part:
    start = np.zeros(len(truth), int)
    whole = Part(np.zeros_like(truth), truth, start, SERIES, slice(0), np.array([0, 2]), start)
    return whole if observed is None else replace(whole, observed=observed)


def test_they_are_means_over_what_was_observed_of_each_target() -> None:
    observed = DRAWS.random(TRUTH.shape) < 0.7
    found = errors_in_units(FORECAST, part(observed=observed), NAMES)
    assert [*found] == ["a", "c"]
    for number, name in ((0, "a"), (2, "c")):
        pairs = [
            (FORECAST[place], TRUTH[place]) for place in zip(*np.nonzero(observed), strict=True) if place[2] == number
        ]
        assert found[name].absolute == pytest.approx(np.mean([abs(one - true) for one, true in pairs]))
        assert found[name].share == pytest.approx(np.mean([abs(one - true) / true for one, true in pairs]))


@pytest.mark.parametrize(("value", "says"), [(0.02, True), (0.011, False), (0.0, False), (-0.1, False)])
def test_no_share_is_told_of_a_series_that_comes_near_zero(value: float, says: bool) -> None:
    """The second one is of 0.12 in the mean."""
    truth = TRUTH.copy()
    truth[4, 1, 0] = value
    found = errors_in_units(FORECAST, part(truth), NAMES)
    assert (found["a"].share is not None) == says
    assert found["c"].share is not None
    unseen = np.ones(truth.shape, bool)
    unseen[4, 1, 0] = False
    assert errors_in_units(FORECAST, part(truth, unseen), NAMES)["a"].share is not None


def test_several_targets_have_no_unit_in_common() -> None:
    one, other = InUnits(3.0, 0.2), InUnits(50.0, 0.4)
    assert as_metrics({"a": one}) == {"mae": 3.0, "mape": 0.2}
    assert as_metrics({"a": one, "b": other}) == {"mape": pytest.approx(0.3)}
    assert as_metrics({"a": one, "b": InUnits(50.0, None)}) == {}


def test_a_run_of_observed_series_tells_its_own_and_the_best_baseline_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_undrawn(monkeypatch)
    series = 50 + 5 * DRAWS.normal(size=(1, 200, 1))
    prepared = prepare(given(series, "model=linear", "forecast.horizon=3"))
    result = go(prepared.config, RunDirectory(tmp_path / "run"), data=prepared.data)
    test = prepared.data.test
    assert test is not None
    spread = prepared.data.units.std[0]
    scaled = result.metrics["test/closed_loop_scaled_mae"]
    assert result.metrics["test/mae"] == pytest.approx(scaled * spread)
    assert result.metrics["test/mape"] == pytest.approx(result.metrics["test/mae"] / 50, rel=0.1)
    assert {"test/baseline_mae", "test/baseline_mape"} < result.metrics.keys()
    [told] = in_units(prepared.config, result)
    assert told.startswith(f"On average, forecasts of channel 0 are off by {result.metrics['test/mae']:.3g}, ")
    assert told in description(prepared.config, result)


def test_a_sentence_for_each_of_the_first_targets() -> None:
    pair = (InUnits(12345.6, 0.0312), InUnits(0.0456, None))
    result = Result(False, 0.1, 3, {"val/drift_scaled_mse": 0.1}, in_units={f"c{number}": pair for number in range(7)})
    told = in_units(small(), result)
    assert told[0] == "On average, forecasts of c0 are off by 12,346, 3.1% (drift 0.0456)."
    assert told[5:] == ["2 further targets left out here."]
    fitted = Result(False, 0.1, 1, {"val/linear_scaled_mse": 0.1}, in_units={"c": pair})
    assert in_units(small("model=linear"), fitted) == ["On average, forecasts of c are off by 12,346, 3.1%."]
