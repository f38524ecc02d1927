"""Whole runs of networks beside a linear autoregression."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.baselines import fit_baselines
from tests.support.parts import given, go, kept_network, leave_undrawn, save_each_epoch
from tests.support.records import rows
from wavesweep.evaluation.beside_baselines import forecast_by
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.experiment.description import verdict
from wavesweep.experiment.preparation import Prepared, prepare
from wavesweep.runs.checkpoints import load_checkpoint
from wavesweep.workspace.directory import RunDirectory

SIZES = ("model.hidden_sizes=[3]", "model.members=2", "model.memory=8", "forecast.horizon=3", "training.batch_size=4")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def noisy(*overrides: str, split: tuple[int, int, int] | None = None) -> Prepared:
    """Prepare a series of which nobody can say more than a line does."""
    draws = np.random.default_rng(3).normal(size=(300, 2))
    for step in range(2, len(draws)):
        draws[step] += 1.2 * draws[step - 1] - 0.6 * draws[step - 2]
    return prepare(given([draws], *SIZES, *overrides, split=split))


def test_a_run_goes_on_from_any_checkpoint_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though dropout, noise and windows are drawn anew at each step."""
    save_each_epoch(monkeypatch)
    prepared = noisy("training.epochs=4", "optimizer.lr=0.05", "training.keep=last", "training.record_every=1")
    straight = RunDirectory(tmp_path / "straight")

    def copy(epoch: int, *_: object) -> None:
        shutil.copytree(straight.path, tmp_path / f"{epoch - 1}")

    expected = go(prepared.config, straight, copy)
    for epoch in (1, 3):
        resumed, heard = RunDirectory(tmp_path / f"{epoch}"), []
        torch.manual_seed(999)
        result = go(
            prepared.config, resumed, lambda number, *_, heard=heard: heard.append(number), load_checkpoint(resumed)
        )
        assert heard == list(range(epoch + 1, 5))
        assert (result.epoch, result.objective) == (expected.epoch, expected.objective) == (4, expected.objective)
        assert resumed.weights.read_bytes() == straight.weights.read_bytes()
        assert json.dumps(rows(resumed)) == json.dumps(rows(straight))


@pytest.mark.parametrize("split", [None, (240, 18, 42)], ids=["some are watched", "all are watched"])
def test_a_run_that_training_did_not_help_forecasts_as_linear_autoregression(
    directory: RunDirectory, split: tuple[int, int, int] | None
) -> None:
    prepared = noisy("training.epochs=2", "optimizer.lr=1e-4", "model.start=autoregression", split=split)
    result, data = go(prepared.config, directory), prepared.data
    assert result.epoch == 0
    assert "model=linear does the same" in verdict(prepared.config, result)
    network, scaler = kept_network(prepared.config, directory)
    linear = fit_baselines(data)["linear"]
    for part in (data.val, data.test):
        assert part
        found, by_hand = forecast_part(network, scaler, part).closed_loop, forecast_by(linear, data, part)
        np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-4)
    assert result.objective == result.metrics["val/kept_scaled_mse"]
    assert result.objective == pytest.approx(result.metrics["val/linear_scaled_mse"], rel=1e-4)
    assert result.metrics["test/closed_loop_scaled_mse"] == pytest.approx(
        result.metrics["test/linear_scaled_mse"], rel=1e-4
    )
    assert [row["epoch"] for row in directory.read_metrics() if row.get("epoch")] == [1, 2]
