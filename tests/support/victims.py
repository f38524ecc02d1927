"""A place with runs and a sweep whose files tests spoil, and the commands that read them."""

import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hydra_queue_sweeper.base.errors import Refused
from tests.support import stores
from tests.support.commands import SECONDS, SMALL, Done, call
from tests.support.following import carry_out
from tests.support.guarded import watching
from tests.support.parts import save_each_epoch, small
from wavesweep.api import open_run
from wavesweep.base.streams import guard_streams
from wavesweep.cli.arguments import refuse
from wavesweep.cli.main import main
from wavesweep.experiment.preparation import prepare
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

CANARY = "k6vJq-canary"
ATTRIBUTES = ("config", "status", "metrics", "result", "plots")
STOPPED, ENDED, SWEEP, OUTSIDE = "outputs/runs/stopped", "outputs/runs/ended", "outputs/sweeps/sweep", "outside"
QUIET = "hydra/launcher=basic"
COMMANDS = {
    "resume": ("resume", STOPPED),
    "sync": ("sync", ENDED),
    "attributes": ("attributes", ENDED),
    "reproduce": ("reproduce", ENDED),
    "forecast": ("forecast", ENDED),
    "diff": ("diff", ENDED, ENDED),
    "resume a sweep": ("resume", SWEEP, QUIET),
    "summary": ("summary", SWEEP),
}
"""The commands that read what is stored, each with a directory to read."""


class Stopped(Exception):
    pass


def make(place: Path) -> None:
    """Make a run that was stopped, one that has ended, a sweep of which a job is left, and a folder outside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        save_each_epoch(patch)
        prepared = prepare(small("training.epochs=4"))
        for path, last in ((STOPPED, 2), (ENDED, None)):

            def listen(epoch: int, *_: object, last: int | None = last) -> None:
                if epoch == last:
                    raise Stopped

            Path(path).mkdir(parents=True)
            try:
                carry_out(prepared, RunDirectory(Path(path)), RunInfo([], {}, None, "victim"), listen)
            except Stopped:
                assert last
    line = ("-m", *SMALL, "model=tiny", "seed=0,1", f"hydra.sweep.dir={SWEEP}", QUIET)
    done = call(*line, cwd=place)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(place / SWEEP / "1")
    change(place / SWEEP / "trials" / "1.json", state="waiting", directory="", objective=None)
    for path in (place / "outputs").glob("ml*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (place / OUTSIDE).mkdir()
    (place / OUTSIDE / "secret").write_text(f"secret: {CANARY}\n")


def change(path: Path, **values: object) -> None:
    """Change values of a JSON file; of those within each other, __ stands between the keys."""
    content = json.loads(path.read_text())
    for key, value in values.items():
        *around, name = key.split("__")
        inner = content
        for one in around:
            inner = inner[int(one) if one.isdigit() else one]
        inner[name] = value
    path.write_text(json.dumps(content))


def read_attributes() -> None:
    """Do what a notebook does with a run that the command line names, and exit as a command would."""
    guard_streams()
    try:
        run = open_run(sys.argv[2])
        print([getattr(run, name) for name in ATTRIBUTES], run.forecast())
    except Refused as error:
        sys.exit(refuse(str(error)))
    sys.exit(0)


class Seen(NamedTuple):
    """How a command ended, and what it did; see tests/support/guarded.py."""

    ended: Done
    report: dict[str, Any]


def guarded(place: Path, command: str) -> Seen:
    """Call a command in a place, under guard; of its surroundings, the canary and all that it takes for its own."""
    program = read_attributes if command == "attributes" else main
    with watching(place / "outputs", Path(f"{stores.template}.lock")) as report:
        ended = call(*COMMANDS[command], cwd=place, program=program, WAVESWEEP_CANARY=CANARY)
    for thread in threading.enumerate():
        if thread.name == "follower in this process":  # which ends with the command
            thread.join(SECONDS)
            assert not thread.is_alive()
    return Seen(ended, report)
