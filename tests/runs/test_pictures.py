"""Pictures can be drawn of whatever a run may bring."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from wavesweep.data.dataset import Observed
from wavesweep.data.splits import Part
from wavesweep.models.forecasting import Forecasts
from wavesweep.runs import pictures as plots
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


@pytest.mark.parametrize("losses", [[1.0, 0.1, 0.01], [math.nan, math.inf], [0.0], [1.0]])
def test_a_learning_curve(directory: RunDirectory, losses: list[float]) -> None:
    keys = ("train/loss", "val/one_step_mse", "val/closed_loop_scaled_mse")
    for epoch, loss in enumerate(losses, start=1):
        spent = {"evaluations": 3.0 * epoch, "seconds": epoch / 2}
        directory.append_metrics(epoch, spent | dict.fromkeys(keys, loss))
    directory.append_metrics(None, {"test/one_step_mse": 1.0})
    plots.learning_curve(directory, kept=1)
    check(directory.figure("learning_curve"))


@pytest.mark.parametrize("scale", [1.0, 0.0, 1e300, np.inf, np.nan])
def test_a_drift(tmp_path: Path, scale: float) -> None:
    errors = {"lstm": np.ones(5), "naive": np.linspace(1, 2, 5) * scale, "linear": np.full(5, 1e-28)}
    plots.drift(tmp_path / "drift.png", errors, "title")
    check(tmp_path / "drift.png")
