"""The pictures of a sweep: which there are, what they show, and that nothing is named that is absent."""

import math
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from hydra_queue_sweeper.charts import pictures
from hydra_queue_sweeper.charts.curves import Span, _lanes
from hydra_queue_sweeper.charts.importance import fanova, importances, main_effects
from hydra_queue_sweeper.leaderboard.ranking import Program, rank
from hydra_queue_sweeper.search.plan import Listed
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.sweeps.reports import REPORTS, write_report
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.made import Outcome, change, make, values

MODEL = Dimension("model", ("tiny", "small", "medium"))
RATE = Dimension("optimizer.lr", ("0.1", "1e-3"))
SEED = Dimension("seed", ("0", "1", "2"))
DRAWN = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
WHOLE = Dimension("+model.order", interval=Interval(2, 90, integer=True, log=False))
SCORE = "loss"

BY_VALUE = {"slices", "parallel_coordinates", "history"}
BY_TIME = {"curves", "timeline"}
ALL = {"heat_map", "importance"} | BY_VALUE | BY_TIME


def run(sweep: SweepDirectory, number: int, began: float, seconds: float, scores: list[float]) -> None:
    """Write what a job reported at each step, and when it ran."""
    directory = sweep.path / str(number)
    directory.mkdir()
    for step, score in enumerate(scores, start=1):
        write_report(directory, step, score)
    change(sweep, number, began=began, stopped=began + seconds)


def with_runs(path: Path, dimensions: list[Dimension], outcomes: list[Outcome]) -> SweepDirectory:
    """Make a sweep whose jobs ran, two at once, for 10 s each; three steps where they finish, else two."""
    sweep = make(path, dimensions, outcomes)
    for number, outcome in enumerate(outcomes):
        last = [outcome] if isinstance(outcome, float) else []
        run(sweep, number, 1e9 + 10 * (number // 2), 10, [3.0, 2.0, *last])
    return sweep


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """The figures that are drawn instead of written, by name."""
    figures: dict[str, Figure] = {}
    monkeypatch.setattr(pictures, "save", lambda figure, path: figures.update({path.stem: figure}))
    return figures


def draw(sweep: SweepDirectory) -> None:
    pictures.draw(rank(sweep, Program(metric=SCORE)))


def are_whole(sweep: SweepDirectory, pictures: set[str]) -> None:
    """Assert that a sweep has these pictures, that none is empty, and nothing cut off at an edge."""
    assert {path.stem for path in sweep.plots.glob("*")} == pictures
    for path in sweep.plots.glob("*"):
        picture = imread(path)[..., :3]
        assert picture.shape[1] == 680
        assert picture.std() > 0.01, f"{path.stem} is empty"
        edges = (picture[:, 0], picture[:, -1], picture[0], picture[-1])
        assert min(edge.min() for edge in edges) == 1, f"{path.stem} is cut off"


def named(figure: Figure) -> list[str]:
    """Return what the legend names."""
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def points(figure: Figure, label: str, panel: int = 0) -> list[tuple[float, float]]:
    """Return the points of what the legend calls by a name."""
    lines = [line for line in figure.axes[panel].lines if line.get_label() == label]
    data = [pair for line in lines for pair in line.get_xydata().tolist()]  # type: ignore[union-attr]
    return [(x, y) for x, y in data if not math.isnan(y)]


@pytest.mark.parametrize(
    ("dimensions", "outcomes", "pictures"),
    [
        ([MODEL], [-1.0, 0.0, 1.0], BY_VALUE | BY_TIME),
        ([SEED], [2.0] * 3, {"history"} | BY_TIME),
        ([RATE, SEED], [2.0] * 6, BY_VALUE | BY_TIME),
        ([MODEL, RATE], [1.0, "failed", "failed"], {"heat_map"} | BY_TIME),
        ([MODEL, RATE], [], set()),
        ([DRAWN], [], set()),
        ([DRAWN, WHOLE], [*values(9), "pruned"], ALL - {"heat_map"}),
        ([DRAWN, MODEL], ["diverged"] * 3, BY_TIME),
        ([MODEL, RATE], [5e-324, 1.7e308, 1e-30, 1e200, 1.0, "diverged"], ALL),
        ([MODEL, RATE, SEED], [*values(13), "diverged", "failed", "pruned", "failed"], ALL - {"importance"}),
    ],
)
def test_pictures(tmp_path: Path, dimensions: list[Dimension], outcomes: list[Outcome], pictures: set[str]) -> None:
    sweep = with_runs(tmp_path / "sweep", dimensions, outcomes)
    draw(sweep)
    are_whole(sweep, pictures)


def test_reports_that_are_gone_or_damaged_cost_no_picture(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, RATE], values(6))
    draw(sweep)
    are_whole(sweep, ALL - BY_TIME)
    run(sweep, 0, 1e9, 10, [1.0])
    for number, damaged in ((1, b"{}\n"), (2, b"\xff")):
        run(sweep, number, 1e9, 10, [1.0, 2.0])
        (sweep.path / str(number) / REPORTS).write_bytes(damaged)
    draw(sweep)
    are_whole(sweep, ALL)


@pytest.mark.slow
def test_pictures_are_the_same_again_and_leave_nothing_behind(tmp_path: Path) -> None:
    sweep = with_runs(tmp_path / "sweep", [MODEL, DRAWN], [*values(13), "diverged", "failed", "pruned", "failed"])
    before, written = dict(mpl.rcParams), []
    for _ in range(2):
        draw(sweep)
        written.append({path.name: path.read_bytes() for path in sweep.plots.iterdir()})
    assert written[0] == written[1]
    assert dict(mpl.rcParams) == before


@pytest.mark.slow
def test_pictures_of_odd_names_and_many_values(tmp_path: Path) -> None:
    odd = Dimension("dataset.path", ("a$b$c.csv", "日本.csv", "a/very/long/path/to/some/file/of/measurements.csv"))
    many = Dimension("objective", tuple(map(str, range(250))))
    sweep = with_runs(tmp_path / "$a_$ 日 [x]", [odd, many], values(500))
    draw(sweep)
    are_whole(sweep, ALL)


def test_titles_name_metric_and_sweep(drawn: dict[str, Figure], tmp_path: Path) -> None:
    sweep = with_runs(tmp_path / "2030-01-02_03-04-05_abcdef", [MODEL, RATE], values(6))
    draw(sweep)
    assert {figure.texts[-1].get_text() for figure in drawn.values()} == {f"{SCORE} · sweep 2030-01-02_03-04-05_abcdef"}
    pictures.draw(rank(sweep))
    assert drawn["history"].texts[-1].get_text().startswith("objective · sweep")


@pytest.mark.parametrize("absent", ["", "pruned", "diverged", "failed"])
def test_legends_name_what_is_there(drawn: dict[str, Figure], tmp_path: Path, absent: str) -> None:
    states = [state for state in ("pruned", "diverged", "failed") if state != absent]
    draw(with_runs(tmp_path / "sweep", [MODEL, DRAWN], [*values(8), *states]))  # type: ignore[list-item]
    assert set(named(drawn["history"])) == {"finished", "best so far", *states}
    assert set(named(drawn["curves"])) == {"finished", "best", *states}
    assert set(named(drawn["timeline"])) == {"finished", *states}
    assert set(named(drawn["slices"])) - {f"model={one}" for one in MODEL.values} == {"best", *states}


def test_numbers_have_their_order_in_a_heat_map(drawn: dict[str, Figure], tmp_path: Path) -> None:
    draw(make(tmp_path / "sweep", [Dimension("model.hidden", ("16", "4", "128", "8")), MODEL], values(12)))
    axes = drawn["heat_map"].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["4", "8", "16", "128"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["tiny", "small", "medium"]


def test_without_a_best_none_is_shown(drawn: dict[str, Figure], tmp_path: Path) -> None:
    sweep = with_runs(tmp_path / "sweep", [MODEL, RATE], values(6))
    draw(sweep)
    assert "best" in named(drawn["curves"])
    plan, best = sweep.read_plan(), rank(sweep).rows[0].trials[0].overrides
    more = Listed([[*best, "seed=1"]])
    sweep.write_plan(replace(plan, parts=[*plan.parts, more]))
    assert rank(sweep).winner is None
    draw(sweep)
    assert not any("best" in named(figure) for figure in drawn.values())


@pytest.mark.parametrize(
    ("lowest", "last", "mean"), [(0.1, 0.2, "geometric mean of 3 seeds"), (-1.0, "pruned", "mean of up to 3 seeds")]
)
def test_a_heat_map_tells_its_numbers(
    drawn: dict[str, Figure], tmp_path: Path, lowest: float, last: Outcome, mean: str
) -> None:
    draw(with_runs(tmp_path / "sweep", [MODEL, RATE, SEED], [*[lowest] * 3, *[5.0] * 14, last]))
    axes, bar = drawn["heat_map"].axes
    assert bar.get_ylabel() == f"{SCORE}\n{mean}"
    assert (bar.get_yscale() == "log") == (lowest > 0)
    assert ("hatched" in axes.get_xlabel()) == (last == "pruned")
    bold = [text for text in axes.texts if text.get_fontweight() == "bold"]
    written = "1.00e-01" if lowest > 0 else "-1"
    assert [(text.get_text(), text.get_position()) for text in bold] == [(written, (1, 0))]


def test_slices_show_values_on_their_own_scales(drawn: dict[str, Figure], tmp_path: Path) -> None:
    outcomes: list[Outcome] = [10.0**-number for number in range(6)]
    sweep = make(tmp_path / "sweep", [DRAWN, WHOLE, MODEL], [*outcomes, "diverged"])
    draw(sweep)
    rate, order, model = drawn["slices"].axes
    assert [axes.get_xscale() for axes in (rate, order, model)] == ["log", "linear", "linear"]
    assert rate.get_yscale() == "log"
    rows = rank(sweep).rows
    for panel, key in enumerate(("optimizer.lr", "model.order")):
        shown = [pair for one in MODEL.values for pair in points(drawn["slices"], f"model={one}", panel)]
        assert sorted(shown) == sorted((row.varied[key], row.objective) for row in rows if row.objective)
        assert points(drawn["slices"], "best", panel) == [(rows[0].varied[key], rows[0].objective)]
        assert [x for x, _ in points(drawn["slices"], "diverged", panel)] == [rows[-1].varied[key]]


def test_a_history_falls_with_the_best(drawn: dict[str, Figure], tmp_path: Path) -> None:
    draw(make(tmp_path / "sweep", [WHOLE], [3.0, "failed", 1.0, 2.0, 0.5]))
    assert points(drawn["history"], "finished") == [(0, 3.0), (2, 1.0), (3, 2.0), (4, 0.5)]
    assert points(drawn["history"], "best so far") == [(0, 3.0), (2, 1.0), (3, 1.0), (4, 0.5)]


def test_curves_end_where_jobs_were_given_up(drawn: dict[str, Figure], tmp_path: Path) -> None:
    draw(with_runs(tmp_path / "sweep", [MODEL], [0.5, "pruned", 1.5]))
    assert points(drawn["curves"], "pruned") == [(1, 3.0), (2, 2.0)]
    assert points(drawn["curves"], "best") == [(1, 3.0), (2, 2.0), (3, 0.5)]
    assert points(drawn["curves"], "finished") == [(1, 3.0), (2, 2.0), (3, 1.5)]


def test_a_single_step_is_a_dot_and_none_is_nothing(drawn: dict[str, Figure], tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE], [0.5, "diverged"])
    run(sweep, 0, 1e9, 1, [0.5])
    run(sweep, 1, 1e9, 1, [math.nan])
    draw(sweep)
    assert named(drawn["curves"]) == ["best"]
    dots = [line.get_xydata().tolist() for line in drawn["curves"].axes[0].lines if line.get_marker() == "."]  # type: ignore[union-attr]
    assert [one for one in dots if one] == [[[1, 0.5]]]


def test_a_diverging_curve_hides_no_other(drawn: dict[str, Figure], tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [0.5, "diverged", 1.5])
    for number, last in enumerate((0.5, 1e60, 1.5)):
        run(sweep, number, 1e9, 1, [2.0, last])
    draw(sweep)
    bottom, top = drawn["curves"].axes[0].get_ylim()
    assert 0 < bottom < 0.5
    assert 2 < top < 1e4


def test_of_many_jobs_some_curves_are_drawn_and_counted(drawn: dict[str, Figure], tmp_path: Path) -> None:
    draw(with_runs(tmp_path / "sweep", [DRAWN], [float(number + 1) for number in range(205)]))
    axes = drawn["curves"].axes[0]
    assert axes.get_xlabel() == "step (201 of 205 jobs)"
    assert len(points(drawn["curves"], "finished")) == 3 * 200
    assert points(drawn["curves"], "best")[-1] == (3, 1.0)


def test_a_timeline_has_a_lane_a_worker(drawn: dict[str, Figure], tmp_path: Path) -> None:
    sweep = with_runs(tmp_path / "sweep", [WHOLE], [1.0, 2.0, "failed", 3.0, 4.0])
    change(sweep, 4, began=0.0)  # given up before it began
    draw(sweep)
    axes = drawn["timeline"].axes[0]
    containers: Any = axes.containers
    bars = {one.get_label(): one.patches for one in containers}
    spans = {
        label: sorted((round(one.get_x(), 9), round(one.get_width(), 9)) for one in some)
        for label, some in bars.items()
    }
    assert spans == {"finished": [(0, 10), (0, 10), (10, 10)], "failed": [(10, 10)]}
    assert axes.get_xlabel() == "seconds since the first job began"


@pytest.mark.parametrize("seed", range(5))
def test_lanes_hold_what_does_not_overlap_and_are_as_few_as_can_be(seed: int) -> None:
    draws = np.random.default_rng(seed)
    begins = np.sort(draws.integers(0, 50, size=40)).astype(float)
    lengths = draws.integers(1, 9, 40)
    spans = [
        Span(float(begin), float(begin + length), "finished") for begin, length in zip(begins, lengths, strict=True)
    ]
    lanes = _lanes(spans)
    for lane in range(max(lanes) + 1):
        held = [span for span, own in zip(spans, lanes, strict=True) if own == lane]
        assert all(before.ended <= after.began for before, after in pairwise(held))
    at_once = max(sum(span.began <= time < span.ended for span in spans) for time in begins)
    assert max(lanes) + 1 == at_once


def test_parallel_coordinates_end_at_the_objective(drawn: dict[str, Figure], tmp_path: Path) -> None:
    draw(make(tmp_path / "sweep", [MODEL, DRAWN], [10.0**-number for number in range(5)]))
    [lines] = drawn["parallel_coordinates"].axes[0].collections
    segments: Any = lines.get_segments()  # type: ignore[attr-defined]
    assert [segment[-1].tolist() for segment in segments] == [[2, pytest.approx(1 - n / 4)] for n in range(5)]
    texts = {text.get_text() for text in drawn["parallel_coordinates"].findobj(Text)}
    assert {"small", "1e-03", SCORE, "optimizer.lr"} <= {text.replace("\n", "") for text in texts}


class TestMaximized:
    """What jobs return is shown, and higher is better; records hold it with its sign changed."""

    @staticmethod
    def sweep(
        path: Path, dimensions: list[Dimension], returned: list[Outcome], reported: list[float]
    ) -> SweepDirectory:
        """Make a sweep of jobs that returned this, and reported this."""
        sweep = make(path, dimensions, [-one if isinstance(one, float) else one for one in returned])
        sweep.write_plan(replace(sweep.read_plan(), direction="maximize"))
        for number in range(len(returned)):
            run(sweep, number, 1e9, 10, [-one for one in reported])
        return sweep

    def test_all_pictures_are_whole(self, tmp_path: Path) -> None:
        sweep = self.sweep(tmp_path / "sweep", [MODEL, RATE], [0.5, 0.9, 0.1, 0.02, 0.7, "diverged"], [0.1, 0.5])
        draw(sweep)
        are_whole(sweep, ALL)

    def test_the_best_so_far_rises(self, drawn: dict[str, Figure], tmp_path: Path) -> None:
        draw(self.sweep(tmp_path / "sweep", [WHOLE], [0.5, "failed", 0.0, 0.75, 0.25], [0.25]))
        assert points(drawn["history"], "finished") == [(0, 0.5), (2, 0.0), (3, 0.75), (4, 0.25)]
        assert points(drawn["history"], "best so far") == [(0, 0.5), (2, 0.5), (3, 0.75), (4, 0.75)]
        [(_, edge)] = points(drawn["history"], "failed")
        assert edge < 0.5, "what is worst stands at the lower edge"

    def test_the_highest_is_framed_and_darkest(self, drawn: dict[str, Figure], tmp_path: Path) -> None:
        draw(self.sweep(tmp_path / "sweep", [MODEL, RATE], [0.5, 0.75, 0.25, 0.125, 0.625, 0.0], [0.25]))
        axes, bar = drawn["heat_map"].axes
        assert {text.get_text() for text in axes.texts} == {"0.5", "0.75", "0.25", "0.125", "0.625", "0"}
        [bold] = [text for text in axes.texts if text.get_fontweight() == "bold"]
        [frame] = [patch for patch in axes.patches if patch.get_edgecolor() == (0, 0, 0, 1)]
        assert (bold.get_text(), bold.get_position()) == ("0.75", (0, 0))
        assert (frame.get_x(), frame.get_y()) == (-0.5, -0.5)  # type: ignore[attr-defined]
        [image] = axes.images
        worst, best = image.to_rgba(np.array([0.0, 0.75]))[:, :3].sum(axis=1)
        assert best < worst
        assert bar.get_ylim() == (0.0, 0.75)
        assert points(drawn["slices"], "best", panel=0) == [(0, 0.75)]

    def test_coordinates_end_highest_at_the_best(self, drawn: dict[str, Figure], tmp_path: Path) -> None:
        draw(self.sweep(tmp_path / "sweep", [MODEL], [0.5, 1.0, 0.0], [0.25]))
        [lines] = drawn["parallel_coordinates"].axes[0].collections
        segments: Any = lines.get_segments()  # type: ignore[attr-defined]
        assert [segment[-1].tolist() for segment in segments] == [[1, 0.0], [1, 0.5], [1, 1.0]]

    def test_curves_show_what_jobs_reported(self, drawn: dict[str, Figure], tmp_path: Path) -> None:
        draw(self.sweep(tmp_path / "sweep", [MODEL], [0.5, 0.75, 0.25], [0.125, 0.25]))
        assert points(drawn["curves"], "best") == [(1, 0.125), (2, 0.25)]

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_no_axis_is_logarithmic(self, sign: float, drawn: dict[str, Figure], tmp_path: Path) -> None:
        """Negated losses are compared by ratios, but no axis of negative numbers can be logarithmic."""
        returned: list[Outcome] = [sign * 10.0**-number for number in range(6)]
        draw(self.sweep(tmp_path / "sweep", [MODEL, RATE], returned, [sign, sign * 1e-3]))
        assert {axes.get_yscale() for figure in drawn.values() for axes in figure.axes} == {"linear"}
        assert points(drawn["history"], "finished") == [*enumerate(returned)]
        what = drawn["importance"].axes[0].get_xlabel()
        assert what.endswith(f"of {SCORE}" if sign > 0 else f"of log10 |{SCORE}|")

    def test_what_diverged_hides_no_other_curve(self, drawn: dict[str, Figure], tmp_path: Path) -> None:
        sweep = self.sweep(tmp_path / "sweep", [RATE], [0.5, "diverged"], [])
        for number, reported in enumerate(([0.25, 0.5], [0.25, -1e30])):
            for step, value in enumerate(reported, start=1):
                write_report(sweep.path / str(number), step, -value)
        draw(sweep)
        bottom, top = drawn["curves"].axes[0].get_ylim()
        assert -0.1 < bottom < 0.25
        assert 0.5 < top < 0.6


class TestImportance:
    SIZES = (4, 3, 5)

    def grid(self) -> np.ndarray:
        """Return all combinations, (configuration, dimension)."""
        return np.array([*product(*map(range, self.SIZES))], float)

    def of(self, scores: np.ndarray) -> dict[str, float]:
        """Return the importances of a full grid of lists."""
        lists = [Dimension(f"d{i}", tuple(map(str, range(size)))) for i, size in enumerate(self.SIZES)]
        return importances(lists, self.grid().astype(int).tolist(), scores)

    def test_on_a_full_grid_they_are_the_main_effects(self) -> None:
        scores = np.random.default_rng(0).normal(size=self.SIZES)
        variance = ((scores - scores.mean()) ** 2).mean()
        for axis, share in enumerate(self.of(scores.ravel()).values()):
            others = tuple(other for other in range(3) if other != axis)
            effect = scores.mean(axis=others) - scores.mean()
            assert share == pytest.approx((effect**2).mean() / variance, abs=1e-9)

    def test_of_a_sum_they_are_the_shares_of_its_parts(self) -> None:
        grid = self.grid()
        shares = self.of(3 * grid[:, 0] - grid[:, 1])
        expected = np.array([9 * 15 / 12, 8 / 12, 0])  # variance of 0 … n-1: (n² - 1) / 12
        assert [*shares.values()] == pytest.approx(expected / expected.sum(), abs=1e-9)

    def test_without_differences_nothing_is_important(self) -> None:
        assert self.of(np.full(60, 0.1)) == {"d0": 0.0, "d1": 0.0, "d2": 0.0}

    def test_forests_agree_with_main_effects(self) -> None:
        grid = self.grid()
        scores = 2 * grid[:, 0] + np.sin(grid[:, 2]) + 0.1 * np.random.default_rng(0).normal(size=60)
        found = fanova(grid, [(-0.5, size - 0.5) for size in self.SIZES], scores)
        assert found == pytest.approx(main_effects(grid, scores), abs=0.03)

    def test_a_logarithmic_interval_counts_by_decades(self) -> None:
        """On a linear scale, all but the last decade would be a tenth of it."""
        draws = np.random.default_rng(0)
        rates, orders = 10 ** draws.uniform(-5, -1, 200), draws.integers(2, 90, 200)
        rows = [list(pair) for pair in zip(rates.tolist(), orders.tolist(), strict=True)]
        shares = importances([DRAWN, WHOLE], rows, (rates < 1e-3) + 0.001 * orders)  # type: ignore[arg-type]
        assert shares["optimizer.lr"] > 0.95

    def test_more_configurations_than_trees_need(self) -> None:
        draws = np.random.default_rng(0).random((2000, 2))
        assert fanova(draws, [(0, 1), (0, 1)], draws[:, 1])[1] > 0.95


def shares(figure: Figure) -> dict[str, float]:
    """Return the bars of a picture of importances, from the bottom upwards."""
    [axes] = figure.axes
    bars = [patch.get_width() for patch in axes.patches]  # type: ignore[attr-defined]
    return dict(zip([label.get_text() for label in axes.get_yticklabels()], bars, strict=True))


def test_what_the_objective_depends_on_is_most_important(drawn: dict[str, Figure], tmp_path: Path) -> None:
    dimensions = [Dimension(name, tuple("0123")) for name in ("first", "second", "third")]
    draw(make(tmp_path / "sweep", dimensions, [math.exp(3 * (i // 4 % 4) + i % 4) for i in range(64)]))
    found = shares(drawn["importance"])
    assert [*found] == ["interactions and chance", "first", "third", "second"]
    assert [*found.values()] == pytest.approx([0, 0, 0.1, 0.9], abs=1e-9)  # 3² of 3² + 1²


def test_a_seed_is_not_important(drawn: dict[str, Figure], tmp_path: Path) -> None:
    outcomes: list[Outcome] = [10.0 ** (i // 6) * (1 + i % 3) for i in range(18)]
    draw(make(tmp_path / "sweep", [MODEL, RATE, SEED], outcomes))
    assert [*shares(drawn["importance"])] == ["interactions and chance", "optimizer.lr", "model"]
    assert shares(drawn["importance"])["model"] == pytest.approx(1, abs=1e-9)


def test_what_always_diverges_is_most_important(drawn: dict[str, Figure], tmp_path: Path) -> None:
    rates = Dimension("optimizer.lr", ("1e-4", "1e-3", "1e3"))
    outcomes: list[Outcome] = [0.01, 0.02, "diverged", 0.03, 0.01, "diverged", 0.02, 0.9, "diverged"]
    sweep = make(tmp_path / "sweep", [MODEL, rates], outcomes)
    draw(sweep)
    assert [*shares(drawn["importance"])][-1] == "optimizer.lr"
    change(sweep, 8, state="failed")
    draw(sweep)
    assert [*shares(drawn["importance"])][-1] == "optimizer.lr"
