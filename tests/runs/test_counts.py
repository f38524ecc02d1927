"""Series that never go below zero: neither do forecasts nor their intervals, and scores are of these."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.baselines import fit_baselines
from tests.support.parts import config, given, go, leave_undrawn, train
from wavesweep.data.scaling import Scaler
from wavesweep.evaluation.beside_baselines import forecast_by
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.evaluation.scores import errors
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.preparation import Prepared, load_data, prepare
from wavesweep.models.weights import load_widths
from wavesweep.reproduction.forecasting import TrainedModel, own_series
from wavesweep.reproduction.tables import continuations, rolling
from wavesweep.workspace.directory import RunDirectory

SPLIT = (150, 60, 60)
LINEAR = ("model=linear", "model.order=14", "forecast.horizon=7", "dataset.season=[7]")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def sales(seed: int = 0) -> np.ndarray:
    """Return counts that are few on most days of a week, (time, 2), and what may be negative beside them."""
    draws = np.random.default_rng(seed)
    level = np.where(np.arange(sum(SPLIT)) % 7 < 5, 0.3, 8.0)
    return np.stack([draws.negative_binomial(2, 2 / (2 + level)), draws.normal(size=sum(SPLIT))], axis=1)


def prepared(values: np.ndarray | None = None) -> Prepared:
    return prepare(given([sales() if values is None else values], *LINEAR, split=SPLIT))


def test_a_channel_has_a_floor_where_no_value_before_the_test_part_is_negative() -> None:
    assert prepared().data.units.floor.tolist() == [0, -np.inf]
    late, early = sales(), sales()
    late[-1, 0], early[sum(SPLIT[:2]) - 1, 0] = -1, -1
    assert prepared(late).data.units.floor.tolist() == [0, -np.inf], "the test part tells nothing"
    assert prepared(early).data.units.floor.tolist() == [-np.inf, -np.inf]


def test_waves_have_none_even_where_they_are_positive() -> None:
    """How they go on is known."""
    assert load_data(config("dataset=cos_sin_squared")).units.floor.tolist() == [-np.inf]


def test_what_is_never_negative_is_never_forecast_so_and_better_for_it() -> None:
    """Each squared error falls or stays: zero lies between the forecast and the truth. Baselines keep to it too."""
    one = prepared()
    trainer, part = make_trainer(one.config, one.data), one.data.test
    train(trainer)
    assert part
    free = Scaler(one.data.scaler.mean, one.data.scaler.std)
    given_out, before = (forecast_part(trainer.network, units, part).closed_loop for units in (one.data.scaler, free))
    assert before[..., 0].min() < -0.1
    assert given_out[..., 0].min() == 0
    np.testing.assert_array_equal(given_out[..., 1], before[..., 1])
    assert (np.square(given_out - part.truth) <= np.square(before - part.truth)).all()
    assert errors(given_out, part, one.data.units).mean < errors(before, part, free).mean
    for baseline in fit_baselines(one.data).values():
        assert forecast_by(baseline, one.data, part)[..., 0].min() >= 0


class TestARun:
    @pytest.fixture
    def model(self, tmp_path: Path) -> TrainedModel:
        one, directory = prepared(), RunDirectory(tmp_path / "run")
        result = go(one.config, directory)
        assert one.data.test
        found = TrainedModel.load(one.config, directory.weights.read_bytes())
        ahead = forecast_part(found.network, one.data.scaler, one.data.test).closed_loop
        scored = errors(ahead, one.data.test, one.data.units).mean
        assert result.metrics["test/closed_loop_scaled_mse"] == scored, "of what is given out"
        widths = load_widths(directory.weights.read_bytes())
        assert widths is not None
        assert result.metrics["test/interval_width"] < 2 * widths.of_all.mean(), "of intervals that end at zero"
        return found

    def test_its_tables_hold_nothing_below_zero(self, model: TrainedModel) -> None:
        series = own_series(model.config)
        forecasts = model.forecast(series, 21)
        ahead = continuations(model.config.dataset.channels, series, forecasts, model.reach(series, forecasts))
        first, second = model.config.dataset.channels
        for table, least in ((ahead, 0.5), (rolling(model)[0], 0.0)):
            values, lower, upper = (table[f"{first}{bound}"].to_numpy() for bound in ("", "_lower", "_upper"))
            assert 0 <= values.min() <= 2 * least
            assert np.nanmin(lower) == 0
            assert (upper > values)[~np.isnan(upper)].all()
            assert np.nanmin(table[f"{second}_lower"].to_numpy()) < 0
        assert np.isnan(ahead[f"{first}_lower"].to_numpy()).sum() == 14, "beyond the horizon nothing is known"


def test_what_has_gone_below_zero_is_forecast_there(tmp_path: Path) -> None:
    falling = np.stack([np.linspace(60, -11, sum(SPLIT)), np.linspace(1, 2, sum(SPLIT))], axis=1)
    falling += 0.1 * np.random.default_rng(0).normal(size=falling.shape)
    one = prepared(falling)
    assert one.data.units.floor.tolist() == [0, 0]
    directory = RunDirectory(tmp_path)
    go(one.config, directory)
    model = TrainedModel.load(one.config, directory.read_weights())
    [ahead] = model.forecast(own_series(one.config))
    assert (ahead[:, 0] < 0).all()
    part = one.data.test
    assert part
    trainer = make_trainer(one.config, one.data)
    train(trainer)
    baselines = [forecast_by(each, one.data, part) for each in fit_baselines(one.data).values()]
    below = (part.context[..., 0] < 0).any(axis=1)
    for forecast in (forecast_part(trainer.network, one.data.scaler, part).closed_loop, *baselines):
        assert (forecast[~below, :, 0] >= 0).all()
    assert (forecast_part(trainer.network, one.data.scaler, part).closed_loop[below, -1, 0] < 0).all()
