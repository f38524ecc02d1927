"""Pictures can be drawn of whatever a run may bring."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from wavesweep.data.dataset import Observed
from wavesweep.data.splits import Part
from wavesweep.models.forecasting import Forecasts
from wavesweep.runs import pictures as plots
from wavesweep.runs.description import BASELINES
from wavesweep.runs.directory import RunDirectory


def check(path: Path) -> None:
    """See that something is drawn, and nothing cut off at an edge."""
    picture = imread(path)[..., :3]
    assert picture.std() > 0.01, "an empty picture"
    assert min(edge.min() for edge in (picture[:, 0], picture[:, -1], picture[0], picture[-1])) == 1


@pytest.mark.parametrize(
    ("windows", "context", "horizon", "channels", "scale"),
    [(1, 9, 11, 1, 1.0), (5, 40, 30, 1, 1.0), (2, 40, 3, 3, 1.0), (3, 30, 30, 1, 1e30), (3, 30, 30, 1, np.nan)],
)
def test_a_forecast(tmp_path: Path, windows: int, context: int, horizon: int, channels: int, scale: float) -> None:
    values = np.random.default_rng(0).normal(size=(windows, context + horizon, channels))
    part = Part(values[:, :context], 4, values[:, :context], values[:, context:], np.zeros(windows, int))
    forecasts = Forecasts(values[:, 4:context] + 0.1, 4, values[:, context:] * scale)
    plots.forecast(tmp_path / "forecast.png", part, forecasts, "title", {"naive": values[:, context:] - 0.1})
    check(tmp_path / "forecast.png")


@pytest.mark.parametrize(
    ("lengths", "horizon", "channels", "scale"),
    [((7, 30), 11, 3, 1.0), ((40,) * 5, 1, 1, 1.0), ((30,), 30, 2, 1e30), ((30,), 30, 1, np.nan), ((0,), 5, 1, 1.0)],
)
def test_continuations(tmp_path: Path, lengths: tuple[int, ...], horizon: int, channels: int, scale: float) -> None:
    draws = np.random.default_rng(0)
    series = [Observed("$x_北$", draws.normal(size=(length, channels)), start=4) for length in lengths]
    ahead = [draws.normal(size=(horizon, channels)) * scale for _ in lengths]
    plots.continuations(tmp_path / "ahead.png", series, ahead, "$_$.csv")
    check(tmp_path / "ahead.png")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn instead of written."""
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "save", lambda figure, _: figures.append(figure))
    return figures


def named(figure: Figure) -> set[str]:
    """Return what the legend names; see that there is a line of each name in sight, and a name for each of those."""
    legend = {text.get_text() for one in figure.legends for text in one.get_texts()}
    lines = [(axes, line) for axes in figure.axes for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert {line.get_label() for _, line in lines} == legend
    for axes, line in lines:
        values, (bottom, top) = np.asarray(line.get_ydata(), float), sorted(axes.get_ylim())
        in_sight = (bottom <= values) & (values <= top) | (line.get_transform() != axes.transData)
        assert in_sight.any(), line.get_label()
    return legend


@pytest.mark.parametrize(
    ("error", "lead", "other", "seen"),
    [
        (0.1, 4, 0.2, {"truth", "one step", "closed loop", "seasonal naive"}),
        (1e-4, 4, 1e-9, {"truth", "one step", "closed loop", "seasonal naive"}),  # among the residuals
        (1e-4, 4, 5e-3, {"truth", "one step", "closed loop"}),  # would be lost in either panel
        (1e-4, 19, 1.0, {"truth", "closed loop", "seasonal naive"}),  # one step ahead, there is no line yet
        (1e-4, 4, 9.0, {"truth", "one step", "closed loop"}),  # runs away
        (np.nan, 4, np.nan, {"truth", "one step"}),
        (1e30, 4, 1e30, {"truth", "one step", "closed loop"}),
    ],
)
def test_the_legend_names_what_is_in_sight(
    drawn: list[Figure], tmp_path: Path, error: float, lead: int, other: float, seen: set[str]
) -> None:
    wave = np.sin(np.arange(34)[None, :, None] / 3 + np.arange(2)[:, None, None])
    part = Part(wave[:, :20], 4, wave[:, :20], wave[:, 20:], np.zeros(2, int))
    forecasts = Forecasts(wave[:, lead:20], lead, wave[:, 20:] + error)
    plots.forecast(tmp_path / "forecast.png", part, forecasts, "title", {"seasonal_naive": wave[:, 20:] + other})
    assert named(drawn[0]) == seen


def test_baselines_have_one_name_everywhere(drawn: list[Figure], tmp_path: Path) -> None:
    keys = ("this run", "naive", "seasonal_naive", "linear")
    errors = {key: np.full(3, 10.0**-n) for n, key in enumerate(keys)}
    plots.drift(tmp_path / "drift.png", errors, "title")
    assert named(drawn[0]) == {"this run", *BASELINES.values()}
    hidden = {"seasonal_naive": errors["naive"], "linear": np.zeros(3)}
    plots.drift(tmp_path / "drift.png", errors | hidden, "title")
    assert named(drawn[1]) == {"this run", BASELINES["naive"]}


@pytest.mark.parametrize("main_epochs", [2, 4])
@pytest.mark.parametrize("last", [0.5, math.nan])
def test_a_learning_curve_marks_what_happened(
    drawn: list[Figure], directory: RunDirectory, main_epochs: int, last: float
) -> None:
    keys = ("train/loss", "val/one_step_mse", "val/closed_loop_scaled_mse")
    for epoch in (1, 2, 3, 4):
        spent = {"evaluations": 3.0 * epoch**2, "seconds": epoch / 2}
        directory.append_metrics(epoch, spent | dict.fromkeys(keys, last if epoch == 4 else 0.1**epoch))
    plots.learning_curve(directory, 3, main_epochs)
    marks = {"kept: epoch 3": 27.0}
    marks |= {} if main_epochs == 4 else {"refinement begins": 12.0}
    marks |= {} if last == 0.5 else {"not finite: epoch 4": 48.0}
    assert named(drawn[0]) == marks.keys()
    for axes in drawn[0].axes:
        at = {str(line.get_label()): np.asarray(line.get_xdata())[0] for line in axes.lines[1:]}
        assert at == marks


@pytest.mark.parametrize("losses", [[1.0, 0.1, 0.01], [math.nan, math.inf], [0.0], [1.0]])
def test_a_learning_curve(directory: RunDirectory, losses: list[float]) -> None:
    keys = ("train/loss", "val/one_step_mse", "val/closed_loop_scaled_mse")
    for epoch, loss in enumerate(losses, start=1):
        spent = {"evaluations": 3.0 * epoch, "seconds": epoch / 2}
        directory.append_metrics(epoch, spent | dict.fromkeys(keys, loss))
    directory.append_metrics(None, {"test/one_step_mse": 1.0})
    plots.learning_curve(directory, kept=1, main_epochs=1)
    check(directory.figure("learning_curve"))


@pytest.mark.parametrize("scale", [1.0, 0.0, 1e300, np.inf, np.nan])
def test_a_drift(tmp_path: Path, scale: float) -> None:
    errors = {"lstm": np.ones(5), "naive": np.linspace(1, 2, 5) * scale, "linear": np.full(5, 1e-28)}
    plots.drift(tmp_path / "drift.png", errors, "title")
    check(tmp_path / "drift.png")
