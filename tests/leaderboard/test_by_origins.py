"""Configurations compared with the best by validation origins: alone, and beside seeds, where the wider one speaks."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hydra_queue_sweeper.leaderboard import ranking
from hydra_queue_sweeper.leaderboard.columns import text, to_csv
from hydra_queue_sweeper.leaderboard.ranking import Program
from hydra_queue_sweeper.search.estimates import Estimate
from hydra_queue_sweeper.search.space import Dimension
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.made import make
from wavesweep.evaluation.by_origin import ErrorsByOrigin, compare_runs, pack
from wavesweep.leaderboard.ranking import rank
from wavesweep.workspace.directory import RunDirectory

MODEL = Dimension("model", ("tiny", "small", "medium"))
SEED = Dimension("seed", ("0", "1", "2"))
ORIGINS, OVERLAP = 240, 12


def errors(seed: int, objective: float, noise: float = 1.0) -> ErrorsByOrigin:
    """Return errors of a mean at origins, which share most of what makes them large."""
    shared, own = (np.random.default_rng(one).normal(size=ORIGINS) for one in (99, seed))
    found = np.exp(shared + noise * own)
    return ErrorsByOrigin(found * objective / found.mean(), OVERLAP, b"p" * 32)


def swept(path: Path, dimensions: list[Dimension], left: list[ErrorsByOrigin]) -> SweepDirectory:
    """Make a sweep whose jobs left these errors, and have their means for objectives."""
    sweep = make(path, dimensions, [float(one.errors.mean()) for one in left])
    for number, one in enumerate(left):
        run = RunDirectory(path / str(number))
        run.path.mkdir()
        run.write_by_origin(pack(one))
    return sweep


def test_configurations_of_one_seed_each_are_told_from_the_best_by_origins(tmp_path: Path) -> None:
    left = [errors(0, 1.0, 0.1), errors(1, 1.01, 0.1), errors(2, 3.0, 0.1)]
    sweep = swept(tmp_path / "sweep", [MODEL], left)
    best, near, far = (board := rank(sweep)).rows
    for row, one in ((near, left[1]), (far, left[2])):
        assert row.ratio == pytest.approx(compare_runs([one], left[:1], 0.975)), "one of two comparisons"
    assert (best.ratio, best.alike, near.alike, far.alike) == (None, False, True, False)
    lines = text(board).split("\n")
    assert "≈: can't be told from the best by validation origins (95%, of all comparisons together)" in lines
    assert [line.split()[0] for line in lines[3:6]] == ["1", "≈", "3"]
    assert "vs best" in lines[2]
    [sentence] = [line for line in lines if "is the best" in line]
    assert "; the next is ×1.01 (" in sentence
    assert sentence.endswith("; 1 other can't be told from it")
    [further] = [line for line in lines if line.startswith("one seed each: ")]
    assert further.startswith("one seed each: whether it would be the best with another seed is not known; ")
    [header, *_] = csv.reader(io.StringIO(to_csv(board)))
    assert header == ["rank", "trials", "model", "objective", "skill", "seconds", "state", "reason"]


def test_what_all_are_told_apart_by_is_said(tmp_path: Path) -> None:
    left = [errors(0, 1.0, 0.1), errors(1, 9.0, 0.1), errors(2, 3.0, 0.1)]
    lines = text(rank(swept(tmp_path / "sweep", [MODEL], left))).split("\n")
    assert "vs best: 95% intervals, of all comparisons together, by validation origins" in lines


def test_seeds_that_do_not_vary_leave_origins_to_tell(tmp_path: Path) -> None:
    """As of a model that draws nothing."""
    levels = [1.0] * 3 + [1.02] * 3 + [4.0] * 3
    left = [errors(place // 3, level, 0.3) for place, level in enumerate(levels)]
    board = rank(swept(tmp_path / "sweep", [MODEL, SEED], left))
    _, near, far = board.rows
    assert near.ratio == pytest.approx(compare_runs(left[3:6], left[:3], 0.975))
    assert (near.alike, far.alike) == (True, False)
    by = "the seeds that both ran on and by validation origins, whichever tells less"
    assert f"≈: can't be told from the best by {by} (95%, of all comparisons together)" in text(board).split("\n")


@pytest.mark.parametrize(("noise", "by_origins"), [(0.01, False), (2.0, True)])
def test_the_wider_interval_speaks(tmp_path: Path, noise: float, *, by_origins: bool) -> None:
    levels = [1.0, 1.1, 0.9, 1.2, 1.25, 1.15]
    left = [errors(place, level, noise) for place, level in enumerate(levels)]
    both = rank(swept(tmp_path / "both", [Dimension("model", ("tiny", "small")), SEED], left)).rows[1]
    objectives = [float(one.errors.mean()) for one in left]
    seeds = rank(make(tmp_path / "seeds", [Dimension("model", ("tiny", "small")), SEED], [*objectives])).rows[1]
    origins = compare_runs(left[3:], left[:3], 0.95)
    assert origins
    assert seeds.ratio
    assert both.ratio
    assert both.ratio.value == seeds.ratio.value
    assert both.ratio[1:] == (pytest.approx(origins[1:]) if by_origins else seeds.ratio[1:])
    assert (width(origins[1:]) > width(seeds.ratio[1:])) == by_origins


def width(interval: tuple[float | None, ...]) -> float:
    """Return how wide an interval is, on the logarithmic scale."""
    low, high = interval
    assert low is not None
    assert high is not None
    return math.log(high / low)


def test_runs_on_other_origins_and_damaged_files_are_compared_by_seeds_alone(tmp_path: Path) -> None:
    left = [errors(0, 1.0), errors(1, 1.5), errors(2, 3.0)]
    left[1] = replace(left[1], part=b"q" * 32)
    sweep = swept(tmp_path / "sweep", [MODEL], left)
    path = RunDirectory(sweep.path / "2").by_origin
    content = path.read_bytes()
    for damage in (content[:-1] + bytes([content[-1] ^ 1]), b"", content * 100):
        path.write_bytes(damage)
        board = rank(sweep)
        assert [row.ratio and row.ratio.low for row in board.rows] == [None] * 3
        assert "vs best" not in text(board)
        assert "one seed each: whether the best differs from the next is not known" in text(board)
    path.unlink()
    path.symlink_to(RunDirectory(sweep.path / "0").by_origin)
    assert [row.ratio and row.ratio.low for row in rank(sweep).rows] == [None] * 3


def test_what_is_compared_by_differences_has_no_ratio_of_the_program_s(tmp_path: Path) -> None:
    program = Program(compare=lambda *_: Estimate(2.0, 1.0, 4.0), compared_by="tosses")
    ratios = ranking.rank(make(tmp_path / "ratios", [MODEL], [1.0, 2.0, 4.0]), program)
    assert [row.ratio for row in ratios.rows] == [None, (2, 1, 4), (4, 1, 4)]
    assert "by tosses (95%" in text(ratios)
    differences = ranking.rank(make(tmp_path / "differences", [MODEL], [-1.0, 2.0, 4.0]), program)
    assert [row.ratio for row in differences.rows] == [None, (3, None, None), (5, None, None)]
    assert "vs best" not in text(differences)
