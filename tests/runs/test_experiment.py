"""The whole experiment: what reaches training, what is kept, what is left on disk."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.commands import config, small
from wavesweep.config.config import Config
from wavesweep.data.splits import load
from wavesweep.models.weights import load_network
from wavesweep.runs.checkpoint import load_checkpoint
from wavesweep.runs.directory import RunDirectory
from wavesweep.runs.experiment import Result, load_trainer, run


def go(filled: Config, directory: RunDirectory) -> Result:
    return run(filled, load(filled), directory, lambda *_: None)


def test_a_run_leaves_its_files(directory: RunDirectory) -> None:
    result = go(small(), directory)
    directory.remove_leftovers()
    assert sorted(path.name for path in directory.path.iterdir()) == [
        "metrics.jsonl", "model.safetensors", "plots",
    ]  # fmt: skip
    pictures = {path.name for path in directory.plots.iterdir()}
    assert {
        "forecast.png",
        "drift.png",
        "learning_curve.png",
        "forecast_epoch_001.png",
        "forecast_epoch_004.png",
    } <= pictures
    assert f"forecast_epoch_{result.epoch:03d}.png" in pictures
    rows = directory.read_metrics()
    assert [row.get("epoch") for row in rows] == [1, 2, 3, 4, None]
    recorded = {"train/loss", "val/one_step_mse", "val/closed_loop_mse", "val/closed_loop_scaled_mse"}
    once = {"test/one_step_mse", "test/closed_loop_mse", "test/closed_loop_scaled_mse", "test/naive_scaled_mse"}
    once |= {"test/seasonal_naive_scaled_mse", "test/linear_scaled_mse", "time/train_seconds", "cost/loss_evaluations"}
    once |= {"val/naive_scaled_mse", "val/seasonal_naive_scaled_mse", "val/linear_scaled_mse"}
    assert all(row.keys() == recorded | {"epoch", "timestamp", "seconds", "evaluations"} for row in rows[:-1])
    assert rows[-1].keys() == once | {"timestamp"}


def test_a_linear_model_s_drift_is_its_own(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the linear baseline, which has another order."""
    drawn: dict[str, np.ndarray] = {}
    monkeypatch.setattr("wavesweep.plots.drift", lambda _path, errors, _title: drawn.update(errors))
    result = go(small("model=linear", "model.order=1"), directory)
    assert list(drawn) == ["this run", "naive", "seasonal_naive", "linear"]
    assert drawn["this run"].mean() == pytest.approx(result.metrics["test/closed_loop_scaled_mse"])
    assert drawn["linear"].mean() == pytest.approx(result.metrics["test/linear_scaled_mse"])


def test_the_epoch_with_the_best_validation_is_kept_and_stored(directory: RunDirectory) -> None:
    filled = small("training.epochs=12", "training.refine_epochs=0")
    result = go(filled, directory)
    rows = [row for row in directory.read_metrics() if "train/loss" in row]
    best = min(rows, key=lambda row: row[filled.objective])
    assert (result.epoch, result.objective) == (best["epoch"], best[filled.objective])
    network, scaler = load_network(filled, directory.weights.read_bytes())
    from wavesweep.models.forecasting import forecast_part
    from wavesweep.models.scores import scores

    data = load(filled)
    assert (
        scores(forecast_part(network, scaler, data.val), data.val, data.variance)["closed_loop_mse"]
        == (best["val/closed_loop_mse"])
    )


def test_the_article_keeps_the_last_epoch(directory: RunDirectory) -> None:
    result = go(small("training=article", "training.epochs=5", "training.refine_epochs=0", "optimizer=sgd"), directory)
    assert result.epoch == 5
    assert {f"forecast_epoch_{epoch:03d}.png" for epoch in range(1, 6)} <= {p.name for p in directory.plots.iterdir()}


@pytest.mark.parametrize("refine_epochs", [0, 30])
def test_patience_ends_the_last_stage_early(directory: RunDirectory, refine_epochs: int) -> None:
    stages = ("training.epochs=30", f"training.refine_epochs={refine_epochs}", "training.patience=4")
    rate = ("optimizer=sgd", "optimizer.lr=1e-12") if not refine_epochs else ()
    result = go(small(*stages, *rate), directory)
    last = [row["epoch"] for row in directory.read_metrics() if "epoch" in row][-1]
    began = 30 if refine_epochs else 0  # where the stage that may end early begins
    assert last == max(result.epoch, began) + 4 < began + 30


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["optimizer=adam", "optimizer=lbfgs", "model=linear"]))
def test_nothing_but_the_training_part_reaches_training(noise: int, override: str) -> None:
    """The losses and weights are the same whatever validation, test and continuation hold."""
    filled = small(override) if "model" not in override else small(override, "model.order=3")
    data = load(filled)
    rng = np.random.default_rng(noise)

    def spoilt(part):
        others = {name: rng.normal(size=getattr(part, name).shape) for name in ("observed", "context", "truth")}
        return replace(part, **others)

    assert data.test is not None
    changed = replace(data, val=spoilt(data.val), test=spoilt(data.test))
    runs = []
    for given_data in (data, changed):
        trainer = load_trainer(filled, given_data)
        runs.append(([record.loss for record in trainer.records()], trainer.network.state_dict()))
    assert runs[0][0] == runs[1][0]
    assert all(torch.equal(value, runs[1][1][name]) for name, value in runs[0][1].items())


def test_the_training_part_holds_no_other_value() -> None:
    filled = small()
    observed, continuation = filled.dataset.generate(40)
    changed = observed.copy()
    changed[0] += 7.0  # the test series
    changed[6:] -= 7.0  # the validation series
    from wavesweep.data.splits import split

    before, after = split(observed, continuation, filled), split(changed, continuation + 1, filled)
    assert np.array_equal(before.train, after.train)
    assert np.array_equal(before.variance, after.variance)
    assert np.array_equal(before.scaler.mean, after.scaler.mean)


def test_the_test_part_never_chooses(directory: RunDirectory) -> None:
    filled = small("training.epochs=8")
    data = load(filled)
    assert data.test is not None
    spoilt = replace(data, test=replace(data.test, truth=-data.test.truth, observed=-data.test.observed))
    other = RunDirectory(directory.path.parent / "other")
    other.path.mkdir()
    first = run(filled, data, directory, lambda *_: None)
    second = run(filled, spoilt, other, lambda *_: None)
    assert (first.epoch, first.objective) == (second.epoch, second.objective)
    assert directory.weights.read_bytes() == other.weights.read_bytes()


SCRIPT = """
import json, sys
from pathlib import Path
from tests.support.commands import small
from tests.runs.test_experiment import go
from wavesweep.runs.directory import RunDirectory
directory = RunDirectory(Path(sys.argv[1])); directory.path.mkdir()
go(small(*sys.argv[2:]), directory)
"""


@pytest.mark.parametrize(
    "overrides", [(), pytest.param(("optimizer=lbfgs", "model.dropout=0.3"), marks=pytest.mark.slow)], ids=" ".join
)
def test_the_same_seed_gives_the_same_bits_in_fresh_processes(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    digests, rows = [], []
    for name in ("a", "b"):
        script = [sys.executable, "-c", SCRIPT, str(tmp_path / name), *overrides]
        subprocess.run(script, check=True, cwd=Path(__file__).parents[2])
        directory = RunDirectory(tmp_path / name)
        digests.append(directory.weights.read_bytes())
        free = ("timestamp", "seconds", "time/train_seconds")
        rows.append([{k: v for k, v in row.items() if k not in free} for row in directory.read_metrics()])
    assert digests[0] == digests[1]
    assert json.dumps(rows[0]) == json.dumps(rows[1])


def test_seed_0_is_a_seed() -> None:
    torch.manual_seed(1234)  # whatever came before
    first = load_trainer(small("seed=0"), load(small("seed=0"))).network.state_dict()
    torch.manual_seed(4321)
    again = load_trainer(small("seed=0"), load(small("seed=0"))).network.state_dict()
    other = load_trainer(small("seed=1"), load(small("seed=1"))).network.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


class Interrupted(Exception):
    pass


INTERRUPTIONS = [("lbfgs", 4), ("sgd", 4), *(("adam", epoch) for epoch in (4, 6, 7, 8, 9))]


@pytest.mark.parametrize(("optimizer", "epoch"), INTERRUPTIONS)
def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path, optimizer: str, epoch: int) -> None:
    # The second half of the refinement, which looks further ahead, begins within a round.
    stages = ("training.epochs=5", "training.refine_epochs=5", "training.refine_restart_every=4", "training.window=12")
    filled = small(f"optimizer={optimizer}", *stages)
    straight, resumed = RunDirectory(tmp_path / "straight"), RunDirectory(tmp_path / "resumed")
    straight.path.mkdir()
    resumed.path.mkdir()
    expected = go(filled, straight)

    def interrupt(now: int, *_: object) -> None:
        if now == epoch:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(filled, load(filled), resumed, interrupt)
    assert resumed.checkpoint.exists()
    result = run(filled, load(filled), resumed, lambda *_: None, load_checkpoint(resumed))
    assert (result.epoch, result.objective) == (expected.epoch, expected.objective)
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()
    free = ("timestamp", "seconds", "time/train_seconds")
    stripped = [
        [{k: v for k, v in row.items() if k not in free} for row in where.read_metrics()]
        for where in (straight, resumed)
    ]
    assert stripped[0] == stripped[1]


def test_a_diverged_run_keeps_its_best_finite_weights(directory: RunDirectory) -> None:
    filled = small("optimizer=sgd", "optimizer.lr=1e30", "optimizer.schedule=constant", "training.clip_norm=0")
    result = go(filled, directory)
    assert result.diverged
    assert math.isnan(result.objective)
    network, _ = load_network(filled, directory.weights.read_bytes())
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    rows = directory.read_metrics()
    assert rows[-2]["train/loss"] is None
    assert not any(key.startswith("test/") for row in rows for key in row)
    assert (directory.plots / "forecast.png").exists()


def test_weights_that_are_not_finite_are_never_kept(directory: RunDirectory) -> None:
    """Batches report the loss before their step, so it may be finite when the weights are not."""
    filled = config("experiment=article/minutes", "optimizer.lr=1e37", "training.epochs=3", "training.record_every=1")
    assert go(filled, directory).diverged
    network, _ = load_network(filled, directory.weights.read_bytes())
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_a_pointwise_network_learns_games_by_heart(directory: RunDirectory) -> None:
    filled = config("experiment=article/minutes", "training.epochs=300", "training.record_every=100")
    result = go(filled, directory)
    rows = [row for row in directory.read_metrics() if "train/loss" in row]
    assert [row["epoch"] for row in rows] == [1, 100, 200, 300]
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]
    assert not any(key.startswith("test/") for key in result.metrics)
