"""Sweeps that grow, are killed meanwhile, and end at a time or a target."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from hydra_queue_sweeper.sweeps.control import end_early
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.faults.test_sweeps import BASIC, HERE, TWO, is_whole, proposals
from tests.support.commands import Command
from tests.support.sweeping import QUICK, families, keys, num_ended, rows, started, states, trials
from wavesweep.leaderboard.ranking import rank
from wavesweep.workspace.directory import RunDirectory, SweepRecord

RATES = ("1e-4", "1e-3", "3e-3", "1e-2")
DRAWN = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
WHEN_NUMBERED = ("trials", "seconds")
"""Columns that tell when a job was added and what it took, not what it found."""


def found(sweep: Path) -> list[dict[str, str]]:
    """Return the leaderboard, less the numbers of trials."""
    return [{key: value for key, value in row.items() if key not in WHEN_NUMBERED} for row in rows(sweep)]


@pytest.mark.slow
def test_a_grid_of_8_that_grows_by_8_and_is_killed_between_is_as_one_of_16(wavesweep: Command, tmp_path: Path) -> None:
    first, second = ",".join(RATES[::2]), ",".join(RATES[1::2])
    grid = ("-m", *QUICK, "model=tiny,linear", "seed=0,1")
    whole = f"optimizer.lr={first},{second}"
    for line in (
        (whole, "hydra.sweep.dir=at_once", "tracking.uri=sqlite:///other.db"),
        (f"optimizer.lr={first}", HERE),
    ):
        done = wavesweep(*grid, *line, BASIC)
        assert done.returncode == 0, done.stderr
    sweep = tmp_path / "sweep"
    before = {trial.number: trial for trial in trials(sweep)}
    assert len(before) == 8
    with started(tmp_path, "resume", "sweep", f"optimizer.lr={second}", TWO) as command:
        command.wait_until(lambda: num_ended(sweep) >= 10)
        assert command.kill() == -signal.SIGKILL, "the sweep must take longer"
    assert num_ended(sweep) < 16
    with started(tmp_path, "resume", "sweep", TWO) as command:
        assert command.end() == 0, command.err.read_text()
    assert {trial.number: trial for trial in trials(sweep)} | before == {one.number: one for one in trials(sweep)}
    assert states(sweep) == ["finished"] * 16
    assert found(sweep) == found(tmp_path / "at_once")
    is_whole(tmp_path, sweep)


@pytest.mark.slow
def test_a_sampled_sweep_that_grows_has_exactly_as_many_jobs_as_asked(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    with started(tmp_path, "-m", *QUICK, DRAWN, "seed=0,1", "hydra.sweeper.n_trials=4", HERE, TWO) as command:
        command.wait_until(lambda: num_ended(sweep) >= 2)
        assert command.kill() == -signal.SIGKILL, "the sweep must take longer"
    begun = proposals(sweep)
    with started(tmp_path, "resume", "sweep", "seed=2", "++hydra.sweeper.n_trials=5", TWO) as command:
        command.wait_until(lambda: num_ended(sweep) >= 6)
        assert command.kill() == -signal.SIGKILL, "the sweep must take longer"
    with started(tmp_path, "resume", "sweep", TWO) as command:
        assert command.end() == 0, command.err.read_text()
    assert proposals(sweep)[: len(begun)] == begun
    assert states(sweep) == ["finished"] * 15
    board = rank(SweepDirectory(sweep))
    assert Counter(len(row.finished) for row in board.rows) == {3: 5}
    is_whole(tmp_path, sweep)


@pytest.mark.slow
def test_further_seeds_of_the_best_crown_by_means(wavesweep: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    assert wavesweep("-m", *QUICK, "optimizer.lr=1e-3,1e-2,3e-2", HERE, BASIC).returncode == 0
    (tmp_path / "sweep").rename(tmp_path / "outputs" / "sweep")
    sweep = tmp_path / "outputs" / "sweep"
    done = wavesweep("resume", "seed=4,5", "--top", "2", BASIC)
    assert done.returncode == 0, done.stderr
    board = rank(SweepDirectory(sweep))
    assert [len(row.finished) for row in board.rows] == [3, 3, 1]
    assert [sorted(row.finished) for row in board.rows] == [["0", "4", "5"], ["0", "4", "5"], ["0"]]
    assert "1 configuration ran on fewer seeds than the best, which puts them below" in done.stdout
    is_whole(tmp_path, sweep)
    [(parent, children)] = families(tmp_path / "outputs" / "mlflow.db")
    assert (parent.data.tags["wavesweep.jobs"], parent.data.tags["wavesweep.reopened"]) == ("7", "1")
    assert {run.info.run_name for run in children} >= {"0 lr=0.001"}
    assert json.loads((sweep / "parent.json").read_text())["varied"] == {"optimizer.lr": "values", "seed": "values"}
    assert sum(str(run.info.run_name).endswith(("s=4", "s=5")) for run in children) == 4


@pytest.mark.slow
def test_a_sweep_that_has_ended_is_shown_and_stays_as_it_is(wavesweep: Command, tmp_path: Path) -> None:
    assert wavesweep("-m", *QUICK, "seed=0,1", HERE, BASIC).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "sweep").rglob("*") if path.is_file()}
    done = wavesweep("resume", "sweep", "seed=1", "hydra.sweeper.n_trials=5", BASIC)
    assert done.returncode == 0, done.stderr
    assert "hydra.sweeper.n_trials=5 has no effect" in done.stderr
    assert "sweep has ended already" in done.stdout
    assert "best: " in done.stdout
    assert {path: path.read_bytes() for path in (tmp_path / "sweep").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_target_ends_a_sweep_as_soon_as_a_configuration_has_reached_it(wavesweep: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    done = wavesweep(
        "-m", *QUICK, DRAWN, "seed=0,1", "hydra.sweeper.n_trials=4", "hydra.sweeper.target=1e9", HERE, BASIC
    )
    assert done.returncode == 0, done.stderr
    how = "wavesweep resume sweep hydra/launcher=basic hydra.sweeper.target=null"
    assert f"6 of 8 jobs are left, since the target is reached; {how} goes on with them" in done.stderr
    assert len(keys(sweep)) == 2, "both seeds of the first"
    again = wavesweep("resume", "sweep", BASIC)
    assert (again.returncode, len(keys(sweep))) == (0, 2)
    assert "sweep has ended already" in again.stdout
    more = wavesweep("resume", "sweep", "hydra.sweeper.n_trials=5", BASIC)
    assert (more.returncode, len(trials(sweep))) == (2, 2), "it grew by what would never run"
    assert "hydra.sweeper.target=1000000000.0 is reached" in more.stderr
    on = wavesweep("resume", "sweep", "hydra.sweeper.target=null", BASIC)
    assert on.returncode == 0, on.stderr
    assert states(sweep) == ["finished"] * 8
    is_whole(tmp_path, sweep)


@pytest.mark.slow
def test_no_job_begins_once_the_time_is_up(wavesweep: Command, tmp_path: Path) -> None:
    done = wavesweep("-m", *QUICK, "seed=range(50)", "hydra.sweeper.timeout=1", HERE, BASIC)
    assert done.returncode == 0, done.stderr
    assert "jobs are left, since the time is up; wavesweep resume sweep" in done.stderr
    begun = len(keys(tmp_path / "sweep"))
    assert begun < 50
    on = wavesweep("resume", "sweep", "hydra.sweeper.timeout=0", BASIC)
    assert on.returncode == 0, on.stderr
    assert len(keys(tmp_path / "sweep")) == begun


@pytest.mark.slow
def test_a_sweep_that_is_interrupted_once_it_has_found_enough_can_be_resumed(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    with started(tmp_path, "-m", *QUICK, "training.epochs=1000000", "seed=0,1", HERE, BASIC) as command:
        command.wait_until(lambda: sweep.exists() and list(sweep.glob("*/metrics.jsonl")))
        end_early(SweepDirectory(sweep), "since the time is up")
        os.kill(command.process.pid, signal.SIGINT)
        assert command.end(60) == 130
    assert states(sweep) == ["interrupted", "waiting"]
    assert SweepRecord(sweep).read_info().status == "killed"


@pytest.mark.slow
def test_given_configurations_run_first(wavesweep: Command, tmp_path: Path) -> None:
    (tmp_path / "given.csv").write_text("optimizer.lr,model\n0.02,small\n")
    line = ("-m", *QUICK, DRAWN, "model=tiny,small", "hydra.sweeper.n_trials=2", HERE, BASIC)
    done = wavesweep(*line, "hydra.sweeper.enqueue=given.csv", "hydra.sweeper.sampler=qmc")
    assert done.returncode == 0, done.stderr
    first, second = trials(tmp_path / "sweep")
    assert {"optimizer.lr=0.02", "model=small"} <= {*first.overrides}
    assert "optimizer.lr=0.02" not in second.overrides
    (tmp_path / "given.csv").write_text("optimizer.lr,model\n0.02,huge\n")
    refused = wavesweep(*line, "hydra.sweeper.enqueue=given.csv", "hydra.sweep.dir=other")
    assert refused.returncode == 2
    assert refused.stderr == (
        "wavesweep: given.csv, line 2: model must be of model=tiny,small, got huge; mend or remove the row\n"
    )


REFUSED = {
    ("model.dropout=0.1",): "the sweep did not begin with model.dropout=0.1",
    ("hydra.sweeper.pruner=median",): "a sweep goes on as it began",
    ("--top", "1"): "--top 1 gives further seeds to the best: name these alone, such as seed=1,2,3",
    ("seed=7", "optimizer.lr=0.5", "--top", "1"): "--top 1 gives further seeds to the best: name these alone",
    ("seed=7", "--top", "0"): "hydra.sweeper.top must be at least 1, got 0",
    ("training.window=1,30",): "the sweep did not begin with training.window=1,30",
    ("optimizer.lr=-1",): "optimizer.lr must be",
    ("seed=interval(1,2)",): "the sweep did not begin with seed=1…2",
}


@pytest.mark.slow
def test_a_dry_run_and_what_a_sweep_can_t_grow_by_change_nothing(wavesweep: Command, tmp_path: Path) -> None:
    assert wavesweep("-m", *QUICK, "optimizer.lr=1e-3", HERE, BASIC).returncode == 0
    plan = (tmp_path / "sweep" / "sweep.json").read_bytes()
    for arguments, words in REFUSED.items():
        done = wavesweep("resume", "sweep", *arguments, BASIC)
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert (tmp_path / "sweep" / "sweep.json").read_bytes() == plan
    listed = wavesweep("resume", "sweep", "optimizer.lr=3e-3", "hydra.sweeper.dry_run=true", BASIC)
    assert listed.returncode == 0, listed.stderr
    shown = listed.stdout.splitlines()
    assert shown[0].startswith("1  ")
    assert shown[0].endswith("optimizer.lr=0.003")
    assert shown[1:] == ["1 job left, 1 more than before; nothing was run"]
    assert (tmp_path / "sweep" / "sweep.json").read_bytes() == plan


@pytest.mark.slow
def test_a_sweep_grows_by_options_of_a_group(wavesweep: Command, tmp_path: Path) -> None:
    assert wavesweep("-m", *QUICK, "model=tiny", HERE, BASIC).returncode == 0
    grown = wavesweep("resume", "sweep", "model=linear", BASIC)
    assert grown.returncode == 0, grown.stderr
    at_once = wavesweep("-m", *QUICK, "model=tiny,linear", "hydra.sweep.dir=at_once", BASIC)
    assert at_once.returncode == 0
    columns = ("model", "objective")
    found, wanted = (
        [[row[column] for column in columns] for row in rows(tmp_path / name)] for name in ("sweep", "at_once")
    )
    assert found == wanted


@pytest.mark.slow
def test_a_sweep_around_a_stored_run_grows_around_it(wavesweep: Command, tmp_path: Path) -> None:
    """What it began around is kept with it, and not what conf/ has."""
    assert wavesweep(*QUICK, "model=tiny", "hydra.run.dir=run", "seed=7").returncode == 0
    around = ("reproduce", str(tmp_path / "run"), "-m", "model=tiny", HERE, BASIC)
    assert wavesweep(*around).returncode == 0
    grown = wavesweep("resume", "sweep", "model=linear", BASIC)
    assert grown.returncode == 0, grown.stderr
    first, second = (RunDirectory(tmp_path / "sweep" / number).read_config() for number in "01")
    assert first["dataset"] == second["dataset"] == RunDirectory(tmp_path / "run").read_config()["dataset"]
    assert (second["model"]["kind"], second["seed"]) == ("linear", 7)


@pytest.mark.slow
def test_what_has_no_effect_on_a_sweep_that_goes_on_is_told(wavesweep: Command) -> None:
    assert wavesweep("-m", *QUICK, "optimizer.lr=1e-3", HERE, BASIC).returncode == 0
    done = wavesweep("resume", "sweep", "hydra.sweeper.n_trials=9", BASIC)
    assert done.returncode == 0
    assert done.stderr.count("hydra.sweeper.n_trials=9 has no effect: all combinations run") == 1
