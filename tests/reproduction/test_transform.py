"""Logarithms: what grows with its level is forecast by them, and scored, drawn and told as it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import wavesweep as ws
from hydra_queue_sweeper.base.errors import Refused
from tests.support.commands import call
from wavesweep.data.scaling import Scaler, measured
from wavesweep.experiment.preparation import load_data, prepare
from wavesweep.models.fitting import error_of_start
from wavesweep.served_model import ServedForecaster
from wavesweep.workspace.directory import RunDirectory

STEPS, AHEAD, SEASON = 240, 12, 12
DRAWS = np.random.default_rng(0)
TIME = np.arange(STEPS + AHEAD)
SHAPE = np.array([0.6, 0.7, 1.0, 0.9, 1.0, 1.2, 1.4, 1.4, 1.1, 0.9, 0.8, 1.0])
GROWS: Any = (
    100 * np.exp(0.01 * TIME) * np.resize(SHAPE, STEPS + AHEAD) * np.exp(0.02 * DRAWS.normal(size=STEPS + AHEAD))
)
STAYS: Any = 100 + 30 * np.resize(SHAPE, STEPS + AHEAD) + 2 * DRAWS.normal(size=STEPS + AHEAD)
LINES = (
    "dataset=csv", "model.hidden_sizes=[3]", "model.members=1", "training.epochs=2", "tracking.followers=[]",
    f"forecast.horizon={AHEAD}", f"dataset.season=[{SEASON}]",
)  # fmt: skip


def written(place: Path, values: np.ndarray) -> str:
    pd.DataFrame({"sales": values[:STEPS]}).to_csv(place / "sales.csv", index=False)
    return f"dataset.path={place}/sales.csv"


@pytest.mark.parametrize(("values", "chosen"), [(GROWS, "log1p"), (STAYS, "none")])
def test_validation_tells_whether_logarithms_are_better(values: np.ndarray, chosen: str, tmp_path: Path) -> None:
    path = written(tmp_path, values)
    config = prepare(ws.compose(*LINES, path, "dataset.transform=auto")).config
    assert config.dataset.chosen_transform == chosen
    assert prepare(config).config == config
    each = {one: load_data(ws.compose(*LINES, path, f"dataset.transform={one}")) for one in ("none", "log1p")}
    assert min(each, key=lambda one: error_of_start(each[one])) == chosen


def test_what_grows_is_scored_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, GROWS)
    plain, logs = (prepare(ws.compose(*LINES, path, f"dataset.transform={one}")).data for one in ("none", "log1p"))
    for one, other in ((plain.units, logs.units), (plain.val, logs.val), (plain.test, logs.test)):
        for key in ("mean", "std") if isinstance(one, Scaler) else ("context", "truth"):
            np.testing.assert_array_equal(getattr(one, key), getattr(other, key))
    assert logs.scaler.sees_logs
    np.testing.assert_array_equal(logs.scaler.unit, plain.scaler.std)
    scaled = logs.scaler.scale_each(logs.train)[0]
    np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(logs.scaler.unscale(scaled), logs.train[0], rtol=1e-12)


def test_seasons_are_found_in_logarithms(tmp_path: Path) -> None:
    grows = np.exp(0.08 * TIME) * np.resize(SHAPE, STEPS + AHEAD)
    lines = ("dataset=csv", written(tmp_path, grows), f"forecast.horizon={AHEAD}")
    found = {one: prepare(ws.compose(*lines, f"dataset.transform={one}")).data.seasons for one in ("none", "log1p")}
    assert found == {"none": (), "log1p": (SEASON,)}


def test_scaling_is_monotone_and_its_own_inverse() -> None:
    values = np.array([[0.0], [1e-9], [0.5], [3.0], [1e9]])
    scaler = measured(Scaler.pooled, [values], logs=True)
    assert (np.diff(scaler.scale(values), axis=0) > 0).all()
    np.testing.assert_allclose(scaler.unscale(scaler.scale(values)), values, rtol=1e-9, atol=1e-12)
    assert scaler.scale(np.array([[-5.0]])) == scaler.scale(np.array([[0.0]]))
    assert np.isinf(scaler.unscale(np.array([[1e9]])))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a run of logarithms."""
    place = tmp_path_factory.mktemp("logs")
    pd.DataFrame({"sales": GROWS[:STEPS]}).to_csv(place / "sales.csv", index=False)
    lines = (*LINES, "dataset.path=sales.csv", "dataset.transform=auto", "forecast.quantiles=[0.1,0.9]")
    done = call(*lines, "hydra.run.dir=outputs/runs/one", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "; log(1 + value) is forecast" in done.stdout + done.stderr
    return place


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> ws.Run:
    monkeypatch.chdir(place)
    return ws.open_run("outputs/runs/one")


def test_the_forecast_grows_as_the_series_does(run: ws.Run) -> None:
    lower, ahead, upper = run.forecast(bounds=True)[:, 0, :, 0]
    np.testing.assert_allclose(ahead, GROWS[STEPS:], rtol=0.12)
    assert ((lower < ahead) & (ahead < upper)).all()
    assert 10 < (upper - lower).min() < (upper - lower).max() < GROWS[STEPS:].max()


def test_values_that_are_brought_are_forecast_alike(run: ws.Run) -> None:
    np.testing.assert_allclose(run.forecast(GROWS[:STEPS]), run.forecast(), rtol=1e-5)
    with pytest.raises(Refused) as refused:
        run.forecast(np.append(GROWS[:STEPS], -3.0))
    assert str(refused.value) == (
        "series 0: must have no value below 0 for a run of dataset.transform=log1p, got -3 in sales, step 240; "
        "train one of transform=none"
    )


def test_the_command_and_what_is_served_give_the_same(run: ws.Run, place: Path) -> None:
    done = call("forecast", "outputs/runs/one", "--output", "ahead.csv", cwd=place)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(place / "ahead.csv")
    np.testing.assert_allclose(table.sales, run.forecast()[0, :, 0], rtol=1e-2)
    assert (table["sales_q90"].to_numpy() > table["sales_q10"].to_numpy() + 10).all()
    served = ServedForecaster(RunDirectory(run.path / "model" / "data"))
    frame = pd.DataFrame({"sales": GROWS[:STEPS]})
    np.testing.assert_array_equal(served.predict(frame).sales, run.forecast(frame)[0, :, 0])


@pytest.mark.usefixtures("run")
def test_a_run_of_it_is_reproduced(place: Path) -> None:
    assert call("reproduce", "outputs/runs/one", cwd=place).returncode == 0


def test_scores_are_of_values(run: ws.Run) -> None:
    data, metrics = load_data(run.config), run.result.metrics
    squared = metrics["test/closed_loop_scaled_mse"] * float(data.units.std[0]) ** 2
    assert metrics["test/closed_loop_mse"] == pytest.approx(squared)
    last = GROWS[STEPS - AHEAD - 1 : STEPS].std()
    assert 1 < squared**0.5 < last, "in units of the data"
    assert squared < 0.5 * metrics["test/naive_scaled_mse"] * float(data.units.std[0]) ** 2


def test_a_test_part_that_dips_below_zero_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked back at counts as 0 there; a forecast from such values is asked for in vain."""
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"sales": np.where(TIME >= STEPS - 3, -1.0, GROWS)[:STEPS]})
    run = ws.run(ws.compose(*LINES, "dataset.transform=log1p"), data=table)
    assert np.isfinite(run.result.metrics["test/closed_loop_scaled_mse"])
    with pytest.raises(Refused, match=r"must have no value below 0 for a run of .*, got -1 in sales"):
        run.forecast()


@pytest.mark.parametrize(
    "asked",
    [
        ("model=linear",),
        ("model=linear", "forecast.refit=validation"),
        ("training.loss=quantile", "forecast.quantiles=[0.1,0.5,0.9]", "model.hidden_sizes=[3]", "training.epochs=2"),
        ("dataset.missing=interpolate", "model.hidden_sizes=[3]", "training.epochs=2"),
    ],
    ids=" ".join,
)
def test_whatever_forecasts_turns_them_back(
    asked: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two channels of unlike size, with gaps where these may be."""
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"sales": GROWS[:STEPS], "far": 1000 * GROWS[:STEPS]})
    if "dataset.missing=interpolate" in asked:
        table.loc[[20, 21, 230], "sales"] = np.nan
    lines = ("dataset=csv", "tracking.followers=[]", f"forecast.horizon={AHEAD}", f"dataset.season=[{SEASON}]")
    run = ws.run(ws.compose(*lines, "dataset.transform=log1p", *asked), data=table)
    expected = np.stack([GROWS[STEPS:], 1000 * GROWS[STEPS:]], axis=1)
    lower, ahead, upper = run.forecast(bounds=True)[:, 0]
    np.testing.assert_allclose(ahead, expected, rtol=0.2)
    assert ((lower < ahead) & (ahead < upper)).all()
    if "model=linear" in asked:
        metrics = run.result.metrics
        assert metrics["val/kept_scaled_mse"] == pytest.approx(metrics["val/linear_scaled_mse"], rel=1e-6)


@pytest.mark.parametrize("standardize", ["global", "series", "false"])
def test_series_side_by_side_each_have_their_own_scale(
    standardize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    each = {"a": 1.0, "b": 900.0}
    table = pd.concat([pd.DataFrame({"series": name, "sales": by * GROWS[:STEPS]}) for name, by in each.items()])
    asked = (*LINES, "dataset.transform=log1p", f"training.standardize={standardize}")
    run = ws.run(ws.compose(*asked), data=table)
    ahead = np.array([*each.values()])[:, None, None] * GROWS[STEPS:, None]
    np.testing.assert_allclose(run.forecast(), ahead, rtol=0.15)
    brought = run.forecast(30 * GROWS[:STEPS], bounds=True)[:, 0, :, 0]
    np.testing.assert_allclose(brought[1], 30 * GROWS[STEPS:], rtol=0.15)
    assert (brought[2] > brought[0] + 10).all()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("dataset.transform=log1p",),
            "takes values of at least 0, got -1 in column sales; give dataset.transform=none",
        ),
        (
            ("dataset.transform=log1p", "dataset.known=[promoted]"),
            "must stand without known inputs, got promoted known in advance; give dataset.transform=none",
        ),
    ],
)
def test_what_has_no_logarithm_is_refused(overrides: tuple[str, ...], said: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"sales": np.where(TIME == 7, -1, GROWS), "promoted": TIME % 2})
    columns = ["sales", "promoted"] if len(overrides) > 1 else ["sales"]
    table[columns].to_csv(tmp_path / "sales.csv", index=False)
    asked = (*LINES, f"dataset.path={tmp_path}/sales.csv")
    with pytest.raises(Refused) as refused:
        prepare(ws.compose(*asked, *overrides))
    assert str(refused.value) == f"dataset.transform=log1p {said}"
    auto = [one.replace("log1p", "auto") for one in overrides]
    assert prepare(ws.compose(*asked, *auto)).config.dataset.chosen_transform == "none"
