"""Runs that are killed at any moment, and resumed, end as if they had been left alone."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.forking import fork
from tests.support.processes import has_ended, has_records, wait_until, works
from tests.support.records import is_in_mlflow, on_disk
from wavesweep.config.composing import compose
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory

SHORT = ("training.epochs=2", "training.refine_epochs=1")


@pytest.mark.slow
def test_a_kill_between_any_two_steps_of_writing_costs_nothing(tmp_path: Path) -> None:
    store, runs = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", tmp_path / "runs"
    client, experiment = connect(compose(store).tracking)  # whose making has steps of its own
    script = [sys.executable, "-m", "tests.support.killing", str(runs), *SHORT, store]
    done = subprocess.run(script, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    kills: dict[str, str] = json.loads((runs / "kills.json").read_text())
    of_a_checkpoint = {"fsync checkpoint.pt.part", "replace checkpoint.pt", "replace checkpoint.pt.part"}
    assert of_a_checkpoint <= set(kills.values())
    straight = on_disk(runs / "straight")
    for number, step in kills.items():
        assert on_disk(runs / number) == straight, f"killed before {step}"
        is_in_mlflow(client, experiment, runs / number)


SYSTEMS = {
    "lbfgs, noise": ("dataset=linear_noise", "dataset.noise_per=step", "optimizer=lbfgs"),
    "adam, stages": ("training.window=12", "training.refine_restart_every=4", "training.refine_epochs=21"),
    "sgd, dropout": ("optimizer=sgd", "model.dropout=0.2", "model.hidden_sizes=[6,5]"),
    "batches, patience": ("optimizer=adamw", "training.batch_size=4", "training.patience=4"),
    "best of many": ("dataset=cos_sin_squared", "dataset.length=60", "training.record_every=2"),
}
SIZES = ("dataset.num_series=7", "dataset.length=40", "training.epochs=40", "training.refine_epochs=20")


def stage(directory: Path) -> str:
    """Say how far a run has come."""
    run = RunDirectory(directory)
    rows = run.read_metrics()
    if has_ended(directory):
        return "delivering"
    return "concluding" if run.weights.exists() else f"epoch {rows[-1]['epoch'] if rows else 0}"


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_run_killed_at_random_moments_ends_as_if_left_alone(system: str, tmp_path: Path) -> None:
    """Two kills at any moment, and one while it delivers."""
    overrides = (*SIZES, *SYSTEMS[system])
    straight = tmp_path / "straight"
    process = fork(*overrides, f"hydra.run.dir={straight}", cwd=tmp_path)
    wait_until(lambda: works(straight, process), process)
    began = time.monotonic()
    wait_until(lambda: has_records(straight), process)
    first = time.monotonic() - began
    assert process.wait() == 0
    last = time.monotonic() - began

    chance = random.Random(system)
    runs, kills = [tmp_path / "0"], []
    while len(kills) < 3:
        begin = ("resume", str(runs[-1])) if runs[-1].exists() else (*overrides, f"hydra.run.dir={runs[-1]}")
        process = fork(*begin, cwd=tmp_path)
        wait_until(lambda process=process: works(runs[-1], process), process)
        if len(kills) < 2:
            time.sleep(chance.uniform(first, last))
        else:
            wait_until(lambda: has_ended(runs[-1]), process)
        process.kill()
        if process.wait() == -signal.SIGKILL:
            kills.append(stage(runs[-1]))
        else:
            runs.append(tmp_path / str(len(runs)))
    assert fork("resume", str(runs[-1]), cwd=tmp_path).wait() == 0

    print(f"{system}: killed in {', '.join(kills)}")
    client, experiment = connect(compose(f"tracking.uri=sqlite:///{tmp_path}/outputs/mlflow.db").tracking)
    for run in (straight, *runs):
        assert on_disk(run) == on_disk(straight) | {"config": (run / "config.yaml").read_bytes()}
        is_in_mlflow(client, experiment, run)
    assert "Traceback" not in (tmp_path / "said").read_text()
