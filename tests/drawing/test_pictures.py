"""Pictures can be drawn of whatever a run may bring."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from wavesweep.data.dataset import Observed
from wavesweep.data.parts import Part
from wavesweep.drawing import continuations, drift, forecasts, learning_curve
from wavesweep.drawing.continuations import draw_continuations
from wavesweep.drawing.drift import draw_drift
from wavesweep.drawing.forecasts import draw_forecasts
from wavesweep.drawing.learning_curve import draw_learning_curve
from wavesweep.drawing.panels import draw_truth, two_lines
from wavesweep.evaluation.forecasting import Forecasts
from wavesweep.evaluation.shown import Named, ShownErrors, ShownForecasts, pack, unpack
from wavesweep.models.baseline_names import BASELINES
from wavesweep.runs.pictures import shown_curve
from wavesweep.workspace.directory import RunDirectory


def windows_of(values: np.ndarray, context: int, targets: Iterable[int] = (0,), starts: Iterable[int] = ()) -> Part:
    """Return windows, (window, time, channel), as a part whose one-step predictions are shown from the first step."""
    windows = np.arange(len(values))
    start, numbers = np.array([*starts] or 0 * windows), np.array([*targets])
    return Part(values[:, :context], values[:, context:], start, windows, slice(0, context), numbers, start + context)


def draw(
    path: Path,
    part: Part,
    found: Forecasts,
    channels: list[str],
    labels: list[str],
    beside: Named | None = None,
    bands: Named | None = None,
) -> None:
    """Draw forecasts of a part by what a run would leave of them, which is all that there is."""
    shown = ShownForecasts(
        title="title",
        channels=channels,
        labels=labels,
        targets=part.targets,
        start=part.start,
        context=part.context,
        truth=part.truth,
        one_step=found.one_step,
        closed_loop=found.closed_loop,
        beside=beside or {},
        bands=bands or {},
    )
    left = unpack(pack(shown))
    assert isinstance(left, ShownForecasts)
    draw_forecasts(left, path)


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
    part, names = windows_of(values, context, targets=range(channels)), [f"$x_{n}$ 北" for n in range(channels)]
    found = Forecasts(values[:, 4:context] + 0.1, values[:, context:] * scale)
    path, baseline = tmp_path / "forecast.png", {"naive": values[:, context:] - 0.1}
    bands = {"90% interval": scale * np.ones((2, windows, horizon, channels))}
    draw(path, part, found, names, ["$_$"] * windows, baseline, bands)
    check(tmp_path / "forecast.png")


def test_what_was_not_observed_is_a_gap_in_the_truth(drawn: list[Figure], tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 30, 1))
    gaps = values.copy()
    gaps[0, 23:26], gaps[1, 20:] = np.nan, np.nan
    found = Forecasts(values[:, :20], values[:, 20:] + 0.1)
    draw(tmp_path / "gaps.png", windows_of(gaps, 20), found, ["x"], ["first", "second"])
    for window, axes in enumerate(drawn[0].axes[:2]):
        truth = next(line for line in axes.lines if line.get_label() == "truth")
        assert np.array_equal(truth.get_ydata(), gaps[window, :, 0], equal_nan=True)


def test_an_observed_value_without_neighbours_is_a_point() -> None:
    axes = Figure().subplots()
    values = np.array([1.0, np.nan, 2.0, np.nan, 3.0, 4.0])
    draw_truth(axes, np.arange(6), values, "truth")
    line, points = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), values)
    np.testing.assert_array_equal(points.get_xdata(), [0, 2])


def test_what_was_filled_in_before_a_continuation_is_a_gap(drawn: list[Figure], tmp_path: Path) -> None:
    values, filled = np.random.default_rng(0).normal(size=(30, 1)), np.zeros((30, 1), bool)
    filled[24:] = True
    series = [Observed("one", values, filled=filled)]
    draw_continuations(tmp_path / "ahead.png", ["x"], series, [np.zeros((5, 1))], "title")
    [line] = [one for one in drawn[0].axes[0].lines if one.get_label() == "observed"]
    assert np.isnan(np.asarray(line.get_ydata())[-6:]).all()
    assert np.isfinite(np.asarray(line.get_ydata())[:-6]).all()


@pytest.mark.parametrize(
    ("channels", "targets", "starts", "labels"),
    [
        (1, [0], [4, 4], ["first", "second", "forecast\n− truth"]),
        (1, [0], [4, 9], ["first", "second", "forecast\n− truth"]),
        (3, [2], [4, 4], ["first", "second", "forecast\n− truth"]),
        (3, [0, 2], [4, 9], ["a", "c"]),  # of the last window
        (9, range(9), [4, 4], [*"abcdef"]),  # at most six
    ],
)
def test_a_panel_shows_a_window_or_a_channel(
    drawn: list[Figure], tmp_path: Path, channels: int, targets: list[int], starts: list[int], labels: list[str]
) -> None:
    values = np.random.default_rng(0).normal(size=(2, 30, channels))
    part = windows_of(values, 20, targets, starts)
    found = Forecasts(values[:, 4:20], values[:, 20:] + 0.1)
    path, names, baseline = tmp_path / "forecast.png", [*"abcdefghi"][:channels], {"naive": values[:, 20:] - 0.2}
    draw(path, part, found, names, ["first", "second"], baseline)
    assert [axes.get_ylabel() for axes in drawn[0].axes] == labels
    origins = starts if len(targets) == 1 else starts[-1:] * len(labels)
    together = starts[0] == starts[1]
    for number, (axes, start) in enumerate(zip(drawn[0].axes, origins, strict=False)):
        lines = {str(line.get_label()): line for line in axes.lines}
        window, channel = (number, targets[0]) if len(targets) == 1 else (1, targets[number])
        assert np.array_equal(lines["truth"].get_ydata(), values[window, :, channel])
        ahead = np.asarray(lines["closed loop"].get_xdata())
        assert ahead.tolist() == [*range(start + 19, start + 30)] if together else [*range(-1, 10)]
        assert np.array_equal(np.asarray(lines["closed loop"].get_ydata())[1:], values[window, 20:, channel] + 0.1)


def test_a_small_series_is_not_lost_beside_a_large_one(drawn: list[Figure], tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 30, 1)) * [[[1.0]], [[1000.0]]]
    part, found = windows_of(values, 20), Forecasts(values[:, 4:20], values[:, 20:])
    path, baseline = tmp_path / "forecast.png", {"naive": values[:, 20:] - 0.2}
    draw(path, part, found, ["value"], ["small from 2024-01-01", "large"], baseline)
    small, large = drawn[0].axes
    assert small.get_ylabel() == "small from\n2024-01-01"
    assert 100 * np.diff(small.get_ylim()) < np.diff(large.get_ylim())


@pytest.mark.parametrize(
    ("channels", "targets", "title"),
    [
        (1, [0], "title"),
        (3, [1], "title · b"),
        (3, [0, 2], "title · last"),
        (7, range(7), "title · last · 6 of 7 chan"),
    ],
)
def test_the_title_of_a_forecast(
    drawn: list[Figure], tmp_path: Path, channels: int, targets: Iterable[int], title: str
) -> None:
    values = np.random.default_rng(0).normal(size=(2, 30, channels))
    part, found = windows_of(values, 20, targets), Forecasts(values[:, 4:20], values[:, 20:])
    draw(tmp_path / "forecast.png", part, found, [*"abcdefg"], ["first", "last"])
    assert drawn[0].texts[0].get_text().startswith(title)


@pytest.mark.parametrize(
    ("first", "freq", "ticks"),
    [
        ("2023-12-12", "D", ["15 Dec", "22 Dec", "01 Jan", "08 Jan", "15 Jan"]),
        ("2023-12-31 04:00", "h", ["12:00", "01 Jan", "12:00"]),
    ],
)
def test_a_forecast_of_dates_tells_day_and_year(
    drawn: list[Figure], tmp_path: Path, first: str, freq: str, ticks: list[str]
) -> None:
    times = pd.date_range(first, periods=20, freq=freq)
    series = [Observed("shop", np.random.default_rng(0).normal(size=(20, 7)), start=0, times=times)]
    draw_continuations(tmp_path / "ahead.png", [*"abcdefg"], series, [series[0].values[:20] + 9], "title")
    after = f"{times[-1] + times.freq}".removesuffix(" 00:00:00")
    assert drawn[0].texts[0].get_text() == f"title · from {after} · 6 of 7 channels"
    drawn[0].draw_without_rendering()
    assert [tick.get_text() for tick in drawn[0].axes[-1].get_xticklabels()] == ticks
    assert "forecast" in named(drawn[0]), "cut off"


def bands_of(figure: Figure) -> list[tuple[list[float], list[float]]]:
    """Return of each panel's band its lower and upper edge; see that it has the forecast's colour, and lies beneath."""
    found = []
    for axes in figure.axes[:3]:
        [band] = axes.collections
        edge = np.asarray(band.get_paths()[0].vertices)
        steps = np.unique(edge[:, 0])
        both = [edge[edge[:, 0] == step, 1] for step in steps]
        found.append(([one.min() for one in both], [one.max() for one in both]))
        [line] = [one for one in axes.lines if one.get_label() in ("closed loop", "forecast")]
        assert np.allclose(np.ravel(band.get_facecolor())[:3], to_rgb(str(line.get_color())))
        assert band.get_zorder() < line.get_zorder()
    return found


def test_a_band_lies_around_the_forecast_of_each_window(drawn: list[Figure], tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 27, 1))
    part, found = windows_of(values, 20), Forecasts(values[:, 4:20], values[:, 20:] + 0.1)
    half = np.arange(1, 8.0)[:, None] * np.array([1.0, 2.0, 3.0])[:, None, None]  # (window, horizon, channel)
    draw(tmp_path / "x.png", part, found, ["a"], [*"xyz"], None, {"90% interval": np.stack([half, 3 * half])})
    for number, (lower, upper) in enumerate(bands_of(drawn[0])):
        middle = values[number, 20:, 0] + 0.1
        np.testing.assert_allclose(lower, np.append(values[number, 19], middle - half[number, :, 0]))
        np.testing.assert_allclose(upper, np.append(values[number, 19], middle + 3 * half[number, :, 0]))
    labels = [text.get_text() for one in drawn[0].legends for text in one.get_texts()]
    assert labels.count("90% interval") == 1


def test_a_band_ends_where_nothing_is_known(drawn: list[Figure], tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    series = [Observed(name, draws.normal(size=(30, 1))) for name in "abc"]
    ahead = [draws.normal(size=(7, 1)) for _ in series]
    half = [np.array([1, 2, 3, 4, np.nan, np.nan, np.nan])[:, None] * (number + 1) for number in range(3)]
    reaches = {"90% interval": [np.stack([one, one]) for one in half]}
    draw_continuations(tmp_path / "x.png", ["v"], series, ahead, "title", reaches)
    for number, (lower, upper) in enumerate(bands_of(drawn[0])):
        np.testing.assert_allclose(np.subtract(upper, lower), 2 * (number + 1) * np.arange(5))


@pytest.mark.parametrize("length", [1, 16, 17, 32, 33, 300])
def test_a_label_fits_beside_its_panel(length: int) -> None:
    for text in ("x" * length, ("two " * length)[:length]):
        lines = two_lines(text).splitlines()
        assert len(lines) <= 2
        assert max(map(len, lines)) <= 16
        if length <= 16:
            assert lines == [text.strip()]


@pytest.mark.parametrize(
    ("lengths", "horizon", "channels", "scale"),
    [((7, 30), 11, 3, 1.0), ((40,) * 5, 1, 1, 1.0), ((30,), 30, 2, 1e30), ((30,), 30, 1, np.nan), ((0,), 5, 1, 1.0)],
)
def test_continuations(tmp_path: Path, lengths: tuple[int, ...], horizon: int, channels: int, scale: float) -> None:
    draws = np.random.default_rng(0)
    series = [Observed("$x_北$", draws.normal(size=(length, channels)), start=4) for length in lengths]
    ahead = [draws.normal(size=(horizon, channels)) * scale for _ in lengths]
    names = [f"$x_{n}$" for n in range(channels)]
    bands = {"90% interval": [np.stack([np.abs(values)] * 2) for values in ahead]}
    draw_continuations(tmp_path / "ahead.png", names, series, ahead, "$_$.csv", bands)
    check(tmp_path / "ahead.png")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn instead of written."""
    figures: list[Figure] = []
    for module in (continuations, drift, forecasts, learning_curve):
        monkeypatch.setattr(module, "save", lambda figure, _: figures.append(figure))
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
    part, found = windows_of(wave, 20), Forecasts(wave[:, lead:20], wave[:, 20:] + error)
    path, baseline = tmp_path / "forecast.png", {"seasonal_naive": wave[:, 20:] + other}
    draw(path, part, found, ["value"], ["first", "second"], baseline)
    assert named(drawn[0]) == seen


def test_baselines_have_one_name_everywhere(drawn: list[Figure], tmp_path: Path) -> None:
    errors = {key: np.full(3, 10.0**-n) for n, key in enumerate(["this run", *BASELINES])}
    draw_drift(ShownErrors("title", errors), tmp_path / "drift.png")
    assert named(drawn[0]) == {"this run", *BASELINES.values()}
    styles = {
        (line.get_color(), line.get_linestyle())
        for line in drawn[0].axes[0].lines
        if not str(line.get_label()).startswith("_")
    }
    assert len(styles) == len(errors), "two look alike"
    hidden = {"seasonal_naive": errors["naive"], "linear": np.zeros(3)}
    draw_drift(ShownErrors("title", errors | hidden), tmp_path / "drift.png")
    seen = {name for key, name in BASELINES.items() if key not in hidden}
    assert named(drawn[1]) == {"this run", *seen}


@pytest.mark.parametrize("main_epochs", [2, 4])
@pytest.mark.parametrize("last", [0.5, math.nan])
def test_a_learning_curve_marks_what_happened(
    drawn: list[Figure], directory: RunDirectory, main_epochs: int, last: float
) -> None:
    keys = ("train/loss", "val/one_step_mse", "val/closed_loop_scaled_mse")
    for epoch in (1, 2, 3, 4):
        spent = {"evaluations": 3.0 * epoch**2, "seconds": epoch / 2}
        directory.append_metrics(epoch, spent | dict.fromkeys(keys, last if epoch == 4 else 0.1**epoch))
    draw_learning_curve(
        shown_curve(directory.read_metrics(), 3, "untrained", main_epochs), directory.figure("learning_curve")
    )
    marks = {"kept: epoch 3": 27.0}
    marks |= {} if main_epochs == 4 else {"refinement begins": 12.0}
    marks |= {} if last == 0.5 else {"not finite: epoch 4": 48.0}
    assert named(drawn[0]) == marks.keys()
    for axes in drawn[0].axes:
        at = {str(line.get_label()): np.asarray(line.get_xdata())[0] for line in axes.lines[1:]}
        assert at == marks


def test_a_learning_curve_tells_of_a_start_that_was_kept(drawn: list[Figure], directory: RunDirectory) -> None:
    keys = ("train/loss", "val/one_step_mse", "val/closed_loop_scaled_mse")
    for epoch in (1, 2):
        directory.append_metrics(epoch, {"evaluations": 3.0 * epoch, "seconds": 1.0} | dict.fromkeys(keys, 1 / epoch))
    for kept, legend in ((0, {"kept: the start, drift"}), (None, set())):
        draw_learning_curve(shown_curve(directory.read_metrics(), kept, "drift", 2), directory.figure("learning_curve"))
        assert named(drawn[-1]) == legend
    assert [line.get_xdata()[0] for axes in drawn[0].axes for line in axes.lines[1:]] == [0, 0, 0]  # type: ignore[index]


def test_a_learning_curve_of_a_sample_of_origins_says_so(drawn: list[Figure], directory: RunDirectory) -> None:
    keys = ("train/loss", "val/sampled_one_step_mse", "val/sampled_closed_loop_scaled_mse")
    for epoch in (1, 2):
        directory.append_metrics(epoch, {"evaluations": 3.0 * epoch, "seconds": 1.0} | dict.fromkeys(keys, 1 / epoch))
    draw_learning_curve(shown_curve(directory.read_metrics(), 1, "untrained", 2), directory.figure("learning_curve"))
    told = [text.get_text() for axes in drawn[0].axes for text in axes.texts]
    assert all(any(text.startswith(key) for text in told) for key in keys)


@pytest.mark.parametrize("losses", [[1.0, 0.1, 0.01], [math.nan, math.inf], [0.0], [1.0]])
def test_a_learning_curve(directory: RunDirectory, losses: list[float]) -> None:
    keys = ("train/loss", "val/one_step_mse", "val/closed_loop_scaled_mse")
    for epoch, loss in enumerate(losses, start=1):
        spent = {"evaluations": 3.0 * epoch, "seconds": epoch / 2}
        directory.append_metrics(epoch, spent | dict.fromkeys(keys, loss))
    directory.append_metrics(None, {"test/one_step_mse": 1.0})
    draw_learning_curve(shown_curve(directory.read_metrics(), 1, "untrained", 1), directory.figure("learning_curve"))
    check(directory.figure("learning_curve"))


@pytest.mark.parametrize("scale", [1.0, 0.0, 1e300, np.inf, np.nan])
def test_a_drift(tmp_path: Path, scale: float) -> None:
    errors = {"lstm": np.ones(5), "naive": np.linspace(1, 2, 5) * scale, "linear": np.full(5, 1e-28)}
    draw_drift(ShownErrors("title", errors), tmp_path / "drift.png")
    check(tmp_path / "drift.png")
