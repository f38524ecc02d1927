"""Any bytes in the place of what is stored: what reads them ends soon, in a line at most, and leaves others alone.

By hand, `WAVESWEEP_EXAMPLES=1000 pytest -n 0 -m slow tests/faults/test_any_bytes.py` tries others each time.
"""

import io
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from math import nan
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from hydra_queue_sweeper.base.errors import Refused
from tests.support.damage import damaged
from tests.support.guarded import resident
from tests.support.parts import composed, leave_undrawn
from tests.support.victims import ATTRIBUTES, COMMANDS, ENDED, OUTSIDE, STOPPED, SWEEP, guarded
from wavesweep.api import open_run, open_sweep
from wavesweep.base.streams import Stderr
from wavesweep.cli import again, forecast, main, resume
from wavesweep.cli.arguments import refuse
from wavesweep.config import composing
from wavesweep.config.config import Resolved
from wavesweep.data.data import Data
from wavesweep.evaluation.kept_epoch import Selection
from wavesweep.experiment import experiment
from wavesweep.experiment.checkpoint import Checkpoint, restore
from wavesweep.experiment.events import Event, Finished, Kept
from wavesweep.experiment.experiment import make_trainer
from wavesweep.experiment.result import Result
from wavesweep.runs import execute
from wavesweep.tracking.follower_handle import Delivered, Follower

EXAMPLES = int(os.environ.get("WAVESWEEP_EXAMPLES", "0"))
SECONDS, BYTES = 5.0, 300 << 20  # of the processor's time, which a busy machine does not change
QUICK = ["diff", "attributes", "summary", "leaderboard", "resume"]
RUN = [
    ["diff", ENDED, STOPPED],
    ["attributes", ENDED],
    ["forecast", ENDED],
    ["reproduce", ENDED],
    ["sync", "outputs/runs"],
]
LEFT = [["resume", STOPPED], ["resume"], ["sync", "outputs/runs"]]
SWEPT = [["summary", SWEEP], ["leaderboard", SWEEP], ["sync", SWEEP], ["resume", SWEEP, "hydra.sweeper.dry_run=true"]]
FILES = {
    f"{folder}/{name}": commands
    for folder, commands, names in (
        (ENDED, RUN, ("run.json", "config.yaml", "composed.yaml", "metrics.jsonl", "model.safetensors")),
        (STOPPED, LEFT, ("run.json", "config.yaml", "metrics.jsonl", "checkpoint.pt")),
        (SWEEP, SWEPT, ("sweep.json", "config.yaml", "parent.json", "metrics.jsonl")),
        (SWEEP, SWEPT, ("trials/0.json", "trials/1.json", "0/run.json", "0/config.yaml", "0/metrics.jsonl")),
    )
    for name in names
}
"""What is stored, with the commands that read it."""


def train_nothing(config: Resolved, data: Data, begin: Checkpoint | None) -> Iterator[Event]:
    """Stand for an experiment: only take up what a checkpoint holds."""
    if begin:
        trainer = make_trainer(config, data)
        restore(trainer, Selection(config.training, config.objective, trainer.network), begin)
    yield Kept(0, {}, data.pooled, None)
    yield Finished(Result(diverged=True, objective=nan, epoch=0), {})


@pytest.fixture(scope="module")
def copied(victims: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place of which a copy lies beside it."""
    pristine = shutil.copytree(victims, tmp_path_factory.mktemp("any_bytes") / "pristine")
    return shutil.copytree(pristine, pristine.with_name("place"))


@pytest.fixture
def place(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in that place; whatever is called there trains nothing."""
    monkeypatch.chdir(copied)
    for module in (resume, again, forecast, composing):
        monkeypatch.setattr(module, "compose", composed)
    for module in (resume, again):
        monkeypatch.setattr(module, "log_into", lambda _: None)
    monkeypatch.setattr(experiment, "experiment", train_nothing)
    monkeypatch.setattr("wavesweep.drawing.continuations.draw_continuations", lambda *_: None)
    monkeypatch.setattr(execute, "save_model", lambda *_: None)
    monkeypatch.setattr(Follower, "start", lambda _: None)  # `sync` tests what it does
    monkeypatch.setattr(Follower, "deliver_rest", lambda *_: Delivered(complete=True))
    leave_undrawn(monkeypatch)
    return copied


class Ended(NamedTuple):
    """How a command ended, what it said, and what it took."""

    code: int
    out: str
    err: str
    seconds: float
    bytes: int


def call(command: list[str]) -> Ended:
    """Run a command in this process."""
    out, err, log = io.StringIO(), io.StringIO(), logging.getLogger("wavesweep")
    Path("/proc/self/clear_refs").write_text("5")  # the most memory so far is that of now
    before, began = resident("VmRSS"), time.process_time()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(log, "handlers", [Stderr()])
        patch.setattr(log, "propagate", False)
        code = run(*command)
    return Ended(code, out.getvalue(), err.getvalue(), time.process_time() - began, resident("VmHWM") - before)


def run(name: str, *arguments: str) -> int:
    """Run a command, or what a notebook calls; return the exit code."""
    try:
        match name:
            case "attributes":
                one = open_run(arguments[0])
                _ = [getattr(one, attribute) for attribute in ATTRIBUTES], one.forecast()
            case "leaderboard":
                open_sweep(arguments[0]).leaderboard()
            case _:
                return main._run_command(name, list(arguments))
    except Refused as error:
        return refuse(str(error))
    return 0


def look(place: Path, but: Path) -> dict[Path, bytes]:
    """Return all that is kept in a place, one directory aside, but for what any command may bring up to date."""
    kept = (".yaml", ".jsonl", ".safetensors", ".png", ".csv", "")
    found = (path for path in place.rglob("*") if path.suffix in kept and not path.is_relative_to(but))
    return {path: path.read_bytes() for path in found if path.is_file() and not path.name.startswith(".")}


def examples(number: int, file: Path) -> Callable[[Callable[[bytes], None]], Callable[[], None]]:
    """Return what calls a check with so many contents in the place of a file: the same each time, but by hand."""
    rules = settings(
        max_examples=EXAMPLES or number,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    return lambda check: rules(given(damaged(file.read_bytes(), file.suffix[1:]))(check))


def check_end(command: Sequence[str], code: int, out: str, err: str) -> None:
    """Make sure that a command ended as any may whatever it has read."""
    left_out = re.search(r"(\d+) not delivered", out)
    assert code in ((0, 4) if command[0] == "sync" else (0, 1, 2, 3)), err
    assert int(left_out[1] if left_out else 0) <= 1, out
    assert len(err.splitlines()) <= 1, err
    assert all(line.isprintable() for line in [*out.splitlines(), *err.splitlines()]), out + err
    assert "Traceback" not in out + err


QUICKLY = [(file, [one for one in commands if one[0] in QUICK][:2], 3) for file, commands in FILES.items()]
WHOLLY = [pytest.param(file, commands, 3, marks=pytest.mark.slow) for file, commands in FILES.items()]


@pytest.mark.parametrize(("file", "commands", "number"), [*QUICKLY, *WHOLLY])
def test_what_reads_any_bytes_ends_soon_in_a_line_and_leaves_others_alone(
    file: str, commands: list[list[str]], number: int, place: Path
) -> None:
    pristine, directory = place.with_name("pristine"), Path(*Path(file).parts[:3])
    others = look(place, place / directory)

    @examples(number, pristine / file)
    def check(damage: bytes) -> None:
        for command in commands:
            shutil.rmtree(directory)
            shutil.copytree(pristine / directory, directory)
            Path(file).write_bytes(damage)
            ended = call(command)
            check_end(command, ended.code, ended.out, ended.err)
            assert ended.seconds < SECONDS
            assert ended.bytes < BYTES
        assert others.items() <= look(place, place / directory).items()
        assert {path.name for path in place.iterdir()} == {"outputs", OUTSIDE}

    try:
        check()
    finally:
        for folder in ("outputs/runs", "outputs/sweeps"):  # not the store, which this process holds open
            shutil.rmtree(folder)
            shutil.copytree(pristine / folder, folder)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_so_it_does_where_all_is_carried_out(file: str, victims: Path, tmp_path: Path) -> None:
    commands = [name for name, line in COMMANDS.items() if Path(line[1]) in Path(file).parents]

    @examples(2, victims / file)
    def check(damage: bytes) -> None:
        for command in commands:
            shutil.rmtree(tmp_path / "place", ignore_errors=True)
            place = shutil.copytree(victims, tmp_path / "place")
            (place / file).write_bytes(damage)
            ended, report = guarded(place, command)
            told = "" if ended.returncode in (0, 1, 3) else ended.stderr  # what has gone on tells of its progress
            check_end(COMMANDS[command], ended.returncode, ended.stdout, told)
            assert [one for one in report["done"] if "'git'" not in one] == []
            assert report["busy"] < SECONDS
            assert report["bytes"] < BYTES

    check()
