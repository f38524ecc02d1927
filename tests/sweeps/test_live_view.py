"""What is shown of a sweep while it runs: on a terminal, and where none is."""

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from hydra_queue_sweeper.base.terminal import Bar
from hydra_queue_sweeper.search.space import Dimension, Interval, grid_jobs
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps import live_view
from hydra_queue_sweeper.sweeps.live_view import MOST_READING, SECONDS_OF_SILENCE, _View, watching
from hydra_queue_sweeper.sweeps.task import SweepTask
from tests.support.made import make

DIMENSIONS = [Dimension("model.hidden_sizes", ("[3]", "[5,5]")), Dimension("lr", ("1e-4", "0.05"))]
ESCAPES = re.compile(r"\x1b\[[\d;?]*[a-zA-Z]")
RED = "\x1b[31m"


class Task(SweepTask):
    """Counts how often a job's reports are read, which may take a while."""

    step = "epoch"
    beginning = "starting workers: they import torch"
    is_quiet = True

    def __init__(self) -> None:
        super().__init__(print)
        self.readings, self.takes = 0, lambda: None

    def read_reports(self, directory: Path) -> dict[int, float]:
        self.readings += 1
        self.takes()
        return super().read_reports(directory)


class Sweep:
    """A sweep of four jobs, whose records are written as workers would."""

    def __init__(self, place: Path) -> None:
        self.directory, self.task = make(place / "sweep", DIMENSIONS, []), Task()
        self.plan = self.directory.read_plan()

    def record(self, number: int, steps: int = 0, **changes: object) -> None:
        """Write a job's record, taken up 100 s ago unless that is said, and so many reports of 18."""
        overrides = [*grid_jobs(DIMENSIONS)][number]
        trial = Trial(number, overrides, "running", steps=18 * bool(steps), began=time.time() - 100.0)
        trial = replace(trial, directory=str(number), **changes)  # type: ignore[arg-type]
        (self.directory.path / trial.directory).mkdir(exist_ok=True)
        known = len(self.task.read_reports(self.directory.path / trial.directory))
        for step in range(known + 1, steps + 1):
            self.task.write_report(self.directory.path / trial.directory, step, 1.0 / step)
        self.directory.write_trial(trial)

    def end_all(self) -> None:
        """Let all jobs end, each in another way."""
        self.record(2, state="finished", objective=1.23449e-3, seconds=4.2)
        self.record(0, steps=6, state="pruned", seconds=12.0)
        self.record(1, state="failed", reason="ValueError: no", seconds=0.04)
        self.record(3, state="pruned", reason="its configuration was given up")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


class Clock:
    """A time that passes as it is told."""

    now = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@contextmanager
def terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int = 80, variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[list[str]]:
    """Let stderr be a terminal; what was written there stands in the list in the end."""
    ours, theirs = os.openpty()
    written, found = bytearray(), []

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                written.extend(chunk)
        except OSError:  # how Linux says that the other side is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    for name, value in {
        "TERM": "xterm-256color",
        "COLUMNS": str(columns),
    }.items() | variables.items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as patched, open(theirs, "w", encoding="utf-8") as stderr:  # noqa: PTH123
        patched.setattr("sys.stderr", stderr)
        yield found
    reader.join()
    os.close(ours)
    found.append(written.decode())


def test_a_pipe_gets_a_line_at_the_start_and_for_each_job_that_ends(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(sweep.directory, sweep.plan, sweep.task):
        assert capsys.readouterr().err == "[0/4] starting workers: they import torch\n"
        sweep.end_all()
    assert sorted(line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()) == [
        "failed    job 1  hidden_sizes=[3] lr=0.05                   0.0 s  ValueError: no",
        "finished  job 2  hidden_sizes=[5,5] lr=0.0001  1.234e-03    4.2 s",
        "pruned    job 0  hidden_sizes=[3] lr=0.0001    1.667e-01   12.0 s  at epoch 6/18",
        "pruned    job 3  hidden_sizes=[5,5] lr=0.05                 0.0 s  its configuration was given up",
    ]
    with watching(sweep.directory, sweep.plan, sweep.task):
        pass
    assert capsys.readouterr().err == "", "nothing is waited for"


def test_a_long_silence_gets_a_line_and_nothing_else_does(
    sweep: Sweep, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    view = _View(sweep.directory, sweep.plan, sweep.task, None)
    sweep.record(0, steps=9)
    view.look()
    clock.pass_by(SECONDS_OF_SILENCE - 1)
    view.look()
    assert sweep.task.readings == 1, "as the job was recorded: nobody asks for what is not shown"
    assert capsys.readouterr().err.count("\n") == 1
    sweep.record(1, state="finished", objective=0.5, seconds=100.0)
    view.look()
    clock.pass_by(SECONDS_OF_SILENCE - 1)
    view.look()
    assert capsys.readouterr().err.count("\n") == 1
    clock.pass_by(1)
    view.look()
    view.look()
    assert re.fullmatch(
        r"\[1/4\] 1 running · 1 finished · best 5\.000e-01 \(job 1\)  time left 0:\d\d:\d\d\n", capsys.readouterr().err
    )


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_what_runs_and_all_is_within_its_width(
    columns: int, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "SECONDS_BETWEEN_READINGS", 0.0)
    with terminal(monkeypatch, columns) as written, watching(sweep.directory, sweep.plan, sweep.task):
        time.sleep(0.7)
        sweep.record(2, steps=7)
        sweep.record(3)
        time.sleep(1.0)
        sweep.end_all()
    texts = map(str.strip, ESCAPES.sub("", written[0]).replace("\r", "\n").splitlines())
    lines = list(filter(None, texts))
    assert not [line for line in lines if len(line) > columns and "0.0 s" not in line], "only reasons may be longer"
    assert re.match("0/4 ━+ time left –$", lines[0])
    assert lines[1] == "starting workers: they import torch"
    assert "2 running" in lines
    assert any(
        re.match(r"job 2  hidden_sizes=\[5,5\] lr=0.0001  epoch 7/18  1.429e-01  10\d s$", line) for line in lines
    )
    assert any(re.match(r"job 3  hidden_sizes=\[5,5\] lr=0.05 +10\d s$", line) for line in lines)
    assert any(re.match(r"0/4 ━.* time left 0:0[1-9]:\d\d$", line) for line in lines)
    assert any(re.match(r"\[\d/4\] pruned +job 0  h.*1.667e-01 +12.0 s  at epoch 6/18$", line) for line in lines)
    assert written[0].endswith("\x1b[?25h") or "\x1b[?25h" in written[0].rpartition("\x1b[?25l")[2]
    assert "starting" not in written[0].rpartition("2 running")[2]


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}], ids=str)
def test_failures_are_red_unless_colours_are_unwanted(
    variables: dict[str, str], sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal(monkeypatch, variables=variables) as written, watching(sweep.directory, sweep.plan, sweep.task):
        sweep.end_all()
    assert (RED in written[0]) == (not variables)
    assert "ValueError: no" in written[0]


class Shown(Bar):
    """Keeps what was shown last instead of showing it."""

    def __init__(self) -> None:
        super().__init__(timed=False)
        self.last: tuple[Any, ...] = ()

    def show(
        self, what: str, done: int, total: int, scores: str, status: str = "", rows: Sequence[Sequence[str]] = ()
    ) -> None:
        self.last = what, done, total, scores, status, rows


def view_of(sweep: Sweep) -> tuple[_View, Shown]:
    shown = Shown()
    return _View(sweep.directory, sweep.plan, sweep.task, shown), shown


def test_reading_takes_a_small_share_of_the_time(sweep: Sweep, clock: Clock) -> None:
    view, _ = view_of(sweep)
    for number in range(2):
        sweep.record(number, steps=3)
    sweep.task.readings, sweep.task.takes = 0, lambda: clock.pass_by(0.1)
    began = clock.now
    while clock.now < began + 60:
        view.look()
        clock.pass_by(0.3)
    assert 2 * 60 * MOST_READING * 0.8 < 0.1 * sweep.task.readings * 2 < 2 * 60 * MOST_READING * 1.2


def test_what_an_earlier_start_left_behind_does_not_run_until_it_is_taken_up(sweep: Sweep, clock: Clock) -> None:
    """Then the seconds of that start count beside those of this one."""
    began = time.time()
    sweep.record(0, steps=9, began=began - 5000.0, launch="before")
    view, shown = view_of(sweep)
    view.look()
    *_, status, rows = shown.last
    assert (status, rows) == (Task.beginning, [])
    sweep.record(0, steps=9, began=began - 8.0, seconds=72.0)
    view.look()
    sweep.record(0, steps=10, began=began - 8.0, seconds=72.0)
    clock.pass_by(2.0)
    view.look()
    *_, scores, status, rows = shown.last
    assert (status, rows[0][2]) == ("1 running", "epoch 10/18")
    left, other_jobs = 8 * 8.0, 3 * 18 * 8.0
    hours, minutes, seconds = map(int, scores.removeprefix("time left ").split(":"))
    assert 3600 * hours + 60 * minutes + seconds == pytest.approx(left + other_jobs, rel=0.05)


def test_a_record_that_is_damaged_hides_no_other(sweep: Sweep) -> None:
    view, shown = view_of(sweep)
    (sweep.directory.trials / "0.json").write_text("{")
    sweep.record(1, state="finished", objective=0.5, seconds=1.0)
    view.look()
    assert shown.last[:2] == ("1/4", 1)


def test_where_width_lacks_values_are_cut_and_passwords_stay_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dimensions = [Dimension("a.token", ("swordfish", "b")), Dimension("model.hidden_sizes", ("[3]", "[5]"))]
    directory = make(tmp_path / "sweep", dimensions, [1.0])
    view = _View(directory, directory.read_plan(), Task(), Shown())
    trial = view.trials[0]
    assert view._what(trial) == "token=*** hidden_sizes=[3]"
    monkeypatch.setattr(Shown, "width", 60)
    assert " token=*** hidden… " in view._line(trial)


@pytest.mark.usefixtures("clock")
def test_of_a_sampled_sweep_the_mean_is_expected(tmp_path: Path) -> None:
    rate = Dimension("lr", interval=Interval(1e-4, 1e-1, integer=False, log=True))
    directory, task = make(tmp_path / "drawn", [rate, Dimension("seed", ("0", "1"))], [0.3, 0.2], total=10), Task()
    shown = Shown()
    view = _View(directory, directory.read_plan(), task, shown)
    trial = directory.read_trial(0)
    assert trial
    directory.write_trial(replace(trial, number=2, state="running", objective=None, began=time.time()))
    view.look()
    assert shown.last[:2] == (" 2/10", 2)
    assert shown.last[3] == "best 2.000e-01 (job 1)  time left 0:00:08", "eight jobs, the mean of 0.5 and 1.5 s"


def test_no_bar_stands_where_jobs_print(monkeypatch: pytest.MonkeyPatch, sweep: Sweep) -> None:
    sweep.task.is_quiet = False
    with terminal(monkeypatch, 80) as written, watching(sweep.directory, sweep.plan, sweep.task):
        pass
    assert "\x1b[?25l" not in "".join(written)
