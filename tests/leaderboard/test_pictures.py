"""The pictures of a sweep of experiments: what runs recorded is drawn by its name."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hydra_queue_sweeper.base.files import write_yaml
from hydra_queue_sweeper.charts import pictures
from hydra_queue_sweeper.search.space import Dimension
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.made import make
from wavesweep.leaderboard.ranking import rank
from wavesweep.workspace.directory import RunDirectory, SweepRecord

SCORE = "val/closed_loop_mse"


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    """A sweep of two jobs whose runs recorded three epochs each."""
    sweep = make(tmp_path / "sweep", [Dimension("model", ("tiny", "small"))], [0.5, 1.5])
    write_yaml(SweepRecord(sweep.path).config, {"objective": SCORE})
    for number, last in enumerate((0.5, 1.5)):
        run = RunDirectory(sweep.path / str(number))
        run.path.mkdir()
        write_yaml(run.config, {"objective": SCORE})
        for epoch, value in enumerate((3.0, 2.0, last), start=1):
            run.append_metrics(epoch, {SCORE: value})
    return sweep


def curves(sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """Draw, and return the picture of curves."""
    figures: dict[str, Figure] = {}
    monkeypatch.setattr(pictures, "save", lambda figure, path: figures.update({path.stem: figure}))
    pictures.draw(rank(sweep))
    return figures["curves"]


def test_curves_are_what_runs_recorded_by_epoch(sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = curves(sweep, monkeypatch)
    [axes] = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist()[:3] for line in axes.lines}  # type: ignore[union-attr]
    assert lines["best"] == [[1, 3.0], [2, 2.0], [3, 0.5]]
    assert lines["finished"] == [[1, 3.0], [2, 2.0], [3, 1.5]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", SCORE)
    assert figure.texts[-1].get_text() == f"{SCORE} · sweep sweep"


def test_a_run_whose_records_are_damaged_costs_its_own_curve(
    sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunDirectory(sweep.path / "1").metrics.write_text("{}\n")
    [axes] = curves(sweep, monkeypatch).axes
    labels = [line.get_label() for line in axes.lines]
    assert "best" in labels
    assert "finished" not in labels
