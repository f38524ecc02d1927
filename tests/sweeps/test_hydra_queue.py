"""`hydra-queue`, for sweeps of any program."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from hydra_queue_sweeper.cli.main import run
from hydra_queue_sweeper.cli.plots import NEEDED
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.reports import write_report
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.commands import environment
from tests.support.made import change, make
from tests.support.programs import for_this_hydra
from tests.support.sweeping import trials

RATE = Dimension("rate", interval=Interval(1e-3, 1e-1, integer=False, log=True))
MODEL = Dimension("+model", ("a", "b"))
SEED = Dimension("seed", ("0", "1"))


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    """A sweep to be maximized, of two configurations on two seeds each; of the second, one has been pruned."""
    sweep = make(tmp_path / "sweep", [RATE, MODEL, SEED], [], total=4)
    sweep.write_plan(replace(sweep.read_plan(), direction="maximize"))
    for number, objective in enumerate([-0.5, -0.75, -0.25, None]):
        overrides = [f"rate={0.01 * (1 + number // 2)}", f"+model={'ab'[number // 2]}", f"seed={number % 2}"]
        state = "pruned" if objective is None else "finished"
        (sweep.path / str(number)).mkdir()
        write_report(sweep.path / str(number), 3, -0.125)
        began = 1e9 + number
        trial = Trial(number, overrides, state, objective, directory=str(number), began=began, stopped=began + 2)
        sweep.write_trial(replace(trial, seconds=3.0))  # with what it did before it was interrupted
    return sweep


def test_the_summary_tells_objectives_as_jobs_return_them(
    sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["summary", str(sweep.path)]) == 0
    shown = capsys.readouterr().out
    assert "objective: higher is better; mean over seeds" in shown
    assert "best: rate=0.01 +model=a" in shown
    assert "6.250e-01" in shown
    assert run(["summary", str(sweep.path), "--csv"]) == 0
    best, other = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (best["rank"], best["model"], float(best["objective"])) == ("1", "a", 0.625)
    assert float(best["low_95"]) < 0.625 < float(best["high_95"])
    assert (other["rank"], float(other["difference"]), other["state"]) == ("", -0.25, "1 finished, 1 pruned")


def test_ratios_of_what_is_to_be_maximized_are_those_of_what_jobs_return(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Negative returns, such as a loss with its sign changed, are compared by ratios."""
    sweep = make(tmp_path / "sweep", [MODEL, SEED], [1.0, 2.0, 2.0, 4.0])
    sweep.write_plan(replace(sweep.read_plan(), direction="maximize"))
    assert run(["summary", str(sweep.path), "--csv"]) == 0
    best, other = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [float(row["objective"]) for row in (best, other)] == pytest.approx([-(2**0.5), -(8**0.5)])
    assert float(other["ratio"]) == pytest.approx(2.0)


@pytest.mark.parametrize("to", ["study.log", "sqlite:///study.db"])
def test_an_exported_study_is_what_optuna_reads(
    to: str, sweep: SweepDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", str(sweep.path), to]) == 0
    assert "4 trials are in the study sweep of" in capsys.readouterr().out
    storage = to if "://" in to else JournalStorage(JournalFileBackend(to))
    study = optuna.load_study(study_name="sweep", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3 + [TrialState.PRUNED]
    assert [trial.value for trial in study.trials[:3]] == [0.5, 0.75, 0.25]
    assert study.best_trial.params == {"rate": 0.01, "model": "a"}
    assert study.trials[1].user_attrs == {"number": 1, "seed": "1", "directory": "1"}
    assert study.trials[3].intermediate_values == {3: 0.125}
    assert study.trials[0].duration is not None
    assert study.trials[0].duration.total_seconds() == 2.0
    assert run(["export", str(sweep.path), to]) == 2
    assert "has a study sweep already; give another file, or --name" in capsys.readouterr().err
    assert run(["export", str(sweep.path), to, "--name", "again"]) == 0


def test_a_sweep_that_runs_is_exported_as_it_stands(sweep: SweepDirectory, tmp_path: Path) -> None:
    change(sweep, 0, state="running", objective=None)
    change(sweep, 1, state="finished", objective=None)
    change(sweep, 2, state="failed", objective=None, reason="because")
    assert run(["export", str(sweep.path), str(tmp_path / "study.log")]) == 0
    study = optuna.load_study(
        study_name="sweep", storage=JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    )
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "FAIL", "FAIL", "PRUNED"]
    assert study.trials[2].user_attrs["reason"] == "because"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plots", "nowhere"], "nowhere must be the directory of a sweep, but holds no sweep.json"),
        (["summary", "nowhere"], "nowhere must be the directory of a sweep, but holds no sweep.json"),
        (["export", "SWEEP", "none://x"], "none://x can't be written"),
        (["export", "SWEEP", "no/such/folder/study.log"], "No such file or directory"),
    ],
)
def test_what_can_t_be_done_is_said_in_a_line(
    arguments: list[str], said: str, sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(sweep.path) if one == "SWEEP" else one for one in arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("hydra-queue: ")
    assert said in line


def test_a_damaged_plan_is_said_in_a_line(sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.plan.write_text(json.dumps({"format": 3}))
    assert run(["summary", str(sweep.path)]) == 2
    assert "sweep.json is damaged" in capsys.readouterr().err


ACCURATE = """
import hydra
from hydra_queue_sweeper import report

@hydra.main(version_base="1.3", config_path=None)
def job(config):
    accuracy = 0.9 - 0.1 * abs(config.depth - 3) - 0.01 * config.width + 0.001 * config.seed
    for step in (1, 2, 3):
        report(step, accuracy * step / 3, 3)
    return {"val.acc": accuracy}

if __name__ == "__main__":
    job()
"""


def test_the_pictures_of_any_program_s_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that its jobs give enough for, with what it depends on."""
    (tmp_path / "program.py").write_text(for_this_hydra(ACCURATE))
    swept = ("+depth=1,2,3", "+width=1,2", "+seed=0,1,2", "hydra.sweeper.direction=maximize")
    options = ("hydra/sweeper=queue", "hydra/launcher=processes", "hydra.sweeper.n_workers=1", "hydra.sweep.dir=sweep")
    command = [sys.executable, "program.py", "-m", *options, *swept, "hydra.sweeper.objective=val.acc"]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True, capture_output=True, timeout=120)
    monkeypatch.chdir(tmp_path)
    assert not Path("sweep/plots").exists(), "a program that asks for none pays for none"
    assert all(0 < trial.began <= trial.stopped for trial in trials(Path("sweep")))
    assert run(["plots", "sweep"]) == 0
    *written, title, heading, first, second, rest = capsys.readouterr().out.splitlines()
    names = ("heat_map", "slices", "parallel_coordinates", "importance", "curves", "history", "timeline")
    assert written == [f"sweep/plots/{name}.png" for name in names]
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in written)
    assert title == "share of the variance of val.acc"
    assert heading.split() == ["key", "share"]
    shares = dict(re.split(r"  +", line) for line in (first, second, rest))
    # Variances of the effects: 0.1² · 2/3 and 0.01² · 1/4.
    assert shares == {"depth": "99.6%", "width": "0.4%", "interactions and chance": "0.0%"}


def test_of_a_sweep_that_has_just_begun_there_is_nothing_to_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, SEED], [])
    assert run(["plots", str(sweep.path)]) == 0
    assert capsys.readouterr().out.endswith("yet: no job has run to its end\n")
    assert not sweep.plots.exists()


@pytest.mark.parametrize("module", NEEDED)
def test_without_what_draws_a_line_says_what_to_install(
    module: str, sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as Python looks at what can't be imported
    assert run(["plots", str(sweep.path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"hydra-queue: pictures need {NEEDED[module]}; pip install 'hydra-queue-sweeper[plots]'"


def test_nothing_is_drawn_through_a_link(
    sweep: SweepDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    sweep.plots.symlink_to(tmp_path / "elsewhere")
    assert run(["plots", str(sweep.path)]) == 2
    assert "must be a file or a folder, got a link" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())
