"""A sweep as its user starts it: which jobs run, by which workers, and what is said of them."""

import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from omegaconf import OmegaConf

from hydra_plugins.hydra_queue_sweeper.sweeper import Options, QueueSweeper
from hydra_queue_sweeper.base.errors import Refused
from hydra_queue_sweeper.sweeps import sweeper
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.commands import SMALL, Command, run_process
from tests.support.postgres import Postgres
from tests.support.sweeping import families, rows
from wavesweep.workspace.directory import RunDirectory

if TYPE_CHECKING:
    import subprocess


@pytest.mark.parametrize(("idle", "given_up"), [((2, 2, 2), False), ((2, 3), True)])
def test_workers_are_given_up_after_three_idle_starts_in_a_row(
    idle: tuple[int, ...],
    given_up: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    left = [(len(idle) - turn, 0) for turn, number in enumerate(idle) for _ in range(number + 1)]
    looks = iter([*left, (0, 0)])
    monkeypatch.setattr(sweeper, "_left", lambda *_: next(looks))
    monkeypatch.setattr(sweeper, "_launch_once", lambda *_: [])
    monkeypatch.setattr(sweeper, "SECONDS_TO_WAIT", 0.0)
    caplog.set_level("ERROR")
    given = cast("Any", SimpleNamespace(directory=SweepDirectory(tmp_path), plan=None))
    nobody = cast("Any", SimpleNamespace(others_at_work=lambda: False))
    assert sweeper._launch(given, given, cast("Any", None), nobody) == {}
    assert ("workers end before they get anywhere" in caplog.text) == given_up


def test_what_a_worker_is_at_that_joined_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that find nothing to take aren't started again and again meanwhile."""
    looks, launches = [True, True, True], list[int]()
    monkeypatch.setattr(sweeper, "_left", lambda *_: (1 if looks else 0, 0))
    monkeypatch.setattr(sweeper, "_launch_once", lambda *_: launches.append(1) or [])
    monkeypatch.setattr(sweeper, "SECONDS_BETWEEN_LOOKS", 0.0)
    given = cast("Any", SimpleNamespace(directory=SweepDirectory(tmp_path), plan=None))
    other = cast("Any", SimpleNamespace(others_at_work=lambda: bool(looks) and looks.pop()))
    assert sweeper._launch(given, given, cast("Any", None), other) == {}
    assert launches == [1]


def test_an_error_within_our_own_task_makes_it_no_other_applications() -> None:
    class Task:
        @property
        def in_sweeps(self) -> None:
            raise AttributeError("a package lacks something")

    config = OmegaConf.create({"hydra": {"sweep": {"dir": "sweep"}}})
    with pytest.raises(AttributeError, match="lacks"):
        QueueSweeper().setup(hydra_context=cast("Any", None), task_function=cast("Any", Task()), config=config)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(timeout=math.nan), "timeout must be at least 0, got nan"),
        (Options(resume="exactly"), "resume must be true, or force, got exactly; true goes on as it began"),
        (Options(top=2), "top=2 is for a sweep that goes on; leave it out"),
    ],
)
def test_what_options_can_t_mean_is_refused(options: Options, words: str) -> None:
    Options(timeout=math.inf, resume="force", top=2, sampler="tpe").check()
    with pytest.raises(Refused, match=rf"hydra\.sweeper\.{words}"):
        options.check()


DRY = ("hydra.sweeper.dry_run=true",)


def listed(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return the jobs that a dry run lists."""
    assert done.returncode == 0, done.stderr
    assert "checking" not in done.stderr, "which takes a moment"
    *jobs, last = done.stdout.splitlines()
    assert last == f"{len(jobs)} jobs; nothing was run"
    return [line.split(maxsplit=1)[1] for line in jobs]


def test_parameters_of_the_sweeper_come_before_the_command_line_which_counts(
    wavesweep: Command, own: Path, tmp_path: Path
) -> None:
    typed = wavesweep("-m", "+hydra.sweeper.params={seed:'0,1',model:linear}", "training.epochs=1,2", *DRY)
    assert listed(typed) == [f"seed={n} model=linear training.epochs={m}" for n in (0, 1) for m in (1, 2)]
    chosen = wavesweep("-m", "--config-dir", str(own), "experiment=swept", "model.order=4", *DRY)
    assert listed(chosen) == [f"seed={n} model.order=4 experiment=swept" for n in (0, 1)]
    assert not (tmp_path / "outputs").exists()


def test_an_experiment_may_choose_the_launcher(wavesweep: Command, own: Path, tmp_path: Path) -> None:
    done = wavesweep(
        "-m", "--config-dir", str(own), *SMALL, "experiment=swept", "model.order=4", "seed=3", "hydra.sweep.dir=sweep"
    )
    assert done.returncode == 0, done.stderr
    sweep = SweepDirectory(tmp_path / "sweep")
    plan = sweep.read_plan()
    assert [trial.state for trial in sweep.read_trials(plan)] == ["finished"]
    assert "hydra/launcher=basic" in plan.launcher


@pytest.mark.slow
def test_a_pruned_run_is_marked_so_everywhere_and_is_no_failure(wavesweep: Command, tmp_path: Path) -> None:
    jobs = ("model=tiny", "training.epochs=1,6", "optimizer=adam", "optimizer.lr=1e-2,1e-6,1e-7,1e-8")
    how = ("hydra.sweeper.pruner=successive_halving", "hydra/launcher=basic", "hydra.sweep.dir=sweep")
    done = wavesweep("-m", *SMALL, *jobs, "training.refine_epochs=0", *how)
    assert done.returncode == 0, done.stderr
    sweep = SweepDirectory(tmp_path / "sweep")
    trials = sweep.read_trials(sweep.read_plan())
    assert {trial.state for trial in trials[:4]} == {"finished"}, "what was done was given up"
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    ranks = {row["trials"]: row["rank"] for row in rows(sweep.path)}
    assert not any(ranks[str(trial.number)] for trial in pruned)
    [(_, runs)] = families(tmp_path / "outputs" / "mlflow.db")
    found = {run.data.tags["wavesweep.run_key"]: (run.info.status, run.data.tags["wavesweep.status"]) for run in runs}
    assert len(found) == 8
    for trial in pruned:
        run = RunDirectory(sweep.path / trial.directory)
        assert found[run.read_info().run_key] == ("KILLED", "pruned")
        assert 2 <= len(run.read_objectives()) < 6
        assert "Traceback" not in (run.path / "wavesweep.log").read_text()


@pytest.mark.slow
def test_all_launchers_and_claims_give_one_leaderboard(tmp_path: Path, database: Postgres) -> None:
    ways = {name: [f"hydra/launcher={name}"] for name in ("processes", "basic", "joblib", "submitit_local")}
    ways["dask"] = ["hydra/launcher=dask", "hydra.launcher.cluster=local"]
    ways["postgresql"] = ["hydra/launcher=processes", f"hydra.sweeper.claims={database.address}"]
    found = {}
    for way, overrides in ways.items():
        jobs = (*SMALL, "model=tiny,linear", "seed=range(2)", *overrides, f"hydra.sweep.dir={way}")
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        done = run_process("-m", *jobs, "hydra.sweeper.n_workers=2", cwd=tmp_path, OMP_NUM_THREADS=threads)
        assert done.returncode == 0, f"{way}: {done.stderr}"
        found[way] = rows(tmp_path / way)
    for way, leaderboard in found.items():
        assert leaderboard == found["processes"], way
