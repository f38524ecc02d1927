"""Pictures are drawn from what a run has left, and from that alone."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from hydra_queue_sweeper.base.errors import Pruned, Refused
from tests.support.following import carry_out
from tests.support.parts import small
from wavesweep.drawing.learning_curve import draw_learning_curve
from wavesweep.evaluation.shown import ShownErrors, pack, unpack
from wavesweep.experiment.preparation import prepare
from wavesweep.runs.drawer import draw
from wavesweep.workspace.configurations import read_resolved
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.info import RunInfo

LEFT = ("run.json", "config.yaml", "metrics.jsonl", "shown")


def pixels(directory: RunDirectory) -> dict[str, np.ndarray]:
    return {path.name: imread(path) for path in sorted(directory.plots.iterdir())}


def check_drawn_again(directory: RunDirectory, place: Path) -> None:
    """Make sure that a run's pictures are drawn again elsewhere, by little of what it has left."""
    elsewhere = RunDirectory(place)
    place.mkdir()
    for name in LEFT:
        there = directory.path / name
        shutil.copytree(there, place / name) if there.is_dir() else shutil.copy(there, place)
    draw(elsewhere, read_resolved(elsewhere.config))
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
def test_those_of_a_run_that_was_given_up_are_so_too(
    directory: RunDirectory, keep: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int | None] = []

    def draw_curve(records: list[dict[str, Any]], epoch: int | None, start: str, main_epochs: int, path: Path) -> None:
        kept.append(epoch)
        draw_learning_curve(records, epoch, start, main_epochs, path)

    monkeypatch.setattr("wavesweep.runs.drawer.draw_learning_curve", draw_curve)

    def give_up(epoch: int, *_: object) -> None:
        if epoch == 3:
            raise Pruned

    config = small("tracking.followers=[]", f"training.keep={keep}", "optimizer.lr=0.3")
    assert carry_out(prepare(config), directory, RunInfo([], {}, None, "any"), give_up).result is None
    assert directory.read_info().status == "pruned"
    assert directory.read_metrics()[-1].keys() == {"timestamp", "time/train_seconds", "cost/loss_evaluations"}
    check_drawn_again(directory, tmp_path / "elsewhere")
    errors = directory.read_objectives()
    assert kept == 2 * [3 if keep == "last" else min(errors, key=lambda epoch: errors[epoch])]


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
