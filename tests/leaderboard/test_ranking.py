"""Laws of the ranking: order, intervals, and what can be told from the best by common seeds."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from hydra_queue_sweeper.leaderboard import numbers
from hydra_queue_sweeper.leaderboard.columns import text
from hydra_queue_sweeper.leaderboard.ranking import Leaderboard
from hydra_queue_sweeper.search.estimates import Estimate
from hydra_queue_sweeper.search.plan import Listed
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.store import SweepDirectory
from tests.support.made import make
from wavesweep.leaderboard.ranking import rank

MODEL = Dimension("model", ("tiny", "small", "medium"))
RATE = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
SEED = Dimension("seed", tuple("012345"))

QUANTILE = {1: 12.706204736432095, 2: 4.302652729911275, 5: 2.5705818366147395}
"""Of Student's distribution at 0.975, by degrees of freedom; from a table."""

ALIKE = "≈: can't be told from the best by the seeds that both ran on (95%, of all comparisons together)"

Scores = dict[tuple[str, str], list[float | None]]
"""The objectives of each model and rate, by seed; None of a job that failed."""


def swept(path: Path, scores: Scores, shuffled: int | None = None) -> SweepDirectory:
    """Make a sweep of these jobs, numbered in this order or in another."""
    jobs = [
        ([f"model={model}", f"optimizer.lr={rate}", f"seed={seed}"], score)
        for (model, rate), some in scores.items()
        for seed, score in enumerate(some)
    ]
    if shuffled is not None:
        random.Random(shuffled).shuffle(jobs)
    sweep = make(path, [MODEL, RATE, SEED], [], total=len(jobs))
    listed = Listed([overrides for overrides, _ in jobs])
    sweep.write_plan(replace(sweep.read_plan(), parts=[listed]))
    for number, (overrides, score) in enumerate(jobs):
        sweep.write_trial(Trial(number, overrides, "failed" if score is None else "finished", score))
    return sweep


def drawn(seed: int, num_seeds: int = 3) -> Scores:
    """Return what configurations might show, whose errors span decades and share what is due to the seed."""
    rng = random.Random(seed)
    shared = [rng.gauss(0, 2) for _ in range(num_seeds)]
    pairs = [(model, rate) for model in MODEL.values for rate in ("0.001", "0.01", "1e-4")]
    levels = {pair: rng.gauss(-9, 1) for pair in pairs}
    return {pair: [math.exp(level + one + rng.gauss(0, 0.3)) for one in shared] for pair, level in levels.items()}


def shown(board: Leaderboard) -> list[object]:
    """Return all that rows show but the numbers of their trials."""
    return [row._replace(trials=[], finished={}, counted={}) for row in board.rows]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_the_same_whatever_the_numbers_of_trials(tmp_path: Path, seed: int) -> None:
    ties: Scores = {("medium", "0.01"): [2.0, 3.0], ("small", "0.01"): [3.0, 2.0], ("small", "0.001"): [2.0, 3.0]}
    fewer: Scores = {("tiny", "0.01"): [1.0], ("tiny", "1e-4"): [None, 1.0], ("medium", "1e-3"): [None]}
    scores = ties | fewer | {("tiny", "1e-3"): [None], ("small", "1e-2"): [1.0]}
    board = rank(swept(tmp_path / "sweep", scores))
    assert [(row.varied["model"], row.varied["optimizer.lr"]) for row in board.rows] == [
        ("small", 0.001), ("small", 0.01), ("medium", 0.01),  # of equals, by the places of their values
        ("tiny", 0.01), ("small", 0.01), ("tiny", 0.0001), ("tiny", 0.001), ("medium", 0.001),
    ]  # fmt: skip
    assert shown(rank(swept(tmp_path / "other", scores, shuffled=seed))) == shown(board)


def test_growth_takes_equals_in_the_order_of_the_leaderboard(tmp_path: Path) -> None:
    scores: Scores = {("medium", "0.01"): [2.0], ("small", "0.01"): [2.0], ("small", "0.001"): [2.0]}
    for seed in range(3):
        sweep = swept(tmp_path / str(seed), scores, shuffled=seed)
        plan = sweep.read_plan()
        groups = [group for _, group in plan.ranked(sweep.read_trials(plan))]
        rows = [row.trials[0].configuration for row in rank(sweep).rows]
        assert [group[0].configuration for group in groups] == rows


def test_a_ratio_is_written_such_that_it_can_be_told_from_1() -> None:
    found = [
        numbers.compared(Estimate(*ends), logarithmic=True) for ends in ((1.0004, 0.9988, 1.0019), (1.0, 1.0, 1.0))
    ]
    assert found == ["×1.0004 (0.999–1.002)", "×1 (1–1)"]


def test_of_equals_none_is_called_the_best(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, Dimension("seed", ("7",))], [2.0, 2.0, 2.0])
    lines = text(rank(sweep)).split("\n")
    assert "All of 3 configurations (1 seed each) gave the same: objective 2.000e+00" in lines
    assert not [line for line in lines if "--top" in line or "is the best" in line]


def test_a_lucky_seed_does_not_stand_above_a_mean_over_six(tmp_path: Path) -> None:
    usual = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    sweep = swept(tmp_path / "sweep", {("tiny", "0.1"): [1e-9], ("small", "0.1"): [*usual], ("medium", "0.1"): [0.5]})
    board = rank(sweep)
    assert [row.varied["model"] for row in board.rows] == ["small", "tiny", "medium"]
    assert [row.rank for row in board.rows] == [1, 2, 3]
    assert [row.alike for row in board.rows] == [False, True, True], "both ran on one seed alone"
    lines = text(board).split("\n")
    assert "2 configurations ran on fewer seeds than the best, which puts them below" in lines
    [sentence] = [line for line in lines if "is the best" in line]
    assert sentence.startswith("Of 3 configurations (1 to 6 seeds each, geometric means with 95% intervals), ")
    assert "model=small optimizer.lr=0.1 is the best: " in sentence
    assert sentence.endswith("; 2 others can't be told from it")
    assert lines[-1] == "3 configurations, 8 jobs: 8 finished; 0.0 s a job (median), 0.0 s in all"


@pytest.mark.parametrize("num_seeds", [2, 3, 6])
def test_intervals_of_positive_errors_hold_their_geometric_mean_and_are_positive(
    tmp_path: Path, num_seeds: int
) -> None:
    scores = drawn(num_seeds, num_seeds)
    board = rank(swept(tmp_path / "sweep", scores))
    assert board.logarithmic
    assert len(board.rows) == len(scores)
    for row in board.rows:
        assert row.objective
        assert row.mean
        logs = [math.log(score) for score in row.objectives.values()]
        mean = sum(logs) / num_seeds
        deviation = math.sqrt(sum((one - mean) ** 2 for one in logs) / (num_seeds - 1))
        half = QUANTILE[num_seeds - 1] * deviation / math.sqrt(num_seeds)
        assert row.mean.low is not None
        assert row.mean.high is not None
        assert 0 < row.mean.low <= row.objective <= row.mean.high
        assert row.mean == pytest.approx(tuple(map(math.exp, (mean, mean - half, mean + half))))


def test_a_sweep_with_an_error_of_0_is_compared_by_differences(tmp_path: Path) -> None:
    sweep = swept(tmp_path / "sweep", {("tiny", "0.1"): [0.0, 1.0], ("small", "0.1"): [2.0, 3.0]})
    board = rank(sweep)
    assert not board.logarithmic
    assert [row.objective for row in board.rows] == [0.5, 2.5]
    assert [row.ratio for row in board.rows] == [None, Estimate(2.0, 2.0, 2.0)]
    assert [row.alike for row in board.rows] == [False, False]
    assert "+2.00e+00 (+2.00e+00–+2.00e+00)" in text(board)


@pytest.mark.parametrize("factor", [1.07, 3.0, 1e6])
def test_what_is_so_many_times_the_best_on_each_seed_is_told_from_it(tmp_path: Path, factor: float) -> None:
    best = [1e-7, 3e-3, 2e-5]
    scores: Scores = {("small", "0.1"): [factor * score for score in best], ("tiny", "0.1"): [*best]}
    sweep = swept(tmp_path / "sweep", scores)
    _, other = rank(sweep).rows
    assert other.ratio == pytest.approx((factor, factor, factor))
    assert not other.alike
    assert "≈" not in text(rank(sweep))


def test_a_row_is_marked_where_the_interval_of_its_ratio_holds_1(tmp_path: Path) -> None:
    marked = []
    for seed in range(6):
        sweep = swept(tmp_path / str(seed), drawn(seed))
        board = rank(sweep)
        lines = text(board).split("\n")
        for row, line in zip(board.rows, lines[3:], strict=False):
            alike = row.ratio is not None and (row.ratio.low or 0) <= 1 <= (row.ratio.high or 0)
            assert (row.alike, line.strip().startswith(f"≈ {row.rank} ")) == (alike, alike)
            marked.append(alike)
        count = sum(row.alike for row in board.rows)
        assert (lines.count(ALIKE) == 1) == (count > 0)
    assert {*marked} == {True, False}


def test_an_interval_wider_than_all_numbers_ends_nothing(tmp_path: Path) -> None:
    sweep = swept(tmp_path / "sweep", {("tiny", "0.1"): [1e-10, 1e-9], ("small", "0.1"): [1e-12, 1e100]})
    board = rank(sweep)
    assert board.rows[1].mean
    assert board.rows[1].mean.high == math.inf
    assert "inf" in text(board)


def test_a_person_may_write_it_into_a_report(tmp_path: Path) -> None:
    scores: Scores = {("tiny", "0.1"): [1.0, 2.0], ("small", "0.1"): [3.0, 6.0], ("medium", "0.1"): [1.0, None]}
    scores |= {("tiny", "0.2"): [3.0, 7.0], ("small", "0.2"): [9.0, 5.0]}
    sweep = swept(tmp_path / "sweep", scores)
    sweep.path.joinpath("config.yaml").write_text("objective: val/one_step_mse\n")
    lines = text(rank(sweep)).split("\n")
    assert lines[1] == (
        "objective: val/one_step_mse of the kept epoch, lower is better; geometric mean over seeds, 95% interval"
    )
    assert (
        "Of 5 configurations (2 seeds each, geometric means with 95% intervals), model=tiny optimizer.lr=0.1 is the "
        "best: val/one_step_mse 1.414e+00 (1.7e-02–1.2e+02); the next is ×3 (3–3); 2 others can't be told from it"
    ) in lines


def test_single_seeds_are_said_to_tell_little_and_how_to_tell_more(tmp_path: Path) -> None:
    dimensions = [MODEL, Dimension("seed", ("7",))]
    sweep = make(tmp_path / "sweep", dimensions, [1.0, 1.5, 2.0])
    lines = text(rank(sweep)).split("\n")
    assert "Of 3 configurations (1 seed each), model=tiny is the best: objective 1.000e+00; the next is ×1.5" in lines
    [how] = [line for line in lines if line.startswith("one seed each: ")]
    assert how.endswith(f" wavesweep resume {sweep.path} seed=1,2,3,4 --top 3")
    unended = make(tmp_path / "other", dimensions, [1.0, 1.5, "running"])
    assert "--top" not in text(rank(unended))
    assert "is the best so far" in text(rank(unended))


def test_nothing_is_best_while_what_was_better_is_to_run_on_more_seeds(tmp_path: Path) -> None:
    sweep = swept(tmp_path / "sweep", {("tiny", "0.1"): [1.0, 2.0], ("small", "0.1"): [9.0], ("medium", "0.1"): [8.0]})
    assert rank(sweep).winner is not None
    sweep.write_trial(replace(sweep.read_trials(sweep.read_plan())[1], state="running", objective=None))
    board = rank(sweep)
    assert board.winner is None
    assert "no best yet: others that were better are still to run on further seeds" in text(board)
    sweep.write_trial(replace(sweep.read_trials(sweep.read_plan())[1], state="diverged"))
    best = rank(sweep).winner
    assert best is not None
    assert best.varied["model"] == "medium", "what diverged is not waited for"


def test_trials_without_a_seed_of_their_own_are_replicates_of_those_that_have_one(tmp_path: Path) -> None:
    jobs = [["model=tiny"], ["model=small"], ["model=tiny", "seed=4"], ["model=tiny", "seed=5"]]
    sweep = make(tmp_path / "sweep", [MODEL], [], total=3)
    sweep.write_plan(replace(sweep.read_plan(), parts=[Listed(jobs)]))
    for number, overrides in enumerate(jobs):
        sweep.write_trial(Trial(number, overrides, "finished", 1.0 + number))
    board = rank(sweep)
    assert [row.numbers for row in board.rows] == [[0, 2, 3], [1]]
    assert board.has_seeds


def test_nothing_is_best_that_is_worse_on_common_seeds_than_what_is_still_to_run(tmp_path: Path) -> None:
    scores: Scores = {("tiny", "0.1"): [1.0, 2.0, 3.0, 4.0], ("small", "0.1"): [0.1, 0.21, 0.29, None]}
    sweep = swept(tmp_path / "sweep", scores)
    assert rank(sweep).winner is not None, "what has failed is not waited for"
    sweep.write_trial(replace(sweep.read_trials(sweep.read_plan())[7], state="interrupted"))
    assert rank(sweep).winner is None
    sweep.write_trial(replace(sweep.read_trials(sweep.read_plan())[7], state="pruned"))
    assert rank(sweep).winner is not None, "what was given up is not waited for"
    sweep.write_trial(replace(sweep.read_trials(sweep.read_plan())[7], state="waiting"))
    sweep.write_trial(replace(sweep.read_trials(sweep.read_plan())[4], objective=50.0))
    assert rank(sweep).winner is None, "better on the mean, though not surely so"
    sweep.write_trial(replace(sweep.read_trials(sweep.read_plan())[4], objective=5000.0))
    assert rank(sweep).winner is not None


def test_of_many_equals_hardly_any_is_called_worse_than_the_best(tmp_path: Path) -> None:
    """Comparisons by themselves would call one worse in nine of ten sweeps."""
    told = 0
    for seed in range(20):
        rng = random.Random(seed)
        scores: Scores = {
            ("tiny", f"{1e-3 + 1e-4 * rate:.4f}"): [rng.lognormvariate(0, 0.5) for _ in range(5)] for rate in range(30)
        }
        told += not all(row.alike for row in rank(swept(tmp_path / str(seed), scores)).rows[1:])
    assert told <= 5


def grown(path: Path, *parts: list[tuple[str, str, float]]) -> SweepDirectory:
    """Make a sweep of jobs by model, seed and objective, the later parts of its best alone."""
    sweep = make(path, [MODEL, Dimension("seed", ("0", "1"))], [], total=1)
    jobs = [[[f"model={model}", f"seed={seed}"] for model, seed, _ in part] for part in parts]
    sweep.write_plan(replace(sweep.read_plan(), parts=[Listed(part) for part in jobs]))
    every = [
        (job, score)
        for part, those in zip(jobs, parts, strict=True)
        for job, (*_, score) in zip(part, those, strict=True)
    ]
    for number, (overrides, score) in enumerate(every):
        sweep.write_trial(Trial(number, overrides, "finished", score))
    return sweep


FIRST = [
    ("tiny", "0", 1.0),
    ("tiny", "1", 2.0),
    ("small", "0", 1.5),
    ("small", "1", 3.0),
    ("medium", "0", 9.0),
    ("medium", "1", 8.0),
]


def test_the_best_are_judged_by_the_seeds_that_they_were_given_since(tmp_path: Path) -> None:
    more = [
        (model, seed, 3.0 * 1.1 ** int(seed) * factor)
        for model, factor in (("tiny", 1.0), ("small", 0.5))
        for seed in "234"
    ]
    sweep = grown(tmp_path / "sweep", FIRST, more)
    board = rank(sweep)
    assert [row.varied["model"] for row in board.rows] == ["small", "tiny", "medium"]
    best, next_one, last = board.rows
    assert best.mean
    assert best.mean.value == pytest.approx(1.5 * 1.1**3)
    assert next_one.ratio == pytest.approx((2, 2, 2)), "on these seeds alone"
    assert last.ratio
    assert last.ratio.value == pytest.approx(math.sqrt(9.0 / 1.5 * 8.0 / 3.0)), "on those that both ran on"
    lines = text(board).split("\n")
    assert "what was given further seeds as one of the best is judged by these alone: the first were lucky" in lines
    [sentence] = [line for line in lines if "is the best" in line]
    assert (
        "1.997e+00 (1.6e+00–2.5e+00) on the 3 seeds that it was given since it was chosen; the next is ×2" in sentence
    )
    assert sweep.read_plan().ranked(board.trials)[0][0] == best.mean.value, "what other programs are told"


@pytest.mark.parametrize(
    ("later", "means"),
    [
        ([[("tiny", "2", 5.0), ("small", "2", 6.0)], [("tiny", "3", 20.0), ("small", "3", 24.0)]], [10.0, 12.0]),
        ([[("tiny", "2", 5.0), ("small", "2", 6.0)], [("tiny", "3", 20.0)]], [20.0, 6.0]),
        ([[("tiny", "2", 5.0)], [("small", "2", 6.0)]], [5.0, 6.0]),
    ],
)
def test_seeds_count_since_the_last_choice(
    tmp_path: Path, later: list[list[tuple[str, str, float]]], means: list[float]
) -> None:
    board = rank(grown(tmp_path / "sweep", FIRST, *later))
    assert [row.objective for row in board.rows[:2]] == pytest.approx(means)


def test_seeds_that_all_were_given_count_all(tmp_path: Path) -> None:
    sweep = grown(tmp_path / "sweep", FIRST, [(model, "2", 4.0) for model in ("tiny", "small", "medium")])
    plan = sweep.read_plan()
    sweep.write_plan(replace(plan, dimensions=[MODEL, Dimension("seed", ("0", "1", "2"))]))
    assert rank(sweep).rows[0].objective == pytest.approx(2.0)


def test_what_is_the_same_with_every_seed_is_no_certain_result(tmp_path: Path) -> None:
    """As of a model that draws nothing: of the one stretch that validates, seeds say nothing."""
    scores: Scores = {("tiny", "0.1"): [0.1, 0.1, 0.1], ("small", "0.1"): [0.102, 0.102, 0.102]}
    scores |= {("medium", "0.1"): [0.3, 0.31, 0.32]}
    board = rank(swept(tmp_path / "sweep", scores))
    best, same, other = board.rows
    assert best.mean == Estimate(0.1)
    assert same.mean == Estimate(0.102)
    assert same.ratio == pytest.approx((1.02, None, None))
    assert same.alike
    assert other.ratio
    assert other.ratio.low is not None, "its seeds do tell something"
    assert "2 configurations gave the same with every seed, which tells nothing of chance" in text(board).split("\n")
