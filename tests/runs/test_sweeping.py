"""Sweeps that a program asks for: the command runs them, in a process beside."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import wavesweep as ws
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.commands import SMALL, environment

QUICK = (*SMALL, "model=tiny", "runtime.device=cpu")
LONG = (*QUICK, "training.epochs=100000", "training.refine_epochs=0", "seed=0,1")
SECONDS = 60


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process sit in a directory of its own."""
    monkeypatch.chdir(tmp_path)


@contextmanager
def program(overrides: tuple[str, ...], place: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a program that asks for a sweep; yield it once a job has begun."""
    text = (
        "import signal, wavesweep\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's background lets ignore
        f"wavesweep.sweep(*{overrides!r}, directory={str(place)!r})"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", text], cwd=place.parent, env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: (place / "0" / "run.json").exists())
        yield started
    finally:
        started.kill()  # which ends its sweep
        started.communicate(timeout=SECONDS)


def wait_until(condition: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < SECONDS
        time.sleep(0.05)


class TestTheEnd:
    def test_it_is_the_command_s_sweep(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.INFO, "wavesweep")
        sweep = ws.sweep(*QUICK, "model=tiny,linear", "seed=1")
        assert sweep.path.parent == tmp_path / "outputs" / "sweeps"
        assert [run.status for run in sweep.runs()] == ["finished", "finished"]
        assert [*sweep.leaderboard()["model"]] == ["linear", "tiny"]
        alone = ws.run(ws.compose(*QUICK, "seed=1"))
        scores = ["train/loss", "val/closed_loop_scaled_mse"]
        assert sweep.runs()[0].metrics[scores].equals(alone.metrics[scores])
        assert any(record.message.startswith("2 jobs: 2 finished") for record in caplog.records)
        assert capfd.readouterr() == ("", "")

    def test_what_came_of_jobs_is_no_exception(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        sweep = ws.sweep(*QUICK, "optimizer.lr=1e-2,1e30", "hydra.sweeper.n_workers=1", directory=tmp_path / "mine")
        assert sweep.path == tmp_path / "mine"
        assert [run.status for run in sweep.runs()] == ["finished", "diverged"]
        assert "the command ended with 3" in caplog.text

    def test_one_that_is_there_is_gone_on_with(self, tmp_path: Path) -> None:
        ws.sweep(*QUICK, "seed=0", directory="mine")
        with pytest.raises(ws.Refused, match="mine"):
            ws.sweep(*QUICK, "seed=1", directory="mine")
        grown = ws.sweep(*QUICK, "seed=0,1", "hydra.sweeper.resume=true", directory="mine")
        assert [run.config.seed for run in grown.runs()] == [0, 1]


class TestRefusals:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (("model=nope",), r"^model=nope is not an option; choose from"),
            (("dataset.length=-1,-2",), r"^dataset\.length=-1: dataset\.length must be at least 3"),
            (("--help",), r"^--help is no override"),
            ((3,), r"^an override must be text, as on the command line, got 3"),
            (("+hydra.sweep.dir=there",), r"^hydra\.sweep\.dir is chosen by directory="),
        ],
    )
    def test_it_refuses_what_the_command_refuses(
        self, tmp_path: Path, overrides: tuple[str, ...], message: str
    ) -> None:
        with pytest.raises(ws.Refused, match=message):
            ws.sweep(*overrides)
        assert not (tmp_path / "outputs").exists()

    def test_a_dry_run_leaves_no_sweep(self) -> None:
        with pytest.raises(RuntimeError, match=r"left no sweep: 2 jobs; nothing was run$"):
            ws.sweep("seed=1,2", "hydra.sweeper.dry_run=true")


class TestTheEndOfTheProgram:
    def test_ctrl_c_ends_the_sweep(self, tmp_path: Path) -> None:
        with program(LONG, tmp_path / "mine") as started:
            started.send_signal(signal.SIGINT)
            _, errors = started.communicate(timeout=SECONDS)
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert not SweepDirectory(tmp_path / "mine").is_run()
        assert {run.status for run in ws.open_sweep("mine").runs()} == {"killed"}

    def test_a_program_that_is_killed_ends_its_sweep(self, tmp_path: Path) -> None:
        with program(LONG, tmp_path / "mine") as started:
            started.kill()
        wait_until(lambda: not SweepDirectory(tmp_path / "mine").is_run())
        assert {run.status for run in ws.open_sweep("mine").runs()} == {"killed"}
