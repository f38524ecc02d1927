"""A place with runs and a sweep whose files tests spoil, and the commands that read them."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import stores
from tests.support.commands import SMALL
from tests.support.forking import Forked, environment, heavy
from tests.support.parts import save_each_epoch, small
from wavesweep.runs.directory import RunDirectory
from wavesweep.runs.info import RunInfo
from wavesweep.runs.preparation import prepare
from wavesweep.tracking.tracked_run import execute

CANARY = "k6vJq-canary"
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
                execute(prepared, RunDirectory(Path(path)), RunInfo([], {}, None), listen)
            except Stopped:
                assert last
    line = ("-m", *SMALL, "model=tiny", "seed=0,1", f"hydra.sweep.dir={SWEEP}", QUIET)
    done = heavy().run(*line, cwd=place, environment=environment())
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


class Seen(NamedTuple):
    """How a command ended, and what it did; see tests/support/guarded.py."""

    ended: Forked
    report: dict[str, Any]


def guarded(place: Path, command: str) -> Seen:
    """Run a command in a place, under guard; of its surroundings, the canary and all that it takes for its own."""
    report = place.parent / "report.json"
    variables = environment(WAVESWEEP_CANARY=CANARY, WAVESWEEP_TEMPLATE=str(stores.template))
    line = (str(report), str(place / "outputs"), *COMMANDS[command])
    ended = heavy().run(*line, cwd=place, environment=variables, module="tests.support.guarded")
    return Seen(ended, json.loads(report.read_text()))
