"""A sweep's own record in MLflow."""

import re
from pathlib import Path

from mlflow import MlflowClient

from tests.support.commands import SMALL, Command


def test_it_tells_what_varied_and_what_is_best(wavesweep: Command, tmp_path: Path) -> None:
    done = wavesweep("-m", *SMALL, "model=linear,tiny", "seed=3", "training.epochs=1", "hydra/launcher=basic")
    assert done.returncode == 0, done.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    sweep, best, _ = sorted(
        client.search_runs(["1"]),
        key=lambda run: ("mlflow.parentRunId" in run.data.tags, run.data.metrics["objective"]),
    )
    shown = {"model": "linear,tiny", "sampler": "grid", "pruner": "none", "jobs": "2"}
    assert sweep.data.tags.items() >= {f"wavesweep.{key}": text for key, text in shown.items()}.items()
    of_best = {
        key: best.data.metrics[key] for key in ("objective", "digits", "test/digits", "test/closed_loop_scaled_mse")
    }
    counts = {"jobs/finished": 2, "jobs/pruned": 0, "jobs/diverged": 0, "jobs/failed": 0}
    assert sweep.data.metrics.items() >= (of_best | counts).items()
    assert "skill" not in sweep.data.metrics, "a baseline is exact on sines"
    note = sweep.data.tags["mlflow.note.content"]
    assert "model=linear is the best: " in note
    assert "2 jobs: 2 finished; " in note
    [(path, of)] = re.findall(r"\[leaderboard\]\(get-artifact\?path=([\w.]+)&run_uuid=(\w+)\)", note)
    assert of == sweep.info.run_id
    assert path in {artifact.path for artifact in client.list_artifacts(of)}
