"""How each series of a panel is forecast: against its windows taken alone."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.baselines import errors_by, fit_baselines
from tests.support.parts import given, go, leave_undrawn
from wavesweep.data.data import Data
from wavesweep.evaluation.beside_baselines import forecast_by
from wavesweep.evaluation.by_series import SeriesScores, mse_by_series, scores_by_series, telling_windows, to_csv
from wavesweep.evaluation.scores import errors
from wavesweep.evaluation.shown import ShownForecasts
from wavesweep.experiment.events import Drawable, Finished
from wavesweep.experiment.experiment import experiment
from wavesweep.experiment.preparation import load_data, prepare
from wavesweep.models.baseline_names import BASELINES
from wavesweep.workspace.directory import RunDirectory

LENGTHS = (90, 60, 120, 20)  # the last is too short to be scored


def series(channels: int = 1) -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    noise = [draws.normal(size=(length, channels)).cumsum(axis=0) for length in LENGTHS]
    noise[2][110:] += 50  # so that it is the worst
    return noise


def panel(channels: int = 1) -> Data:
    return load_data(given(series(channels), "forecast.horizon=3", panel=True))


@pytest.mark.parametrize("channels", [1, 2])
def test_each_has_the_scores_of_its_own_windows(channels: int) -> None:
    data = panel(channels)
    part, fitted = data.test, fit_baselines(data)
    assert part is not None
    ahead = forecast_by(fitted["drift"], data, part)
    validated, tested = errors_by(fitted, data, data.val), errors_by(fitted, data, part)
    rows = scores_by_series(ahead, errors(ahead, part, data.units), tested, validated, {"shop 1": 0.25}, part, data)
    assert [row.scaled_mse for row in rows] == sorted((row.scaled_mse for row in rows), reverse=True)
    assert {row.series for row in rows} == {"shop 0", "shop 1", "shop 2"}
    for row in rows:
        number = int(row.series[-1])
        alone, val = (one.only(one.series == number) for one in (part, data.val))
        own = forecast_by(fitted["drift"], data, alone)
        assert row.scaled_mse == pytest.approx(errors(own, alone, data.units).mean)
        assert row.coverage == (0.25 if number == 1 else None)
        assert row.mae == (pytest.approx(np.abs(own - alone.truth).mean()) if channels == 1 else None)
        best = {name: one.mean for name, one in errors_by(fitted, data, val).items()}
        key = min(best, key=lambda name: best[name])
        assert row.best_baseline == BASELINES[key]
        assert row.best_baseline_scaled_mse == pytest.approx(errors_by(fitted, data, alone)[key].mean)


def test_what_was_not_observed_tells_nothing() -> None:
    part = panel().test
    assert part is not None
    observed = np.random.default_rng(1).random(part.truth.shape) < 0.6
    observed[:, 0] = True
    some = part.only(slice(None))
    object.__setattr__(some, "observed", observed)
    units = panel().units
    found = mse_by_series(errors(np.zeros_like(some.truth), some, units), some)
    for number in (0, 1, 2):
        scaled = (some.truth / units.of(some.series).std)[some.series == number]
        assert found[number] == pytest.approx(np.square(scaled[observed[some.series == number]]).mean())


def test_the_windows_that_are_drawn_are_of_the_median_and_the_worst_series() -> None:
    part = panel().test
    assert part is not None
    found = errors(np.zeros_like(part.truth), part, panel().units)
    chosen, mse = telling_windows(found, part), mse_by_series(found, part)
    of = {which: part.series[window] for which, window in chosen.items()}
    assert [*of] == ["median", "worst"]
    assert mse[of["worst"]] == np.nanmax(mse)
    assert mse[of["median"]] == np.nanmedian(mse)
    for which, window in chosen.items():
        own = found.by_window[part.series == of[which]]
        assert abs((own < found.by_window[window]).sum() - (own > found.by_window[window]).sum()) <= 1


def test_a_forecast_that_runs_away_is_the_worst() -> None:
    part = panel().test
    assert part is not None
    ahead = np.where(part.series == 1, np.nan, 0.0)[:, None, None] * part.truth
    assert part.series[telling_windows(errors(ahead, part, panel().units), part)["worst"]] == 1


def test_a_run_leaves_them_as_a_file_and_draws_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)
    prepared = prepare(given(series(), "forecast.horizon=3", "model=linear", panel=True))
    directory = RunDirectory(tmp_path / "run")
    result = go(prepared.config, directory, data=prepared.data)
    table = pd.read_csv(directory.by_series)
    assert [*table] == ["series", "scaled_mse", "mae", "coverage", "best_baseline", "best_baseline_scaled_mse"]
    assert [*table.series] == [row.series for row in result.by_series]
    assert directory.by_series in directory.artifacts(), "trackers get it"
    [drawn] = [
        event.shown
        for event in experiment(prepared.config, prepared.data)
        if isinstance(event, Drawable) and event.name == "forecast"
    ]
    assert isinstance(drawn, ShownForecasts)
    worst, median, _ = [row.series for row in result.by_series]
    assert [label.partition(" from ")[0] for label in drawn.labels] == [median, worst]
    assert drawn.title.endswith(" · median and worst of 3 series")


def test_series_that_are_split_from_each_other_have_no_such_table() -> None:
    prepared = prepare(given([one[:60] for one in series()[:3]], "model=linear", split=(1, 1, 1)))
    [finished] = [event for event in experiment(prepared.config, prepared.data) if isinstance(event, Finished)]
    assert finished.result.by_series == []


def test_none_is_an_empty_cell() -> None:
    table = pd.read_csv(BytesIO(to_csv([SeriesScores("a,b", 0.5, None, None, "drift", 1.0)])))
    assert table.series[0] == "a,b"
    assert table[["mae", "coverage"]].isna().to_numpy().all()
