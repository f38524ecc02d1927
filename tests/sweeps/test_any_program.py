"""The sweeper with a program that has nothing to do with forecasting: the one that the engine's page shows."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from hydra_queue_sweeper.base.errors import Pruned
from hydra_queue_sweeper.search.space import Dimension
from hydra_queue_sweeper.sweeps.queue import MOST_DEATHS
from hydra_queue_sweeper.sweeps.reports import REPORTS, objective_reports, report
from hydra_queue_sweeper.sweeps.task import SweepTask
from tests.support.commands import environment
from tests.support.made import make
from tests.support.programs import for_this_hydra
from tests.support.sweeping import num_ended, states, trials

PAGE = Path(__file__).parents[2] / "src" / "hydra_queue_sweeper" / "README.md"
FENCE = re.compile(r"^```(python|yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^best: .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def shown() -> list[tuple[str, str]]:
    """Return the blocks of the page's section: their language and text."""
    [section] = re.findall(r"^## A program$(.*?)^## ", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return FENCE.findall(section)


@pytest.fixture
def place(shown: list[tuple[str, str]], tmp_path: Path) -> Path:
    """Return a folder that holds program and configuration."""
    blocks = dict(reversed(shown))
    (tmp_path / "minimise.py").write_text(for_this_hydra(blocks["python"]), "utf-8")
    (tmp_path / "minimise.yaml").write_text(blocks["yaml"], "utf-8")
    return tmp_path


def start(place: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "minimise.py", *arguments],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(place: Path, *arguments: str) -> tuple[str, str]:
    """Run the program to an end without errors; return what it prints."""
    process = start(place, *arguments)
    printed = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    return printed


def commands(shown: list[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """Return the page's commands, each with what it shows of its end."""
    found = [text.partition("\n") for language, text in shown if language == "console"]
    return [(shlex.split(line.removeprefix("$ python minimise.py ")), output) for line, _, output in found]


@pytest.mark.slow
def test_the_page_s_sweeps_find_what_it_shows(shown: list[tuple[str, str]], place: Path) -> None:
    """A grid and an interval run all, a pruner spares some; the best is the same as without it."""
    grid, drawn, pruned, _ = commands(shown)
    for arguments, output in (grid, pruned):
        printed, lines = run(place, *arguments)
        assert printed.splitlines() == SHOWN.findall(output)
        assert len(lines.splitlines()) == len(output.splitlines()) - 1
    assert states(place / "grid") == ["finished"] * 6
    ended = states(place / "pruned")
    assert set(ended) == {"finished", "pruned"}
    for trial in trials(place / "pruned"):
        assert (len(SweepTask(print).read_reports(place / "pruned" / trial.directory)) == 300) == (
            trial.state == "finished"
        )
    assert len(list((place / "grid").rglob(REPORTS))) == 6, "the live view tells from these how far jobs are"

    printed, _ = run(place, *drawn[0])
    assert re.match(r"best: \S+ by job \d: rate=0\.0\d+ momentum=(0|0\.9), in drawn/\d$", printed.strip())
    assert states(place / "drawn") == ["finished"] * 8


@pytest.mark.slow
def test_it_goes_on_after_a_kill_by_the_same_command(shown: list[tuple[str, str]], place: Path) -> None:
    [*_, (arguments, output)] = commands(shown)
    *first, _ = arguments
    sweep = place / "long"
    process = start(place, *first)
    until = time.monotonic() + 60
    while not num_ended(sweep):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {trial.number: trial for trial in trials(sweep) if trial.ended}
    assert 0 < len(before) < 6

    refused = start(place, *first)
    assert (
        "holds a sweep already; the same command with hydra.sweep.dir=long hydra.sweeper.resume=true goes on"
        in (refused.communicate()[1])
    )
    assert refused.returncode == 1
    other = start(place, "-m", "rate=interval(1,2)", *arguments[3:])
    assert "the sweep did not begin with rate=1…2; leave it out, or start a new sweep" in other.communicate()[1]
    printed, lines = run(place, *arguments)
    assert len(lines.splitlines()) == 1 + 6 - len(before), "one tells of the start"
    assert printed.splitlines() == SHOWN.findall(output)
    assert states(sweep) == ["finished"] * 6
    assert {trial.number: trial for trial in trials(sweep) if trial.number in before} == before


def test_it_runs_alone_as_ever(place: Path) -> None:
    assert run(place, "hydra.run.dir=alone") == ("", "")


DYING = """
import os, signal, time
from pathlib import Path
import hydra

@hydra.main(version_base="1.3", config_path=None)
def job(config):
    with Path(f"starts{config.x}").open("a") as file:
        file.write(".")
    def deaths():
        return Path("starts0").stat().st_size if Path("starts0").exists() else 0
    if config.x == 0 and deaths() <= config.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    until = time.monotonic() + 60
    while config.x == 1 and deaths() < min(config.deaths + 1, 3) and time.monotonic() < until:
        time.sleep(0.01)
    return config.x

if __name__ == "__main__":
    job()
"""
"""A program whose first job dies at its first starts, while the second waits for that."""


@pytest.mark.parametrize("deaths", [pytest.param(MOST_DEATHS - 1, marks=pytest.mark.slow), MOST_DEATHS])
def test_a_worker_that_dies_at_a_job_is_replaced_while_the_other_works(deaths: int, tmp_path: Path) -> None:
    (tmp_path / "minimise.py").write_text(for_this_hydra(DYING))
    chosen = ("hydra/sweeper=queue", "hydra/launcher=processes", "hydra.sweeper.n_workers=2")
    process = start(tmp_path, "-m", *chosen, "+x=0,1", f"+deaths={deaths}", "hydra.sweep.dir=sweep")
    _, said = process.communicate(timeout=120)
    fails = deaths == MOST_DEATHS
    assert states(tmp_path / "sweep") == ["failed" if fails else "finished", "finished"]
    assert [trial.deaths for trial in trials(tmp_path / "sweep")] == [deaths, 0]
    assert [(tmp_path / f"starts{number}").stat().st_size for number in range(2)] == [3, 1]
    assert ("job 0 failed: its worker died 3 times" in said, process.returncode) == (fails, int(fails))


# ---------------------------------------------------------------------------------------------------- reports


def test_reports_are_heard_within_a_job_alone() -> None:
    heard: list[tuple[int, float, int]] = []
    report(1, 1.0, 3)
    with objective_reports(to=lambda *reported: heard.append(reported)):
        report(2, 2, 3)
        report(3, float("nan"), 3)
    report(3, 3.0, 3)
    assert heard == [(2, 2.0, 3)]


def test_a_job_that_is_given_up_ends_where_it_reports() -> None:
    def give_up(*_: object) -> None:
        raise Pruned

    with objective_reports(to=give_up), pytest.raises(Pruned):
        report(1, 1.0, 3)
    report(2, 1.0, 3)


def test_reports_that_are_torn_are_none_and_those_of_a_new_start_count(tmp_path: Path) -> None:
    file = tmp_path / REPORTS
    assert SweepTask(print).read_reports(tmp_path) == {}
    for step, value in enumerate((3.0, 0.1, 1e-300), start=1):
        SweepTask(print).write_report(tmp_path, step, value)
    assert SweepTask(print).read_reports(tmp_path) == {1: 3.0, 2: 0.1, 3: 1e-300}
    whole = file.read_text()
    for length in range(len(whole) - len(json.dumps([3, 1e-300])), len(whole)):
        file.write_text(whole[:length])
        assert SweepTask(print).read_reports(tmp_path) == {1: 3.0, 2: 0.1}, "a torn line counts"
        SweepTask(print).write_report(tmp_path, 4, 9.0)
        assert SweepTask(print).read_reports(tmp_path) == {1: 3.0, 2: 0.1, 4: 9.0}
    SweepTask(print).write_report(tmp_path, 2, 5.0)
    assert SweepTask(print).read_reports(tmp_path) == {1: 3.0, 2: 5.0}, "what a start anew has not reached yet counts"


def test_what_ran_on_several_seeds_is_judged_by_their_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dimensions = [Dimension("rate", ("0.1", "0.2")), Dimension("seed", ("0", "1"))]
    sweep = make(tmp_path / "sweep", dimensions, [0.1, 1000.0, 5.0, 5.0])
    with SweepTask(print).prepare_and_conclude(sweep, sweep.read_plan(), OmegaConf.create({})):
        pass
    assert capsys.readouterr().out == f"best: 5 by job 2, 3: rate=0.2, in {sweep.path}/2, {sweep.path}/3\n"
