"""CONTRIBUTING.md's recipes, followed to the letter in a copy: two places a new member of a family, and no other."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support import stores
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.store import connect

CHECKOUT = Path(__file__).parents[1]
RECIPE = re.compile(r"<!-- recipe: (append|create|replace) ([^\s:]+)(?:: (.*?))? -->\n```\w+\n(.*?)```\n", re.DOTALL)
TINY = ("dataset.num_series=7", "dataset.length=40", "dataset.width=3", "training.epochs=2", "training.refine_epochs=4")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout in which all recipes were followed."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("src", "conf"):
        shutil.copytree(CHECKOUT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    recipes = RECIPE.findall((CHECKOUT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(recipes) == 7
    for how, name, old, text in recipes:
        path = copy / name
        there = "" if how == "create" else path.read_text("utf-8")
        if not there or text not in there:  # as in a checkout in which someone has followed them
            path.write_text(followed(how, there, f"{old}\n", text), "utf-8")
    stores.ready(copy / "outputs" / "mlflow.db")
    return copy


def followed(how: str, there: str, old: str, new: str) -> str:
    """Return what stands in a file, once a recipe of it was followed: a line replaced, or all that is new appended."""
    if how == "replace":
        assert there.count(old) == 1, f"{old!r} is no line of it, or several are"
        return there.replace(old, new)
    return f"{there}\n\n{new}" if there else new


def call(copy: Path, *arguments: str) -> str:
    """Run the copy's command in the copy; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "wavesweep", *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_run_of_the_new_members_gets_all_that_the_others_get(copy: Path) -> None:
    chosen = ("dataset=square", "model=gru", "optimizer=nadam", "optimizer@training.refiner=nadam")
    call(copy, *chosen, "model.hidden_sizes=[5]", *TINY, "hydra.run.dir=run")
    config = yaml.safe_load((copy / "run" / "config.yaml").read_text("utf-8"))
    assert [config[part]["kind"] for part in ("dataset", "model", "optimizer")] == ["square", "gru", "nadam"]
    assert config["training"]["refine_epochs"] == 4  # the refinement is not the LSTM's alone
    assert config["training"]["refiner"]["kind"] == "nadam"
    assert config["model"]["difference"] is False  # it was decided from the data
    rows = [json.loads(line) for line in (copy / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [row["epoch"] for row in rows[:-1]] == list(range(1, 7))
    assert rows[-2]["train/loss"] < rows[0]["train/loss"]
    assert {"test/closed_loop_scaled_mse", "test/linear_scaled_mse"} <= rows[-1].keys()


@pytest.mark.slow
def test_a_tracker_gets_what_mlflow_gets(copy: Path) -> None:
    text = (copy / "src" / "wavesweep" / "trackers" / "tensorboard.py").read_text("utf-8")
    assert len(text.splitlines()) <= 60
    who = "tracking.followers=[mlflow,tensorboard]"
    call(copy, "model=linear", *TINY[:3], who, "hydra.run.dir=outputs/runs/tracked")
    check_events(copy, "tracked")
    call(copy, "model=linear", *TINY[:3], "tracking.followers=[]", "hydra.run.dir=outputs/runs/alone")
    assert not (copy / "outputs" / "tensorboard" / "runs" / "alone").exists()
    assert call(copy, "sync", "outputs/runs/alone", who) == "1 delivered\n"
    check_events(copy, "alone")
    assert call(copy, "sync", "outputs/runs/alone", who) == "1 up to date\n"


def check_events(copy: Path, name: str) -> None:
    """Make sure that TensorBoard has all points of a run, and MLflow has the run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(copy / "outputs" / "tensorboard" / "runs" / name), {"tensors": 0}).Reload()
    rows = [json.loads(line) for line in (copy / "outputs" / "runs" / name / "metrics.jsonl").read_text().splitlines()]
    keys = {key for row in rows for key in row if "/" in key or key == "objective"}
    assert set(found.Tags()["tensors"]) == keys
    for key in keys:
        points = [(row.get("epoch", 0), row[key]) for row in rows if key in row]
        events = [(event.step, event.tensor_proto.float_val[0]) for event in found.Tensors(key)]
        assert events == [(step, pytest.approx(value, rel=1e-6)) for step, value in points]
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{copy}/outputs/mlflow.db").tracking)
    key = json.loads((copy / "outputs" / "runs" / name / "run.json").read_text())["run_key"]
    [run] = client.search_runs([experiment], f"tags.`wavesweep.run_key` = '{key}'")
    assert run.info.status == "FINISHED"


def test_the_new_members_are_offered_and_checked(copy: Path) -> None:
    printed = call(copy, "--help")
    assert all(name in printed for name in ("square", "gru", "nadam"))
    script = [sys.executable, "-m", "wavesweep", "model=gruu", "dataset=square"]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    done = subprocess.run(script, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "wavesweep: model=gruu is not an option; did you mean gru?\n")
