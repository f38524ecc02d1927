"""Whole runs in which networks of the last values forecast, and what is said of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wavesweep as ws
from tests.support.parts import given, go, leave_undrawn
from wavesweep.config.config import Resolved
from wavesweep.experiment.description import description
from wavesweep.experiment.joined import joined
from wavesweep.experiment.preparation import prepare
from wavesweep.experiment.result import Result
from wavesweep.workspace.directory import RunDirectory


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def logistic(test: float = 1.0) -> np.ndarray:
    """Return steps of a logistic map, (time, 1), of which no line tells anything; the last 60 times a number."""
    values = [0.4]
    for _ in range(359):
        values.append(3.8 * values[-1] * (1 - values[-1]))
    values[-60:] = [test * value for value in values[-60:]]
    return np.array(values)[:, None]


def learnt(path: Path, series: np.ndarray, *overrides: str) -> tuple[Resolved, Result, bytes]:
    asked = ("model.hidden_sizes=[8]", "model.members=2", "model.memories=[2]", "model.memory=4", "forecast.horizon=2")
    prepared = prepare(
        given([series], *asked, "training.epochs=40", "forecast.context=20", *overrides, split=(240, 60, 60))
    )
    directory = RunDirectory(path)
    return prepared.config, go(prepared.config, directory), directory.weights.read_bytes()


def test_a_nonlinear_law_is_learnt_and_it_is_said_by_what(tmp_path: Path) -> None:
    config, result, _ = learnt(tmp_path, logistic())
    metrics = result.metrics
    assert metrics["test/closed_loop_scaled_mse"] < 0.3 * metrics["test/linear_scaled_mse"]
    shares = [metrics[f"share/{part}"] for part in ("start", "corrected", "last_2")]
    assert sum(shares) == pytest.approx(1)
    assert shares[2] == max(shares)
    assert "networks of the last 2 values" in description(config, result)


def test_shares_are_of_what_known_values_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    promoted = np.random.default_rng(0).integers(0, 2, 360)
    table = pd.DataFrame({"sales": logistic()[:, 0] + 5 * promoted, "promoted": promoted})
    asked = ("model.hidden_sizes=[8]", "model.members=2", "model.memories=[2]", "model.memory=4", "forecast.horizon=2")
    lines = (
        "dataset=csv",
        "dataset.known=[promoted]",
        "training.epochs=40",
        "forecast.context=20",
        "dataset.season=[]",
    )
    metrics = ws.run(ws.compose(*asked, *lines, "tracking.followers=[]"), data=table).result.metrics
    assert metrics["share/last_2"] > 0.5
    assert metrics["test/closed_loop_scaled_mse"] < 0.8 * metrics["test/linear_scaled_mse"]


def test_nothing_of_the_test_part_enters(tmp_path: Path) -> None:
    *_, weights = learnt(tmp_path / "one", logistic())
    *_, others = learnt(tmp_path / "other", logistic(test=7.0))
    assert weights == others


@pytest.mark.parametrize("optimizer", ["lbfgs", "sgd"])
def test_any_optimizer_trains_them_and_a_refinement_follows(tmp_path: Path, optimizer: str) -> None:
    _, result, _ = learnt(
        tmp_path, logistic(), f"optimizer={optimizer}", "training.epochs=4", "training.refine_epochs=2"
    )
    assert not result.diverged


def test_the_largest_share_is_said_first_and_what_has_none_is_not_said() -> None:
    shares = {"share/start": 0.15, "share/corrected": 0.0, "share/last_2": 0.6, "share/last_24": 0.25, "test/mase": 1.0}
    parts = "networks of the last 2 values (60%), networks of the last 24 values (25%), ridge (15%)"
    assert joined("ridge", shares) == [f"The forecast joins {parts}."]
    assert joined("ridge", {"share/corrected": 1.0}) == ["The forecast is by ridge corrected by networks."]
    assert joined("ridge", {"test/mase": 1.0}) == []
