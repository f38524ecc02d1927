"""A run that knows what multiplies: networks that see what is known join its forecast, and go on as stored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import wavesweep as ws
from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.resolve import without_effect
from wavesweep.evaluation.forecasting import forecast_part, quantiles_of_part
from wavesweep.evaluation.metric_names import SHARE
from wavesweep.experiment.preparation import known_of, load_data, prepare
from wavesweep.models.highway_network import HighwayForecaster
from wavesweep.models.weights import load_network
from wavesweep.reproduction.forecasting import TrainedModel
from wavesweep.reproduction.frames import series_of_frame
from wavesweep.workspace.directory import RunDirectory

STEPS, HORIZON = 1400, 7
LINES = (
    "dataset=csv", "dataset.known=[promoted,price]", "dataset.calendar=[weekday]", "dataset.season=[7]",
    f"forecast.horizon={HORIZON}", "model.memories=[]", "model.hidden_sizes=[16]", "training.record_every=50",
    "tracking.followers=[]",
)  # fmt: skip

SHOPS = {"one": 1.0, "two": 30.0}


def shop(steps: int = STEPS) -> Any:
    """Return sales that a level, a weekday, promotions and a price multiply: what no sum of two of them tells."""
    draws = np.random.default_rng(0)
    days: Any = pd.date_range("2022-01-03", periods=steps, name="day")
    promoted, price = draws.integers(0, 2, steps), draws.uniform(0, 1, steps)
    level = 1 + 0.5 * np.sin(np.arange(steps) / 20)
    week = np.array([0.2, 0.4, 0.6, 0.8, 1.0, 1.6, 2.0])[days.day_of_week]
    sales = 10 * level * week * (1 + promoted * (1 - price)) + 0.3 * draws.normal(size=steps)
    return pd.DataFrame({"sales": sales, "promoted": promoted, "price": price}, days)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ws.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("shop"))
        return ws.run(ws.compose(*LINES), data=shop())


def test_networks_learn_what_regressions_can_t(run: ws.Run) -> None:
    metrics = run.result.metrics
    assert metrics[f"{SHARE}known"] > 0.3
    best = min(metrics[f"test/{name}_scaled_mse"] for name in ("linear", "combined"))
    assert metrics["test/closed_loop_scaled_mse"] < 0.9 * best


def test_without_them_there_is_nothing_of_the_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = ws.run(ws.compose(*LINES, "model.known=[]", "training.epochs=1"), data=shop(300))
    assert f"{SHARE}known" not in run.result.metrics
    assert run.config.model.known == ()  # type: ignore[union-attr]


def test_what_is_stored_forecasts_as_what_was_tested(run: ws.Run) -> None:
    """From rows of a table whose last ones have no sales, and of a longer context than windows have."""
    data = load_data(run.config)
    assert data.test
    last = data.test.only(np.array([len(data.test.start) - 1]))
    content = RunDirectory(run.path).read_weights()
    config = run.config
    dtype = config.runtime.dtype
    network, scaler = load_network(config.model, HORIZON, dtype, config.loss, content)
    tested = forecast_part(network, scaler, last).closed_loop[0]
    table = shop()
    table.loc[table.index[-HORIZON:], "sales"] = np.nan
    np.testing.assert_allclose(run.forecast(table)[0], tested, rtol=1e-4)
    changed = table.copy()
    changed.loc[changed.index[-3], "promoted"] = 1 - changed.promoted.iloc[-3]
    differences = np.abs(run.forecast(changed) - run.forecast(table))[0, :, 0]
    assert (differences[[0, 1, 2, 3, 5, 6]] < 1e-4).all()
    assert differences[4] > 1


@pytest.mark.parametrize("loss", ["squared", "quantile"])
@pytest.mark.parametrize("standardize", ["global", "series", "false"])
def test_series_of_a_panel_go_on_as_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standardize: str, loss: str
) -> None:
    """By networks of what is known alone, whatever validation says."""

    def give_all(network: HighwayForecaster, *_: object) -> None:
        network.shares.copy_(torch.tensor([0.0, 1.0]))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HighwayForecaster, "combine", give_all)
    tables = [shop(300).assign(shop=name, sales=lambda table, by=by: by * table.sales) for name, by in SHOPS.items()]
    table = pd.concat(tables).reset_index()
    scaling = (f"training.standardize={standardize}", f"training.loss={loss}", "dataset.series_column=shop")
    run = ws.run(ws.compose(*LINES, *scaling, "training.epochs=5", "training.keep=last"), data=table)
    data, config, content = load_data(run.config), run.config, RunDirectory(run.path).read_weights()
    model = TrainedModel.load(config, content)
    assert data.test
    last = data.test.only(np.array([np.flatnonzero(data.test.series == number)[-1] for number in range(len(SHOPS))]))
    expected = forecast_part(model.network, data.scaler, last).closed_loop
    table.loc[table.groupby("shop").tail(HORIZON).index, "sales"] = np.nan
    found = series_of_frame(config, table)
    series = [replace(one, scaler=data.units.only(number), number=number) for number, one in enumerate(found)]
    forecasts = model.forecast(series)
    np.testing.assert_allclose(forecasts, expected, rtol=1e-3)
    quantiles = quantiles_of_part(model.network, data.scaler, last)
    if quantiles is not None:
        pooled = None if standardize == "series" else data.scaler.without_floor()
        own = model._quantiles_of_network(pooled, series[1], HORIZON)
        np.testing.assert_allclose(np.maximum(own, 0), quantiles[:, 1], rtol=1e-3)


def test_series_are_told_apart_from_each_other(run: ws.Run) -> None:
    """One call forecasts series of different lengths, each by what is known of it."""
    model = TrainedModel.load(run.config, RunDirectory(run.path).read_weights())
    tables = [shop(steps) for steps in (400, 500)]
    for table in tables:
        table.loc[table.index[-HORIZON:], "sales"] = np.nan
    series = [series_of_frame(run.config, table.reset_index())[0] for table in tables]
    both = model.forecast(series)
    for one, alone in zip(both, series, strict=True):
        np.testing.assert_allclose(one, model.forecast([alone])[0], rtol=1e-6)


def test_a_line_tells_that_effects_were_left_out(tmp_path: Path) -> None:
    shop(300).to_csv(tmp_path / "shop.csv")
    written = ws.compose(*LINES, f"dataset.path={tmp_path}/shop.csv", "dataset.effects=[]")
    assert known_of(prepare(written)).endswith("dataset.effects=[], so that regressions are told nothing of it")


def test_where_nothing_is_known_it_is_said_to_have_no_effect(tmp_path: Path) -> None:
    shop(300)[["sales"]].to_csv(tmp_path / "shop.csv")
    told, untold = LINES, [line for line in LINES if "known" not in line and "calendar" not in line]
    shop(300).to_csv(tmp_path / "told.csv")
    for lines, name in ((told, "told"), (untold, "shop")):
        prepared = prepare(ws.compose(*lines, f"dataset.path={tmp_path}/{name}.csv"))
        reasons = without_effect(prepared.config, prepared.data.division)
        assert ("model.known" in reasons) == (name == "shop")


def test_of_more_than_can_be_held_they_see_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wavesweep.data.data.MOST_KNOWN", 1000)
    run = ws.run(ws.compose(*LINES, "training.epochs=1"), data=shop(300))
    assert run.config.model.known == ()  # type: ignore[union-attr]
    assert run.forecast(future=shop(310)[["promoted", "price"]][-10:]).shape == (1, 10, 1)


def test_how_far_they_look_back_must_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match=r"model\.known must"):
        ws.run(ws.compose(*LINES, "model.known=[7,900]"), data=shop(300))
