"""What people see: MLflow's UI in a real Chromium, opened at the links that `wavesweep ui` prints."""

import csv
import re
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browser import cells, opened
from tests.support.commands import SMALL, call, start
from tests.support.processes import wait_until
from tests.support.servers import free_port

pytestmark = pytest.mark.slow
QUICK = (*SMALL, "hydra/launcher=basic")
GRID = ("model=tiny,small", "optimizer.lr=1e-4,1e-3,1e-2", "seed=0,1")
DRAWN = ("model=tiny,small", "optimizer.lr=tag(log,interval(1e-4,1e8))", "training.batch_size=int(interval(1,4))")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a grid over seeds, a sweep over intervals in which jobs are pruned, and a single run."""
    place = tmp_path_factory.mktemp("pages")
    call("-m", *QUICK, *GRID, "hydra.sweep.dir=outputs/sweeps/grid", cwd=place)
    tpe = ("hydra.sweeper.n_trials=14", "hydra.sweeper.pruner=median", "hydra.sweep.dir=outputs/sweeps/tpe")
    call("-m", *QUICK, *DRAWN, *tpe, cwd=place)
    call(*SMALL, "model=tiny", cwd=place)
    return place


@pytest.fixture(scope="module")
def links(place: Path) -> Iterator[dict[str, list[str]]]:
    """Give the links that `wavesweep ui` prints, by what it is called with."""
    said = place / "said"
    server = start("ui", "--no-browser", "--port", str(free_port()), "--workers", "1", cwd=place)
    try:
        wait_until(lambda: "Ctrl-C" in said.read_text(), server)
        printed = {name: call("ui", *filter(None, [name]), cwd=place).stdout for name in ("grid", "tpe", "")}
        yield {name: re.findall(r"http://\S+", text) for name, text in printed.items()}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def finished(place: Path, sweep: str) -> list[dict[str, str]]:
    """Return the rows of a leaderboard that have a rank."""
    with (place / "outputs" / "sweeps" / sweep / "leaderboard.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["rank"]]


@pytest.mark.parametrize("width", [1280, 1900])
def test_the_list_is_the_leaderboard(place: Path, links: dict[str, list[str]], width: int) -> None:
    rows = finished(place, "tpe")
    with opened(width) as (page, errors):
        page.goto(links["tpe"][0])
        objectives, digits = (cells(page, f"metrics.`{name}`") for name in ("objective", "digits"))
        names = cells(page, "attributes.`Run Name`", whole=False)
    assert len(rows) > 2
    assert [float(text) for text in objectives[: len(rows)]] == [float(row["objective"]) for row in rows]
    assert [name.split()[0] for name in names[: len(rows)]] == [row["trials"] for row in rows]
    assert len(names) == 14
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in digits[: len(rows)])
    assert not errors


@pytest.mark.parametrize(
    ("sweep", "drawn"),
    [
        ("grid", ["val/closed_loop_scaled_mse", "Parallel Coordinates", "log10 optimizer.lr vs. digits"]),
        ("tpe", ["val/closed_loop_scaled_mse", "Parallel Coordinates", "training.batch_size vs. digits"]),
    ],
)
def test_the_charts_show_what_varies(links: dict[str, list[str]], sweep: str, drawn: list[str]) -> None:
    with opened(1280, 2000) as (page, errors):
        page.goto(links[sweep][1])
        for title in [*drawn, "test/digits", "time/train_seconds"]:
            expect(page.get_by_text(title, exact=True).first).to_be_visible(timeout=20_000)
        cards = page.get_by_test_id("experiment-view-compare-runs-card")
        expect(cards).to_have_count(7)
        ticks = cards.first.locator(".ytick text")
        expect(ticks.nth(1)).to_be_visible(timeout=20_000)
        values = [float(text) for text in ticks.all_text_contents()]
    assert not errors
    steps = [abs(one - other) for one, other in pairwise(values)]
    assert max(steps) > 1.5 * min(steps), "the axis is logarithmic"


def test_the_sweep_says_what_is_best_and_leads_to_its_leaderboard(place: Path, links: dict[str, list[str]]) -> None:
    best = finished(place, "grid")[0]
    with opened() as (page, errors):
        page.goto(links["grid"][2])
        page.get_by_text("Show more").first.click()
        said = f"model={best['model']} optimizer.lr={best['optimizer.lr']} is the best"
        expect(page.get_by_text(re.compile(re.escape(said)))).to_be_visible(timeout=20_000)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        link = page.get_by_role("link", name="leaderboard", exact=True)
        content = page.request.get(link.evaluate("link => link.href")).body()
    assert content == (place / "outputs" / "sweeps" / "grid" / "leaderboard.csv").read_bytes()
    assert not errors


def test_single_runs_stand_beside_their_baselines(links: dict[str, list[str]]) -> None:
    with opened(1900) as (page, errors):
        page.goto(links[""][1])
        [name] = cells(page, "attributes.`Run Name`", whole=False)
        [score], [baseline] = (cells(page, f"metrics.`test/{one}_scaled_mse`") for one in ("closed_loop", "linear"))
    assert name.startswith("tiny ")
    assert float(score) > float(baseline) > 0
    assert not errors
