"""Laws of all divisions: one suite, whether the parts are series or stretches of time."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.parts import composed, given
from wavesweep.config.config import Config
from wavesweep.config.resolve import Outline, outline
from wavesweep.data.by_series import BySeries
from wavesweep.data.by_time import ByTime
from wavesweep.data.division import Division
from wavesweep.data.parts import Part
from wavesweep.experiment.preparation import prepare


def noise(*lengths: int) -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    return [draws.normal(size=(length, 3)) for length in lengths]


CASES: dict[str, tuple[type[Division], Callable[[], Config]]] = {
    "a series": (ByTime, lambda: given(noise(100), "forecast.horizon=4", "forecast.stride=3")),
    "no test part": (ByTime, lambda: given(noise(100), split=(80, 20, 0))),
    "a panel": (ByTime, lambda: given(noise(40, 61, 9), "forecast.context=9", panel=True)),
    "a wave": (ByTime, lambda: composed("dataset.num_series=1", "dataset.length=100")),
    "series": (BySeries, lambda: given(noise(*[40] * 7))),
    "series, a short context": (BySeries, lambda: given(noise(*[40] * 7), "forecast.context=5", split=(4, 3, 0))),
    "waves": (BySeries, lambda: composed("dataset.num_series=7", "dataset.length=40", "dataset.validation_series=2")),
}
WASHOUT = 2


@pytest.fixture(params=CASES)
def found(request: pytest.FixtureRequest) -> Outline:
    kind, config = CASES[request.param]
    found = outline(config())
    assert isinstance(found.division, kind)
    return found


def timeline_of(found: Outline) -> np.ndarray:
    """Return series in which each value occurs once, so that it is known again wherever it stands."""
    source, horizon = found.division.source, found.forecast.horizon
    steps = max(source.lengths) + (horizon if source.knows_continuation else 0)
    timeline = np.arange(source.shape[0] * steps * len(source.channels), dtype=float)
    timeline = timeline.reshape(source.shape[0], steps, -1)
    if not source.knows_continuation:
        for one, length in zip(timeline, source.lengths, strict=True):
            one[length:] = np.nan
    return timeline


def cut(found: Outline) -> dict[str, Part]:
    """Return the parts that are scored, by their names."""
    val, test = found.division.cut_windows(timeline_of(found), found.forecast, WASHOUT)
    return {"val": val} | ({"test": test} if test else {})


def scored(part: Part) -> set[float]:
    """Return the values that a part's predictions are compared with: of one step, and in closed loop."""
    both = np.concatenate([part.context, part.truth], axis=1)
    return {*part.truth.flat, *both[:, part.scored].flat}


def test_no_two_parts_are_scored_on_the_same_step_nor_sees_one_what_the_next_is_scored_on(found: Outline) -> None:
    parts = cut(found)
    if "test" in parts:
        assert not scored(parts["val"]) & scored(parts["test"])
        assert not {*parts["val"].context.flat} & scored(parts["test"])


def test_training_sees_nothing_that_is_scored(found: Outline) -> None:
    train = found.division.cut_training(timeline_of(found), found.forecast.horizon)
    assert [len(one) for one in train] == found.division.training_lengths(found.forecast.horizon)
    seen = {value for one in train for value in one.flat}
    assert seen
    for part in cut(found).values():
        assert not seen & scored(part)
        assert not np.isnan([*scored(part)]).any()


def test_windows_are_stretches_of_a_series_as_long_as_forecasts_are_configured(found: Outline) -> None:
    context, horizon = found.forecast.context, found.forecast.horizon
    timeline = timeline_of(found)
    for part in cut(found).values():
        assert len(part.start)
        assert (part.context.shape[1], part.truth.shape[1]) == (context, horizon)
        for number, start, *window in zip(part.series, part.start, part.context, part.truth, strict=True):
            assert np.array_equal(np.concatenate(window), timeline[number, start : start + context + horizon])


def test_labels_tell_windows_apart(found: Outline) -> None:
    for part in cut(found).values():
        labels = found.division.labels(part)
        assert len({*labels}) == len(labels) == len(part.start)


@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_ends_are_the_last_observed_steps_of_each_series(found: Outline, steps: int) -> None:
    source, timeline = found.division.source, timeline_of(found)
    ends = found.division.ends(timeline, steps)
    assert [one.name for one in ends] == [*source.names]
    for one, values, length in zip(ends, timeline, source.lengths, strict=True):
        assert one.start == max(length - steps, 0)
        assert np.array_equal(one.values, values[one.start : length])


def test_what_was_resolved_is_resolved_to_itself(found: Outline) -> None:
    division = found.division
    assert type(division).of(division.source, division.split) == division
    assert division.resolve_forecast(found.forecast, found.seasons or ()) == found.forecast
    assert division.resolve_standardize(found.training.standardize) == found.training.standardize
    resolved = prepare(found.written).config
    assert prepare(resolved).config == resolved
