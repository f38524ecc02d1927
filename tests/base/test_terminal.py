"""What stands on a terminal, and what does not where none is."""

import io
import os
import pty
import re
import sys
import time
from pathlib import Path

import pytest

from hydra_queue_sweeper.base.terminal import say
from tests.support.commands import SMALL, Command, start
from tests.support.stores import ready
from wavesweep.experiment.events import Recorded
from wavesweep.runs.terminal import SECONDS_BETWEEN_LINES
from wavesweep.runs.terminal import Terminal as Progress

RUN = (*SMALL, "model=tiny", "training.epochs=20")
LONG = (*SMALL, "model=tiny", "training.epochs=1000")
"""Trains for a second or two, while a bar is painted four times a second."""
COLOUR = re.compile(rb"\x1b\[[\d;]*3[1-7][\d;]*m|\x1b\[[\d;]*9[0-7][\d;]*m")


def read(terminal: int) -> bytes:
    """Return all that is written to a pseudo-terminal until nobody has it open; close our side."""
    written = b""
    try:
        while chunk := os.read(terminal, 4096):
            written += chunk
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(terminal)
    return written


def on_terminal(place: Path, *arguments: str, **variables: str) -> bytes:
    """Run the command on a pseudo-terminal; return all that it writes there."""
    ready(place / "outputs" / "mlflow.db")
    ours, theirs = pty.openpty()
    process = start(*arguments, cwd=place, to=theirs, **variables)
    os.close(theirs)
    written = read(ours)
    assert process.wait() == 0, written.decode()
    return written


@pytest.mark.slow
def test_a_terminal_shows_a_bar_and_the_result(tmp_path: Path) -> None:
    written = on_terminal(tmp_path, *LONG, TERM="xterm-256color", COLUMNS="100")
    assert re.search(rb"epoch \d+/1001 .*loss .*val .*best", written)
    assert COLOUR.search(written)
    assert b"\x1b[?25h" in written.rpartition(b"\x1b[?25l")[2], "the cursor is shown again"
    text = re.sub(rb"\x1b\[[\d;?]*[a-zA-Z]", b"", written).decode()
    assert "linear autoregression" in text
    assert "compare runs: wavesweep ui" in text


@pytest.mark.slow
def test_a_terminal_without_colours_gets_none(tmp_path: Path) -> None:
    written = on_terminal(tmp_path, *LONG, TERM="xterm-256color", COLUMNS="100", NO_COLOR="1")
    assert b"epoch" in written
    assert b"\x1b[?25h" in written.rpartition(b"\x1b[?25l")[2], "a bar was there"
    assert not COLOUR.search(written)


@pytest.mark.slow
def test_a_bar_goes_along_with_the_checking_of_many_jobs(tmp_path: Path) -> None:
    many = ("-m", "seed=range(1000)", "hydra.sweeper.dry_run=true")
    written = on_terminal(tmp_path, *many, TERM="xterm-256color", COLUMNS="100", NO_COLOR="1")
    assert written.startswith(b"checking 1000 jobs\r\n")
    before, _, after = written.rpartition(b"\x1b[?25h")
    assert re.search(rb"checking .* [1-9]\d%", before)
    assert b"%" not in after, "the bar is gone"
    assert after.endswith(b"1000 jobs; nothing was run\r\n")
    assert not COLOUR.search(written)


@pytest.mark.slow
def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    written = on_terminal(tmp_path, *RUN, TERM="dumb")
    assert b"epoch 21/21" in written
    assert b"\x1b" not in written


def test_a_pipe_gets_plain_lines_and_stdout_the_result_alone(wavesweep: Command) -> None:
    done = wavesweep(*RUN)
    assert "\x1b" not in done.stdout + done.stderr
    assert "epoch 21/21" in done.stderr
    assert "epoch 21/21" not in done.stdout
    assert done.stdout.startswith("tiny num_series=7 length=40 width=3 ")
    assert "linear autoregression" in done.stdout
    assert "linear autoregression" not in done.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_result_s_first_line_stands_out_on_a_terminal_and_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for variable in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(variable, raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    say("a run\nall went well", {"w[a-z]+": "green"})
    assert terminal.getvalue() == "\x1b[1ma run\x1b[0m\nall \x1b[32mwent\x1b[0m \x1b[32mwell\x1b[0m\n"


def test_lines_are_seconds_apart(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    caplog.set_level("INFO")
    with Progress("val/one_step_mse") as progress:
        for epoch in range(1, 101):
            now += SECONDS_BETWEEN_LINES / 10
            metrics = {"train/loss": 0.5, "val/one_step_mse": 1 / epoch}
            progress.on(Recorded(epoch, 1000, metrics, seconds=0.0, evaluations=epoch))
    assert len(caplog.messages) == 10
    assert caplog.messages[-1] == "epoch 100/1000  loss 5.00e-01  val/one_step_mse 1.00e-02  best 1.00e-02"
