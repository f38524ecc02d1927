"""The whole experiment: what reaches training, what is kept, what is left on disk."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.following import carry_out
from tests.support.parts import (
    config,
    given,
    go,
    kept_network,
    leave_undrawn,
    losses,
    save_each_epoch,
    small,
    train,
    trainer,
)
from tests.support.records import rows
from wavesweep.data.parts import Part
from wavesweep.evaluation.forecasting import forecast_part
from wavesweep.evaluation.scores import scores
from wavesweep.evaluation.shown import ShownErrors, unpack
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.preparation import load_data, prepare
from wavesweep.models.baseline_names import BASELINES
from wavesweep.runs.checkpoints import load_checkpoint
from wavesweep.training.trainer import GradientDescent
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

OF_WAVES = BASELINES.keys() - {"ridge", "mean", "croston", "tsb"}
"""Baselines of series that are forecast as far again as they are long."""


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_undrawn(monkeypatch)


def names(directory: RunDirectory) -> set[str]:
    """Return the names of a run's pictures."""
    return {path.name for path in directory.plots.iterdir()}


def test_a_run_leaves_its_files(directory: RunDirectory) -> None:
    result = go(small(), directory)
    directory.remove_leftovers()
    assert sorted(path.name for path in directory.path.iterdir()) == [
        "metrics.jsonl", "model.safetensors", "plots", "shown",
    ]  # fmt: skip
    epochs = {f"forecast_epoch_{epoch:03d}.png" for epoch in (1, result.epoch, 4)}
    assert names(directory) == {"forecast.png", "drift.png", "learning_curve.png"} | epochs
    rows = directory.read_metrics()
    assert [row.get("epoch") for row in rows] == [1, 2, 3, 4, None]
    recorded = {"train/loss", "val/one_step_mse", "val/closed_loop_mse", "val/closed_loop_scaled_mse"}
    once = {"test/one_step_mse", "test/closed_loop_mse", "test/closed_loop_scaled_mse", "test/closed_loop_scaled_mae"}
    once |= {"test/mase", "test/gain", "time/train_seconds", "cost/loss_evaluations", "objective"}
    once |= {"val/kept_scaled_mse"} | {f"{part}/{name}_scaled_mse" for part in ("val", "test") for name in OF_WAVES}
    assert all(row.keys() == recorded | {"epoch", "timestamp", "seconds", "evaluations"} for row in rows[:-1])
    assert rows[-1].keys() == once | {"timestamp"}


@pytest.mark.usefixtures("undrawn")
def test_a_linear_model_s_drift_is_its_own(directory: RunDirectory) -> None:
    """Not that of the linear baseline, which has another order."""
    result = go(small("model=linear", "model.order=1"), directory)
    shown = unpack((directory.shown / "drift.safetensors").read_bytes())
    assert isinstance(shown, ShownErrors)
    drawn = shown.errors
    assert {*drawn} == {"this run", *OF_WAVES}
    assert drawn["this run"].mean() == pytest.approx(result.metrics["test/closed_loop_scaled_mse"])
    assert drawn["linear"].mean() == pytest.approx(result.metrics["test/linear_scaled_mse"])


@pytest.mark.usefixtures("undrawn")
def test_the_epoch_with_the_best_validation_is_kept_and_stored(directory: RunDirectory) -> None:
    resolved = small("training.epochs=12", "training.refine_epochs=0")
    result = go(resolved, directory)
    rows = [row for row in directory.read_metrics() if "train/loss" in row]
    best = min(rows, key=lambda row: row[resolved.objective])
    assert (result.epoch, result.objective) == (best["epoch"], best[resolved.objective])
    network, scaler = kept_network(resolved, directory)
    data = load_data(resolved)
    assert (
        scores(forecast_part(network, scaler, data.val), data.val, data.units)["closed_loop_mse"]
        == (best["val/closed_loop_mse"])
    )


@pytest.mark.usefixtures("undrawn")
def test_the_article_keeps_the_last_epoch(directory: RunDirectory) -> None:
    result = go(small("training=article", "training.epochs=5", "training.refine_epochs=0", "optimizer=sgd"), directory)
    assert result.epoch == 5
    assert {f"forecast_epoch_{epoch:03d}.png" for epoch in range(1, 6)} <= names(directory)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("refine_epochs", [0, 30])
def test_patience_ends_the_last_stage_early(directory: RunDirectory, refine_epochs: int) -> None:
    stages = ("training.epochs=30", f"training.refine_epochs={refine_epochs}", "training.patience=4")
    rate = ("optimizer=sgd", "optimizer.lr=1e-12") if not refine_epochs else ()
    result = go(small("dataset.length=16", *stages, *rate), directory)
    last = [row["epoch"] for row in directory.read_metrics() if "epoch" in row][-1]
    began = 30 if refine_epochs else 0  # where the stage that may end early begins
    assert last == max(result.epoch, began) + 4 < began + 30


@pytest.mark.parametrize("override", ["optimizer=adam", "optimizer=lbfgs", "model=linear"])
@pytest.mark.parametrize("noise", [1.0, np.nan, np.inf])
def test_nothing_but_the_training_part_reaches_training(override: str, noise: float) -> None:
    """The losses and weights are the same whatever validation, test and continuation hold."""
    resolved = small("dataset.length=16", override)
    data = load_data(resolved)
    rng = np.random.default_rng(0)

    def spoilt(part: Part | None) -> Part:
        assert part is not None
        others = {name: noise * rng.normal(size=getattr(part, name).shape) for name in ("context", "truth")}
        return replace(part, **others)

    expected, weights = trained(override)
    subject = make_trainer(resolved, replace(data, val=spoilt(data.val), test=spoilt(data.test)))
    assert losses(train(subject)) == expected
    assert all(torch.equal(value, weights[name]) for name, value in subject.network.state_dict().items())


@cache
def trained(override: str) -> tuple[list[float], dict[str, torch.Tensor]]:
    subject = trainer(small("dataset.length=16", override))
    return losses(train(subject)), subject.network.state_dict()


@pytest.mark.usefixtures("undrawn")
def test_the_test_part_never_chooses(directory: RunDirectory) -> None:
    resolved = small("training.epochs=8")
    data = load_data(resolved)
    assert data.test is not None
    spoilt = replace(data, test=replace(data.test, truth=-data.test.truth, context=-data.test.context))
    other = RunDirectory(directory.path.parent / "other")
    other.path.mkdir()
    first = go(resolved, directory, data=data)
    second = go(resolved, other, data=spoilt)
    assert (first.epoch, first.objective) == (second.epoch, second.objective)
    assert directory.weights.read_bytes() == other.weights.read_bytes()


SCRIPT = """
import sys
from pathlib import Path
from pytest import MonkeyPatch
from tests.support.parts import go, leave_undrawn, small
from wavesweep.workspace.directory import RunDirectory
leave_undrawn(MonkeyPatch())
go(small(*sys.argv[2:]), RunDirectory(Path(sys.argv[1])))
"""


def go_in_a_fresh_process(directory: RunDirectory, *overrides: str) -> None:
    script = [sys.executable, "-c", SCRIPT, str(directory.path), *overrides]
    subprocess.run(script, check=True, cwd=Path(__file__).parents[2])


def left(directory: RunDirectory) -> tuple[bytes, str, set[str]]:
    """Return what a run has left that another must leave too: weights, records less the time they took, pictures."""
    return directory.weights.read_bytes(), json.dumps(rows(directory)), names(directory)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_in_a_fresh_process(directory: RunDirectory, tmp_path: Path) -> None:
    """As in this one, whatever it has done before."""
    fresh = RunDirectory(tmp_path / "fresh")
    go(small(), directory)
    go_in_a_fresh_process(fresh)
    assert left(fresh) == left(directory)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_in_fresh_processes(tmp_path: Path) -> None:
    first, second = RunDirectory(tmp_path / "first"), RunDirectory(tmp_path / "second")
    for directory in (first, second):
        go_in_a_fresh_process(directory, "optimizer=lbfgs", "model.dropout=0.3")
    assert left(first) == left(second)


def test_seed_0_is_a_seed() -> None:
    torch.manual_seed(1234)  # whatever came before
    first = trainer(small("seed=0")).network.state_dict()
    torch.manual_seed(4321)
    again = trainer(small("seed=0")).network.state_dict()
    other = trainer(small("seed=1")).network.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "sgd"])
def test_a_run_goes_on_from_any_checkpoint_to_the_same_end(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_each_epoch(monkeypatch)
    # The second half of the refinement, which looks further ahead, begins within a round.
    stages = ("training.epochs=4", "training.refine_epochs=5", "training.refine_restart_every=4", "training.window=6")
    resolved = small(f"optimizer={optimizer}", "dataset.length=24", *stages)
    straight = RunDirectory(tmp_path / "straight")

    def copy(epoch: int, *_: object) -> None:
        shutil.copytree(straight.path, tmp_path / str(epoch - 1))

    expected = go(resolved, straight, copy)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*"012345678", "straight"]
    for epoch in (3, 4, 5, 7, 8) if optimizer == "adam" else (3, 5):
        resumed = RunDirectory(tmp_path / str(epoch))
        heard = []
        torch.manual_seed(999)
        result = go(resolved, resumed, lambda epoch, *_, heard=heard: heard.append(epoch), load_checkpoint(resumed))
        assert heard == list(range(epoch + 1, 10)), "it began anew"
        assert (result.epoch, result.objective) == (expected.epoch, expected.objective)
        assert left(resumed) == left(straight)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("record_every", [1, 7])
def test_a_kill_costs_at_most_two_seconds_or_the_epoch_that_it_cut_short(
    record_every: int, directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of its own, on which epochs last from an instant to five seconds; recorded or not."""
    now, lasted, repeated = 0.0, [0.0], []
    chance, train_epoch = np.random.default_rng(0), GradientDescent.train_epoch

    def train_and_wait(self: GradientDescent) -> float:
        nonlocal now
        saved = load_checkpoint(directory)
        lasted.append(float(chance.choice([0.01, 0.3, 0.9, 1.0, 5.0])))
        now += lasted[-1]
        repeated.append(sum(lasted[saved.state["training"]["epoch"] + 1 if saved else 1 :]))
        return train_epoch(self)

    monkeypatch.setattr(GradientDescent, "train_epoch", train_and_wait)
    monkeypatch.setattr("wavesweep.runs.checkpoints.monotonic", lambda: now)
    written: list[int] = []
    save = RunDirectory.save_checkpoint
    monkeypatch.setattr(RunDirectory, "save_checkpoint", lambda *to: (written.append(1), save(*to)))
    go(small("training.epochs=60", "training.refine_epochs=0", f"training.record_every={record_every}"), directory)
    assert len(repeated) == 60
    for seconds, last in zip(repeated, lasted[1:], strict=True):
        assert seconds < max(2.0, 1.0 + last) + 1e-9
    assert 10 < len(written) <= sum(lasted)


def test_a_diverged_run_keeps_its_best_finite_weights(directory: RunDirectory) -> None:
    resolved = small("optimizer=sgd", "optimizer.lr=1e30", "optimizer.schedule=constant", "training.clip_norm=0")
    result = go(resolved, directory)
    assert result.diverged
    assert math.isnan(result.objective)
    network, _ = kept_network(resolved, directory)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    rows = directory.read_metrics()
    assert rows[-2]["train/loss"] is None
    assert not any(key.startswith("test/") for row in rows for key in row)
    assert (directory.plots / "forecast.png").exists()


@pytest.mark.usefixtures("undrawn")
def test_weights_that_are_not_finite_are_never_kept(directory: RunDirectory) -> None:
    """Batches report the loss before their step, so it may be finite when the weights are not."""
    resolved = config("experiment=article/minutes", "optimizer.lr=1e37", "training.epochs=3", "training.record_every=1")
    assert go(resolved, directory).diverged
    network, _ = kept_network(resolved, directory)
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.usefixtures("undrawn")
def test_a_pointwise_network_learns_games_by_heart(directory: RunDirectory) -> None:
    resolved = config("experiment=article/minutes", "training.epochs=300", "training.record_every=100")
    result = go(resolved, directory)
    rows = [row for row in directory.read_metrics() if "train/loss" in row]
    assert [row["epoch"] for row in rows] == [1, 100, 200, 300]
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]
    assert not any(key.startswith("test/") for key in result.metrics)


def sampled(*shape: int) -> np.ndarray:
    """Return waves of unequal phases, with some noise, (series, time, channel)."""
    rng = np.random.default_rng(0)
    time = np.arange(shape[1])[:, None] + rng.uniform(0, 9, (shape[0], 1, shape[2]))
    return np.sin(time / 3) + 0.1 * rng.normal(size=shape)


@pytest.mark.parametrize("shape", [(1, 100, 2), (7, 40, 3)], ids=["by time", "by series"])
@pytest.mark.parametrize("model", ["tiny", "linear"])
def test_series_without_a_known_continuation_can_be_run(
    directory: RunDirectory, shape: tuple[int, int, int], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model == "tiny":  # the other's pictures are as many as needed
        leave_undrawn(monkeypatch)
    stages = ("training.epochs=2", "training.refine_epochs=2", "training.batch_size=4")
    result = go(prepare(given(sampled(*shape), f"model={model}", *stages)).config, directory)
    tested = {name: value for name, value in result.metrics.items() if name.startswith("test/")}
    assert {"test/one_step_mse", "test/closed_loop_scaled_mse", "test/linear_scaled_mse"} <= tested.keys()
    assert all(math.isfinite(value) for value in tested.values())
    assert not result.diverged
    assert ((directory.plots / "forecast.png").stat().st_size > 0) == (model == "linear")


def test_a_run_on_a_gpu_says_that_nobody_has_tried_that(
    directory: RunDirectory, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("there is none here")

    prepared = prepare(small("tracking.followers=[]"))
    runtime = prepared.config.runtime.model_copy(update={"device": "cuda"})
    on_a_gpu = replace(prepared, config=prepared.config.model_copy(update={"runtime": runtime}))
    monkeypatch.setattr("wavesweep.experiment.experiment.make_trainer", fail)
    with pytest.raises(RuntimeError, match="there is none here"):
        carry_out(on_a_gpu, directory, RunInfo([], {}, None, "any"))
    assert any("nobody has tried a GPU" in text for text in caplog.messages)
