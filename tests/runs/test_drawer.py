"""Pictures are drawn from what a run has left, and from that alone."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from hydra_queue_sweeper.base.errors import Pruned, Refused
from hydra_queue_sweeper.base.signals import Interrupted
from tests.support.following import carry_out, go_on
from tests.support.parts import save_each_epoch, small
from tests.support.trees import wait_until
from wavesweep.drawing.drawer import draw
from wavesweep.evaluation.shown import ShownCurve, ShownErrors, pack, unpack
from wavesweep.experiment.preparation import prepare
from wavesweep.runs import drawer_handle
from wavesweep.runs.drawer_handle import Drawer
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo


def pixels(directory: RunDirectory) -> dict[str, np.ndarray]:
    return {path.name: imread(path) for path in sorted(directory.plots.iterdir())}


def check_drawn_again(directory: RunDirectory, place: Path) -> None:
    """Make sure that a run's pictures are drawn again elsewhere, by what they show alone."""
    elsewhere = RunDirectory(place)
    shutil.copytree(directory.shown, elsewhere.shown)
    for path in elsewhere.shown.iterdir():
        draw(path, elsewhere.figure(path.stem))
    before, after = pixels(directory), pixels(elsewhere)
    assert before.keys() == after.keys() >= {"learning_curve.png", "forecast_epoch_001.png"}
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("overrides", [(), ("model=linear",), ("training.epoch_figures=all", "training.keep=last")])
def test_they_are_the_same_when_they_are_drawn_again(
    directory: RunDirectory, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    carry_out(prepare(small("tracking.followers=[]", *overrides)), directory, RunInfo([], {}, None, "any"))
    check_drawn_again(directory, tmp_path / "elsewhere")


@pytest.mark.parametrize("keep", ["best", "last"])
def test_those_of_a_run_that_was_given_up_are_so_too(directory: RunDirectory, keep: str, tmp_path: Path) -> None:
    def give_up(epoch: int, *_: object) -> None:
        if epoch == 3:
            raise Pruned

    config = small("tracking.followers=[]", f"training.keep={keep}", "optimizer.lr=0.3")
    assert carry_out(prepare(config), directory, RunInfo([], {}, None, "any"), give_up).result is None
    assert directory.read_info().status == "pruned"
    assert directory.read_metrics()[-1].keys() == {"timestamp", "time/train_seconds", "cost/loss_evaluations"}
    check_drawn_again(directory, tmp_path / "elsewhere")
    errors = directory.read_objectives()
    shown = unpack((directory.shown / "learning_curve.safetensors").read_bytes())
    assert isinstance(shown, ShownCurve)
    assert shown.kept == (3 if keep == "last" else min(errors, key=lambda epoch: errors[epoch]))


def test_what_a_killed_run_had_left_undrawn_is_drawn_when_it_goes_on(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_each_epoch(monkeypatch)
    prepared = prepare(small("tracking.followers=[]"))

    def stop(epoch: int, *_: object) -> None:
        if epoch == 2:
            raise Interrupted(signal.SIGTERM)

    with pytest.raises(Interrupted):
        carry_out(prepared, directory, RunInfo([], {}, None, "any"), stop)
    before = directory.figure("forecast_epoch_001").read_bytes()
    directory.figure("forecast_epoch_001").unlink()
    go_on(prepared, directory)
    assert directory.figure("forecast_epoch_001").read_bytes() == before


def test_names_keep_their_order() -> None:
    """By which lines get their colours."""
    errors = {name: np.ones(3) for name in ("this run", "naive", "drift")}
    shown = unpack(pack(ShownErrors("title", errors)))
    assert isinstance(shown, ShownErrors)
    assert [*shown.errors] == [*errors]


@pytest.mark.parametrize("damage", [b"", b"\xff" * 64, None])
def test_what_is_damaged_is_refused(damage: bytes | None) -> None:
    content = pack(ShownErrors("title", {"naive": np.ones(3)}))
    shown = unpack(content)
    assert isinstance(shown, ShownErrors)
    assert (shown.title, shown.errors["naive"].tolist()) == ("title", [1, 1, 1])
    with pytest.raises(Refused, match="what a picture shows is damaged"):
        unpack(content.replace(b"ShownErrors", b"ShownOthers") if damage is None else damage)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drawer]:
    """Give a drawer that starts a process, as where there are several cores."""
    monkeypatch.setattr(drawer_handle, "_cores", lambda: 2)
    with Drawer() as drawer:
        yield drawer


def leave(folder: Path, number: int) -> list[tuple[Path, Path]]:
    """Leave what so many pictures show; return where, and where the pictures go."""
    errors = {"this run": np.linspace(1, 2, 5)}
    for each in range(number):
        (folder / f"{each}.safetensors").write_bytes(pack(ShownErrors(str(each), errors)))
    return [(folder / f"{each}.safetensors", folder / f"{each}.png") for each in range(number)]


def test_the_process_beside_draws_the_same(beside: Drawer, tmp_path: Path) -> None:
    pairs = leave(tmp_path, 3)
    for pair in pairs:
        beside.draw(*pair)
    beside.wait()
    for shown, picture in pairs:
        there = imread(picture)
        draw(shown, picture)
        assert np.array_equal(there, imread(picture))


def test_it_lags_by_as_many_as_are_allowed(beside: Drawer, tmp_path: Path) -> None:
    *before, last = leave(tmp_path, 4)
    for pair in before:
        beside.draw(*pair)
    beside.may_lag = True
    assert beside._process
    os.kill(beside._process.pid, signal.SIGSTOP)
    beside.draw(*last)
    beside.finish_run(4)
    assert not last[1].exists()
    os.kill(beside._process.pid, signal.SIGCONT)
    beside.finish_run(1)
    assert all(picture.exists() for _, picture in before)
    beside.may_lag = False
    beside.finish_run(1)
    assert last[1].exists()


def test_what_a_killed_process_has_left_is_drawn_here(beside: Drawer, tmp_path: Path) -> None:
    pairs = leave(tmp_path, 4)
    for pair in pairs[:2]:
        beside.draw(*pair)
    assert beside._process
    beside._process.kill()
    beside._process.wait()
    for pair in pairs[2:]:
        beside.draw(*pair)
    beside.wait()
    assert all(picture.exists() for _, picture in pairs)


def test_it_draws_to_the_end_where_who_started_it_is_gone(tmp_path: Path) -> None:
    """And isn't stopped by Ctrl-C."""
    pairs = leave(tmp_path, 3)
    code = (
        "import os, signal, sys; from pathlib import Path; from wavesweep.runs.drawer_handle import Drawer\n"
        "drawer = Drawer(); drawer._is_lost = False\n"
        "for number in range(3): drawer.draw(Path(f'{number}.safetensors'), Path(f'{number}.png'))\n"
        "os.killpg(0, signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, start_new_session=True, check=False)
    wait_until(lambda: all(picture.exists() for _, picture in pairs), 60)


def test_a_picture_that_can_t_be_drawn_is_warned_of(
    beside: Drawer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    (run / "shown").mkdir(parents=True)
    [(shown, _)] = leave(run / "shown", 1)
    beside.may_lag = True
    beside.draw(shown, run / "plots" / "0.png")
    beside.wait()
    beside.finish_run(0)
    [warning] = caplog.messages
    assert warning.startswith("0.png can't be drawn: ")
    assert warning.endswith(f"wavesweep draw {run} tries it again")


@pytest.mark.parametrize("cores", [1, 2])
def test_a_picture_that_can_t_be_written_fails_the_run(
    cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since it could be finished no more, and `resume` would leave it without."""
    monkeypatch.setattr(drawer_handle, "_cores", lambda: cores)
    monkeypatch.chdir(tmp_path)
    pairs = leave(Path(), 1)
    with Drawer() as drawer:
        drawer.draw(pairs[0][0], Path("gone/0.png"))
        with pytest.raises(FileNotFoundError) as failure:
            drawer.finish_run(1)
        drawer.draw(*pairs[0])
        drawer.finish_run(1)
    assert failure.value.filename == "gone/0.png"


def test_what_a_killed_process_had_half_written_is_removed(tmp_path: Path) -> None:
    [(shown, picture)] = leave(tmp_path, 1)
    part = tmp_path / ".0.png.0123abcd.part"
    part.touch()
    draw(shown, picture)
    assert not part.exists()
