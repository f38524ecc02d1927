"""Values that were filled in: nothing is scored or chosen by them, and they tell of nothing that comes later."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support.baselines import errors_by, fit_baselines
from tests.support.parts import composed, prepared
from wavesweep.data.data import Data
from wavesweep.data.parts import Part
from wavesweep.data.widths import Widths
from wavesweep.evaluation.beside_baselines import calibrate, coverage_floor, gain, score_intervals
from wavesweep.evaluation.forecasting import Forecasts
from wavesweep.evaluation.scores import errors, mean_absolute_scaled_error, scores
from wavesweep.evaluation.shown import ShownForecasts
from wavesweep.experiment.events import Drawable, Event, Finished, Kept, Recorded
from wavesweep.experiment.experiment import experiment
from wavesweep.experiment.preparation import load_data, prepare, shape_of
from wavesweep.reproduction.forecasting import own_series

STEPS, TRAIN, VAL, HORIZON = 260, 160, 50, 3
SPLIT = f"dataset.split=[{TRAIN},{VAL},{STEPS - TRAIN - VAL}]"
FORECASTS = (f"forecast.horizon={HORIZON}", "forecast.context=12", "dataset.season=[]")
NETWORK = ("model.hidden_sizes=[3]", "model.members=1", "model.memory=8", "training.epochs=2", "optimizer.lr=0.03")


def load_of(values: np.ndarray, observed: np.ndarray, path: Path) -> tuple[str, ...]:
    """Write a file with values, (time, channel), where they were observed; return what reads it."""
    lines = ["step," + ",".join("ab"[: values.shape[1]])]
    for step, (row, seen) in enumerate(zip(values, observed, strict=True)):
        lines.append(",".join([str(step), *(f"{x:.6f}" if there else "" for x, there in zip(row, seen, strict=True))]))
    path.write_text("\n".join(lines))
    return ("dataset=csv", f"dataset.path={path}", "dataset.missing=interpolate", SPLIT, *FORECASTS)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two channels that remember, and which of their values were observed: gaps anywhere, over both borders."""
    draws = np.random.default_rng(seed)
    values = draws.normal(size=(STEPS, 2))
    for step in range(1, STEPS):
        values[step] += 0.8 * values[step - 1]
    observed = draws.random((STEPS, 2)) < draws.uniform(0.3, 0.9)
    for border in (TRAIN, TRAIN + VAL):
        for channel in range(2):
            before, behind = draws.integers(0, 16, 2)
            observed[border - before : border + behind, channel] = False
    observed[-1] = True  # rows without values at the end are no gap, but what is to come
    return values, observed


def elsewhere_tested(values: np.ndarray) -> np.ndarray:
    """Return values that are others in the test part."""
    draws = np.random.default_rng(99).normal(size=values.shape)
    return np.where(np.arange(STEPS)[:, None] < TRAIN + VAL, values, 20 + 9 * draws)


def _values(widths: Widths | None) -> list[object]:
    """Return half-widths, and where quantiles lie, to the last bit."""
    if widths is None:
        return []
    arrays = (widths.of_all, widths.by_series, widths.offsets)
    return [widths.by_network, *(None if one is None else one.tobytes() for one in arrays)]


def known_before_the_test(events: list[Event]) -> list[object]:
    """Return what a run has found by training and validation data, to the last bit."""
    found: list[object] = []
    for event in events:
        if isinstance(event, Recorded):
            found.append((event.epoch, event.metrics))
        if isinstance(event, Kept):
            weights = {name: weight.numpy().tobytes() for name, weight in event.weights.items()}
            found.append((event.epoch, weights, _values(event.widths)))
        if isinstance(event, Drawable) and event.name.startswith("forecast_epoch"):
            found.append({key: value.tobytes() for key, value in vars(event.shown).items() if hasattr(value, "nbytes")})
        if isinstance(event, Finished):
            once = {key: value for key, value in event.once.items() if key.startswith("val/") or key == "objective"}
            found.append((event.result.epoch, once, event.result.notes))
    return found


def test_scales_are_those_of_what_was_observed(tmp_path: Path) -> None:
    """Values on lines between others vary less than those, and from step to step hardly at all."""
    values, observed = drawn(0)
    data = load_data(composed(*load_of(values, observed, tmp_path / "gaps.csv")))
    known = np.where(observed, values, np.nan)[:TRAIN]
    for scaler in (data.units, data.scaler, data.pooled):
        np.testing.assert_allclose(scaler.mean, np.nanmean(known, axis=0), atol=1e-5)
        np.testing.assert_allclose(scaler.std, np.nanstd(known, axis=0), rtol=1e-5)
    naive = np.nanmean(np.abs(np.diff(known, axis=0)), axis=0)
    assert mean_absolute_scaled_error(data.val.truth + naive, data.val, data) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("seed", "loss"), [(0, "squared"), (1, "squared"), (2, "quantile"), (3, "quantile")])
def test_nothing_that_is_chosen_depends_on_test_values(seed: int, loss: str, tmp_path: Path) -> None:
    values, observed = drawn(seed)
    runs = []
    for number, each in enumerate((values, elsewhere_tested(values))):
        quantiles = (f"training.loss={loss}", "forecast.quantiles=[0.3]")
        ready = prepare(composed(*load_of(each, observed, tmp_path / f"{number}.csv"), *NETWORK, *quantiles))
        runs.append([*experiment(ready.config, ready.data)])
    one, other = map(known_before_the_test, runs)
    assert len(one) > 4
    assert one == other
    tests = [{key: x for key, x in run[-1].once.items() if key.startswith("test/")} for run in runs]  # type: ignore[union-attr]
    assert tests[0] != tests[1]


@pytest.mark.parametrize("seed", range(20))
def test_no_part_is_filled_in_from_a_later_one(seed: int, tmp_path: Path) -> None:
    values, observed = drawn(seed)
    one, other = (
        load_data(composed(*load_of(each, observed, tmp_path / f"{number}.csv")))
        for number, each in enumerate((values, elsewhere_tested(values)))
    )
    assert np.array_equal(one.train[0], other.train[0])
    for key in ("context", "truth", "observed", "start"):
        assert np.array_equal(getattr(one.val, key), getattr(other.val, key)), key


@pytest.mark.parametrize("seed", range(20))
def test_a_window_tells_of_nothing_that_comes_after_what_it_tells(seed: int, tmp_path: Path) -> None:
    """Contexts end where a forecast begins; in the truth, from which one-step forecasts are made, at each step."""
    values, observed = drawn(seed)
    data = load_data(composed(*load_of(values, observed, tmp_path / "one.csv")))
    for cut in range(TRAIN, STEPS, 7):
        changed = np.where(np.arange(STEPS)[:, None] < cut, values, 50.0 + np.arange(STEPS)[:, None])
        other = load_data(composed(*load_of(changed, observed, tmp_path / f"{cut}.csv")))
        for part, elsewhere in ((data.val, other.val), (data.test, other.test)):
            assert part
            assert elsewhere
            for window, origin in enumerate(part.start + part.context.shape[1]):
                if origin <= cut:
                    assert np.array_equal(part.context[window], elsewhere.context[window])
                    known = max(min(cut - origin, HORIZON), 0)
                    assert np.array_equal(part.truth[window, :known], elsewhere.truth[window, :known])


class TestScores:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Data:
        return load_data(composed(*load_of(*drawn(1), tmp_path / "gaps.csv")))

    def test_what_was_not_observed_changes_none(self, data: Data) -> None:
        test = data.test
        assert test
        draws = np.random.default_rng(0)

        def otherwise(changed: Data) -> list[object]:
            """Return all scores of a forecast that is the same."""
            assert changed.test
            baselines = fit_baselines(changed)
            widths = calibrate(0.5 * data.val.truth, changed, 0.5)
            found: list[object] = [_values(widths), {key: one.note for key, one in baselines.items()}]
            for part, ahead in ((changed.val, 0.5 * data.val.truth), (changed.test, 0.5 * test.truth)):
                own, theirs = errors(ahead, part, data.units), errors_by(baselines, changed, part)["linear"]
                found += [own.mean, own.absolute, own.by_window.tolist(), own.by_step.tolist(), theirs.mean]
                found += [mean_absolute_scaled_error(ahead, part, data), gain(own, theirs, part)]
                found += [scores(Forecasts(ahead + 1, ahead), part, data.units)]
                found += [score_intervals(ahead, widths, part, changed, 0.5), coverage_floor(part, changed, 0.5)]
            return found

        def filled_otherwise(part: Part) -> Part:
            filled = 1e3 * draws.normal(size=part.truth.shape)
            return replace(part, truth=np.where(part.observed, part.truth, filled))

        changed = replace(data, val=filled_otherwise(data.val), test=filled_otherwise(test))
        assert not data.val.observed.all()
        assert otherwise(changed) == otherwise(data)

    def test_they_are_means_of_what_was_observed(self, data: Data) -> None:
        assert data.test
        part, units = data.test, data.units
        ahead = 0.3 * part.truth
        away = (0.7 * part.truth)[part.observed]
        off = (0.7 * part.truth / units.std)[part.observed]
        found = errors(ahead, part, units)
        assert found.mean == pytest.approx(np.square(off).mean())
        assert found.by_window.mean() == pytest.approx(found.mean), "so that a gain is that of the means"
        assert found.absolute == pytest.approx(np.abs(off).mean())
        told = scores(Forecasts(ahead, ahead), part, units)
        assert told["closed_loop_mse"] == told["one_step_mse"] == pytest.approx(np.square(away).mean())
        widths = Widths(np.full((HORIZON, 2), 0.4))
        told = score_intervals(ahead, widths, part, data, 0.5)
        assert told["coverage"] == pytest.approx((np.abs(off) <= 0.4).mean())
        outside = np.maximum(np.abs(off) - 0.4, 0)
        assert told["interval_score"] == pytest.approx((0.8 + 4 * outside).mean())

    def test_a_forecast_that_explodes_where_nothing_was_observed_is_as_good(self, data: Data) -> None:
        part = data.val
        exploded = np.where(part.observed, 0.0, np.nan)
        assert errors(exploded, part, data.units).mean == errors(0 * part.truth, part, data.units).mean
        assert np.isnan(errors(np.full_like(part.truth, np.nan), part, data.units).mean)


def test_windows_of_which_no_target_was_observed_are_left_out(tmp_path: Path) -> None:
    values, observed = drawn(0)
    observed[:] = True
    observed[TRAIN + 10 : TRAIN + 20, 0] = False
    lines = load_of(values, observed, tmp_path / "gap.csv")
    both, one = load_data(composed(*lines)), load_data(composed(*lines, "dataset.target=[a]"))
    origins = TRAIN + np.arange(VAL - HORIZON + 1)
    assert np.array_equal(both.val.start + 12, origins)
    assert np.array_equal(one.val.start + 12, [each for each in origins if not TRAIN + 10 <= each <= TRAIN + 17])
    assert (one.val.stride, one.val.overlap) == (1, HORIZON), "the others lie as close as before"


def test_a_part_without_a_target_is_refused(tmp_path: Path) -> None:
    values, observed = drawn(0)
    observed[TRAIN : TRAIN + VAL, 0] = False
    lines = load_of(values, observed, tmp_path / "gap.csv")
    assert len(load_data(composed(*lines)).val.start) > 0, "the other channel was observed"
    with pytest.raises(Refused, match="the validation part must have observed values of a, got none"):
        load_data(composed(*lines, "dataset.target=[a]"))


def test_contexts_are_shown_and_scaled_as_they_were_observed(tmp_path: Path) -> None:
    values, observed = drawn(0)
    ready = prepare(composed(*load_of(values, observed, tmp_path / "gap.csv"), "model=linear"))
    shown = [event.shown for event in experiment(ready.config, ready.data) if isinstance(event, Drawable)]
    forecasts = [one for one in shown if isinstance(one, ShownForecasts)]
    assert forecasts
    for one in forecasts:
        for start, context in zip(one.start, one.context, strict=True):
            np.testing.assert_array_equal(np.isnan(context), ~observed[start : start + len(context)])
    [end] = own_series(ready.config)
    assert end.scaler
    assert (*end.scaler.mean, *end.scaler.std) == (*ready.data.units.mean, *ready.data.units.std)
    np.testing.assert_array_equal(end.filled, ~observed[-len(end.values) :])


def test_a_channel_that_was_never_observed_in_training_is_refused(tmp_path: Path) -> None:
    values, observed = drawn(0)
    observed[:TRAIN, 1] = False
    with pytest.raises(Refused, match="the training part must have observed values of b, got none"):
        load_data(composed(*load_of(values, observed, tmp_path / "gap.csv")))


def test_what_has_too_few_observed_errors_for_intervals_is_said(tmp_path: Path) -> None:
    values, observed = drawn(0)
    observed[TRAIN : TRAIN + VAL, 0] = np.arange(VAL) % 10 == 0
    ready = prepared(*load_of(values, observed, tmp_path / "gap.csv"), "model=linear")
    assert calibrate(ready.data.val.truth, ready.data, 0.9) is None
    assert shape_of(ready).endswith("no 90% intervals, which take 9 validation origins that saw each step and channel")
