"""`wavesweep.iterate`: a run whose events a program takes one by one."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

import wavesweep as ws
from hydra_queue_sweeper.base import signals
from tests.support.commands import SMALL, Command, environment
from tests.support.records import on_disk
from wavesweep.runs.lending import step_by_step
from wavesweep.trackers.mlflow.store import connect
from wavesweep.workspace.directory import RunDirectory

QUICK = (*SMALL, "model=tiny", "runtime.device=cpu", "model.dropout=0.1", "model.hidden_sizes=[3,3]")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_events_tell_the_run_in_order() -> None:
    events = [*ws.iterate(ws.compose(*QUICK), "run")]
    assert isinstance(events[0], ws.Started)
    assert isinstance(events[-1], ws.Finished)
    recorded = [event.epoch for event in events if isinstance(event, ws.Recorded)]
    advanced = [event.epoch for event in events if isinstance(event, ws.Advanced)]
    assert recorded == advanced == [1, 2, 3, 4]
    [kept] = [event for event in events if isinstance(event, ws.Kept)]
    assert (
        kept.epoch == events[-1].result.epoch == int(RunDirectory(Path("run")).read_info().tags["wavesweep.kept_epoch"])
    )
    phases = list(dict.fromkeys(event.name for event in events if isinstance(event, ws.Phase)))
    assert phases == ["training", "judging", "baselines", "testing"]
    pictures = {event.name for event in events if isinstance(event, ws.Drawable)}
    assert pictures | {"learning_curve"} == ws.open_run("run").plots.keys()


def test_it_is_run_s_to_the_last_bit_whatever_the_loop_does() -> None:
    config = ws.compose(*QUICK)
    ws.run(config, "run")
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    mine = []
    for _ in ws.iterate(config, "iterated"):
        mine.append(torch.rand(()).item())
        torch.set_num_threads(2)
    torch.set_num_threads(threads)
    assert on_disk(Path("iterated")) == on_disk(Path("run"))
    torch.manual_seed(5)
    assert mine == [torch.rand(()).item() for _ in mine], "the loop's own numbers are its own"


@pytest.mark.parametrize("kind", [ws.Recorded, ws.Advanced, ws.Drawable])
def test_leaving_the_loop_ends_the_run_as_ctrl_c_does(kind: type, wavesweep: Command) -> None:
    config = ws.compose(*QUICK)
    ws.run(config, "straight")
    seen = 0
    for event in ws.iterate(config, "left"):
        seen += isinstance(event, kind)
        if seen == 2:
            break
    assert ws.open_run("left").status == "killed"
    assert RunDirectory(Path("left")).checkpoint.exists()
    done = wavesweep("resume", "left", pictures=True)
    assert done.returncode == 0, done.stderr
    assert on_disk(Path("left")) == on_disk(Path("straight"))
    client, experiment = connect(config.tracking)
    assert {run.info.status for run in client.search_runs([experiment])} == {"FINISHED"}


def test_leaving_at_the_last_event_leaves_a_whole_run() -> None:
    for event in ws.iterate(config := ws.compose(*QUICK), "run"):
        if isinstance(event, ws.Finished):
            break
    assert ws.open_run("run").status == "finished"
    client, experiment = connect(config.tracking)
    assert [run.info.status for run in client.search_runs([experiment])] == ["FINISHED"]


def test_an_error_in_the_loop_is_the_loop_s() -> None:
    def take(events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, ws.Recorded):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take(ws.iterate(ws.compose(*QUICK), "run"))
    assert ws.open_run("run").status == "killed"


def test_a_process_runs_one_at_a_time() -> None:
    config = ws.compose(*QUICK)
    events = ws.iterate(config, "first")
    next(events)
    with pytest.raises(ws.Refused, match="this process runs another run now"):
        ws.run(config, "second")
    with pytest.raises(ws.Refused, match="this process runs another run now"):
        next(ws.iterate(config, "third"))
    refused: list[str] = []

    def run_beside() -> None:
        try:
            ws.run(config, "fourth")
        except ws.Refused as error:
            refused.append(str(error))

    thread = Thread(target=run_beside)
    thread.start()
    thread.join()
    assert len(refused) == 1
    assert not any(Path(name).exists() for name in ("second", "third", "fourth"))
    events.close()
    assert ws.open_run("first").status == "killed"
    assert ws.run(config, "fifth").status == "finished"


def test_what_can_t_be_run_is_refused_before_the_first_event(place: Path) -> None:
    with pytest.raises(ws.Refused, match="a run takes a configuration"):
        ws.iterate("sine")  # type: ignore[arg-type]
    with pytest.raises(ws.Refused, match="washout"):
        next(ws.iterate(ws.compose(*QUICK, "training.washout=10000"), "run"))
    assert not [*place.iterdir()]


def test_a_run_ends_before_the_program_s_handler_is_told_of_a_signal() -> None:
    said: list[str] = []

    def events() -> Generator[Any, None, None]:
        with signals.deferred():
            try:
                yield 1
                signal.raise_signal(signal.SIGTERM)
                yield 2
                signals.check()
                yield 3
            finally:
                said.append("ended")

    before = signal.signal(signal.SIGTERM, lambda *_: said.append("told"))
    try:
        taken = step_by_step(events())
        assert next(taken) == 1
        with pytest.raises(ws.Interrupted):
            next(taken)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert said == ["ended", "told"]


CONFIG = [*QUICK, "tracking.followers=[]", "training.epochs=100000", "training.refine_epochs=0"]
RUN = f"""
import wavesweep as ws
ws.run(ws.compose(*{CONFIG}), "run")
"""
ITERATE = f"""
import wavesweep as ws
for event in ws.iterate(ws.compose(*{CONFIG}), "run"):
    pass
"""


@pytest.mark.parametrize(
    ("script", "struck"),
    [(RUN, (signal.SIGTERM,)), (RUN, (signal.SIGINT, signal.SIGINT)), (ITERATE, (signal.SIGINT, signal.SIGINT))],
    ids=["run, SIGTERM", "run, Ctrl-C twice", "iterate, Ctrl-C twice"],
)
def test_a_signal_ends_the_run_before_the_program(script: str, struck: tuple[signal.Signals, ...], place: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=subprocess.DEVNULL,
        env=environment(),
        # Ctrl-C is ignored by what a shell starts in the background, and inherited so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    run = RunDirectory(place / "run")
    try:
        until = time.monotonic() + 60
        while not run.checkpoint.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        for signum in struck:
            process.send_signal(signum)
            time.sleep(0.02)
        assert process.wait(20) in (-struck[0], 1, 130)
    finally:
        process.kill()
        process.wait()
    assert run.read_info().status == "killed"
    assert run.checkpoint.exists()


def test_phases_tell_how_far_they_are() -> None:
    events = [one for one in ws.iterate(ws.compose(*QUICK), "run") if isinstance(one, ws.Phase)]
    steps: dict[str, list[int]] = {}
    for one in events:
        assert one.done <= one.total
        steps.setdefault(one.name, []).append(one.done)
    baselines = len([key for key in ws.open_run("run").result.metrics if re.fullmatch(r"val/\w+_scaled_mse", key)]) - 2
    assert steps["judging"] == [0], "all of validation was watched: there is nothing to decide"
    assert steps["baselines"] == [*range(baselines + 1)]
    assert steps["testing"] == [*range(baselines + 2)]
