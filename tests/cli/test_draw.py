"""`wavesweep draw`: the pictures of a run again."""

from pathlib import Path

import pytest
from matplotlib.image import imread

from tests.support.commands import SMALL, Command, call
from wavesweep import Run
from wavesweep.evaluation.shown import ShownCurve, ShownErrors, ShownForecasts


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which a run was begun last."""
    there = tmp_path_factory.mktemp("drawn")
    assert call(*SMALL, "tracking.followers=[]", cwd=there, pictures=True).returncode == 0
    return there


@pytest.fixture
def command(place: Path) -> Command:
    return lambda *arguments: call("draw", *arguments, cwd=place, pictures=True)


def the_run(place: Path) -> Path:
    [run] = place.glob("outputs/runs/*")
    return run


def test_pictures_that_were_lost_are_there_again(place: Path, command: Command) -> None:
    plots = the_run(place) / "plots"
    before = {path.name: path.read_bytes() for path in plots.iterdir()}
    for path in plots.iterdir():
        path.unlink()
    assert command("latest").stdout == f"{len(before)} pictures: outputs/runs/{plots.parent.name}/plots\n"
    assert {path.name: path.read_bytes() for path in plots.iterdir()} == before


def test_they_are_drawn_elsewhere_larger_and_in_another_style(place: Path, command: Command) -> None:
    for style, dpi, folder in (("classic", "50", "small"), ("ggplot", "100", "large")):
        assert command("latest", "--dpi", dpi, "--style", style, "--output", folder).returncode == 0
    small, large = (imread(place / folder / "drift.png") for folder in ("small", "large"))
    assert [2 * size for size in small.shape[:2]] == pytest.approx([*large.shape[:2]], abs=2)
    own = imread(the_run(place) / "plots" / "drift.png")
    assert own.shape == large.shape
    assert (own != large).any()


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_formats(place: Path, command: Command, suffix: str, begins: bytes) -> None:
    assert command("latest", "--format", suffix, "--output", suffix).returncode == 0
    for path in (the_run(place) / "plots").iterdir():
        assert (place / suffix / f"{path.stem}.{suffix}").read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere"], "nowhere must be a run's directory"),
        (["latest", "--style", "no style"], "--style must be a file of matplotlib's settings, or"),
        (["latest", "--dpi", "5"], "--dpi must be between 10 and 1200, got 5"),
        (["latest", "--format", "gif"], "invalid choice"),
        (["latest", "--output", "taken"], "taken/drift.png is; move it away or name another"),
        ([], "required: RUN"),
    ],
)
def test_refusals(place: Path, command: Command, arguments: list[str], problem: str) -> None:
    (place / "taken").mkdir(exist_ok=True)
    (place / "taken" / "drift.png").touch()
    done = command(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert problem in done.stderr
    assert not (place / "taken" / "drift.png").read_bytes()


def test_a_notebook_gets_the_numbers_behind_them(place: Path) -> None:
    run = Run(the_run(place))
    shown = run.shown
    assert shown.keys() == run.plots.keys()
    curve, drift, forecast = shown["learning_curve"], shown["drift"], shown["forecast"]
    assert isinstance(curve, ShownCurve)
    assert curve.curves["train/loss"].tolist() == run.metrics["train/loss"].tolist()
    assert isinstance(drift, ShownErrors)
    assert drift.errors["this run"].mean() == pytest.approx(run.result.metrics["test/closed_loop_scaled_mse"])
    assert isinstance(forecast, ShownForecasts)
    assert forecast.closed_loop.shape == forecast.truth.shape
