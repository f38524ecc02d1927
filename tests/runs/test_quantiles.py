"""Quantiles of a run: in its tables, its scores and its intervals, by linear forecasts and by networks."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.parts import given, go, leave_undrawn
from wavesweep.experiment.preparation import prepare
from wavesweep.reproduction.forecasting import TrainedModel, own_series
from wavesweep.reproduction.tables import continuations, rolling
from wavesweep.workspace.directory import RunDirectory

SPLIT = (500, 150, 150)
ASKED = ("forecast.quantiles=[0.05,0.5,0.9]", "forecast.horizon=6", "dataset.season=[12]")
NETWORK = (
    "training.loss=quantile",
    "model.highway=true",
    "model.hidden_sizes=[8]",
    "model.members=2",
    "optimizer.lr=0.02",
)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def uneven() -> np.ndarray:
    """Return a season whose noise is loud in a half of it and low in the other, (time, 1)."""
    draws, time = np.random.default_rng(0), np.arange(sum(SPLIT))
    return (3 * np.sin(time / 12 * 2 * np.pi) + np.where(time % 12 < 6, 0.1, 2) * draws.normal(size=len(time)))[:, None]


def left(directory: Path, *overrides: str) -> tuple[TrainedModel, dict[str, float]]:
    one = prepare(given([uneven()], *overrides, split=SPLIT))
    result = go(one.config, run := RunDirectory(directory))
    return TrainedModel.load(one.config, run.weights.read_bytes()), result.metrics


def check_tables(model: TrainedModel, metrics: dict[str, float]) -> None:
    """See that columns hold what they promise, and are what was scored."""
    table = rolling(model)[0]
    [channel] = model.config.dataset.channels
    truth = table[f"{channel}_true"].to_numpy()
    lower, upper, *found = (table[f"{channel}_{name}"].to_numpy() for name in ("lower", "upper", "q05", "q50", "q90"))
    np.testing.assert_array_equal(found[1], table[channel].to_numpy())
    assert (np.diff(found, axis=0) >= 0).all()
    for values, level in zip(found, (0.05, 0.5, 0.9), strict=True):
        assert abs((truth <= values).mean() - level) < 0.08
    above = truth - np.array(found)
    level = np.array([0.05, 0.5, 0.9])[:, None]
    by_hand = 2 * np.maximum(level * above, (level - 1) * above).mean() / model.scaler.std.item()
    assert metrics["test/quantile_score"] == pytest.approx(by_hand)
    assert metrics["test/coverage"] == pytest.approx(((lower <= truth) & (truth <= upper)).mean())
    assert metrics["test/interval_width"] == pytest.approx((upper - lower).mean() / model.scaler.std.item())


def test_a_linear_forecast_has_them_by_its_errors(tmp_path: Path) -> None:
    model, metrics = left(tmp_path / "run", *ASKED, "model=linear", "model.order=24")
    assert model.widths is not None
    assert not model.widths.by_network
    check_tables(model, metrics)


def test_without_being_asked_for_there_are_none(tmp_path: Path) -> None:
    model, metrics = left(tmp_path / "run", *ASKED[1:], "model=linear", "model.order=24")
    assert model.widths is not None
    assert model.widths.offsets is None
    assert "test/quantile_score" not in metrics
    assert model.quantiles(own_series(model.config), [np.zeros((6, 1))]) is None


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, dict[str, float]]:
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        return left(tmp_path_factory.mktemp("network") / "run", *ASKED, *NETWORK)


class TestOfANetwork:
    def test_its_intervals_lie_between_them_where_that_is_better(
        self, found: tuple[TrainedModel, dict[str, float]]
    ) -> None:
        """As where the spread varies: narrower than those of the best baseline, and as much covered."""
        model, metrics = found
        assert model.widths is not None
        assert model.widths.by_network
        assert metrics["test/interval_width"] < 0.85 * metrics["test/baseline_interval_width"]
        assert 0.84 < metrics["test/coverage"] < 0.97
        assert metrics["test/interval_score"] < 0.85 * metrics["test/baseline_interval_score"]
        check_tables(model, metrics)

    def test_beyond_the_run_s_end_they_stand_in_the_table_too(
        self, found: tuple[TrainedModel, dict[str, float]]
    ) -> None:
        model, _ = found
        series = own_series(model.config)
        ahead = model.forecast(series, 9)
        levels, channels = model.config.forecast.quantiles, model.config.dataset.channels
        table = continuations(
            channels, series, ahead, model.reach(series, ahead), model.quantiles(series, ahead), levels
        )
        values = table[[f"{channels[0]}_{name}" for name in ("q05", "q50", "q90")]].to_numpy()
        assert np.isnan(values[6:]).all()
        assert (np.diff(values[:6], axis=1) >= 0).all()
        np.testing.assert_allclose(values[:6, 1], ahead[0][:6, 0], rtol=1e-5)
        np.testing.assert_allclose(values[:6, 0], table[f"{channels[0]}_lower"][:6], rtol=1e-5)

    def test_the_file_of_weights_holds_them(self, found: tuple[TrainedModel, dict[str, float]]) -> None:
        model, _ = found
        assert model.widths is not None
        assert model.widths.offsets is not None
        assert model.widths.offsets.shape == (4, 6, 1), "0.05, 0.5, 0.9, 0.95"
