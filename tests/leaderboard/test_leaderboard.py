"""The leaderboard of a sweep: order, replicates, what never counts as best, and what is written and drawn of it."""

import csv
import io
import math
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hydra_queue_sweeper.leaderboard import numbers
from hydra_queue_sweeper.leaderboard.columns import show, text, to_csv
from hydra_queue_sweeper.search.space import Dimension, Interval
from hydra_queue_sweeper.search.trials import State
from tests.support.made import Outcome, change, make, record, values
from wavesweep.leaderboard.ranking import measured, note, rank
from wavesweep.workspace.directory import RunDirectory

DATA = Dimension("dataset", ("sine",))
MODEL = Dimension("model", ("tiny", "small", "medium"))
RATE = Dimension("optimizer.lr", ("0.1", "1e-3"))
SEED = Dimension("seed", ("0", "1", "2"))
DRAWN = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
WHOLE = Dimension("+model.order", interval=Interval(2, 90, integer=True, log=False))

QUANTILE_OF_THREE = 4.302652729911275
"""Of Student's distribution of 2 degrees of freedom at 0.975; from a table."""

HEADER = ["rank", "trials", "model", "optimizer.lr", "objective", "skill", "seconds", "state", "reason"]
BASELINES = {"val_naive_scaled_mse": 2.0, "val_seasonal_naive_scaled_mse": 0.5, "val_linear_scaled_mse": math.nan}


def test_the_best_comes_first_and_of_equals_the_first_trial(tmp_path: Path) -> None:
    board = rank(make(tmp_path / "sweep", [DATA, MODEL, RATE], [0.3, 0.1, 0.2, 0.1, -1.0, 0.3]))
    assert [row.numbers for row in board.rows] == [[4], [1], [3], [2], [0], [5]]
    assert [row.rank for row in board.rows] == [1, 2, 3, 4, 5, 6]
    assert board.winner
    assert board.winner.varied == {"model": "medium", "optimizer.lr": 0.1}, "what isn't swept is left out"
    assert board.winner.mean
    assert board.winner.mean.low is None


def test_what_lacks_a_seed_is_never_best(tmp_path: Path) -> None:
    outcomes: list[Outcome] = [1e-9, "diverged", 1e-9, 5.0, 6.0, 7.0, "pruned", "failed", "failed"]
    board = rank(make(tmp_path / "sweep", [MODEL, SEED], outcomes))
    assert [row.varied["model"] for row in board.rows] == ["small", "tiny", "medium"]
    assert [row.rank for row in board.rows] == [1, None, None]
    states = ["finished", "2 finished, 1 diverged", "1 pruned, 2 failed"]
    assert [row.state for row in board.rows] == states
    assert board.winner is board.rows[0]


def test_nothing_is_best_where_nothing_is_complete(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, SEED], [1.0, "failed", 1.0, 2.0, 1.0])
    assert rank(sweep).winner is None
    assert "best" not in text(rank(sweep))


@pytest.mark.parametrize("state", ["diverged", "pruned", "failed", "interrupted", "running", "waiting"])
def test_only_what_has_finished_has_a_rank(tmp_path: Path, state: State) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [state, 5.0, state])
    change(sweep, 2, objective=1e-9)
    board = rank(sweep)
    assert [(row.rank, row.numbers, row.state) for row in board.rows] == [
        (1, [1], "finished"),
        (None, [0], state),
        (None, [2], state),
    ]


def test_what_a_sampler_proposed_twice_is_no_replicate(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [WHOLE], [2.0, 2.0])
    for number in range(2):
        change(sweep, number, overrides=["+model.order=4"])
    assert [row.numbers for row in rank(sweep).rows] == [[0], [1]]


def test_the_best_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("dataset.decimal", ('","',))], [1.0])
    [line] = [line for line in text(rank(sweep)).split("\n") if line.startswith("best: ")]
    assert shlex.split(line.removeprefix("best: ")) == ['dataset.decimal=","']


def test_a_whole_number_is_not_the_real_one(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [Dimension("a.b", ("1", "1.0", '"1"')), SEED], [float(i) for i in range(9)])
    assert [row.numbers for row in rank(sweep).rows] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_the_skill_is_that_of_the_kept_epoch_beside_the_best_baseline(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, RATE], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    record(sweep, 0, 0.1, **BASELINES)
    record(sweep, 1, 1.0, **BASELINES)
    record(sweep, 2, 0.1)
    record(sweep, 3, 0.1, **dict.fromkeys(BASELINES, math.nan))
    record(sweep, 4, 0.1, **BASELINES).metrics.write_text("{\n")
    assert [measured(row).skill for row in rank(sweep).rows] == [0.8, -1.0, None, None, None, None]


def test_a_run_that_kept_the_weights_that_it_began_with_has_its_skill(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [0.1, 0.2, 0.3])
    run = record(sweep, 0, 0.1, **BASELINES)
    run.write_info(replace(run.read_info(), tags={"wavesweep.kept_epoch": "0"}))
    assert measured(rank(sweep).rows[0]).skill == 0.8


def test_what_kept_its_start_is_not_praised_as_a_network(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, SEED], [0.1, 0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    start = {"wavesweep.kept_epoch": "0", "wavesweep.forecasts_by": "drift"}
    for number in range(9):
        run = record(sweep, number, 0.1, **BASELINES)
        if number < 4:
            run.write_info(replace(run.read_info(), tags=start))
    shown = text(rank(sweep))
    assert "\n1 configuration kept the start: what forecasts is drift alone, whatever the network\n" in shown
    assert "\n1 configuration kept the start with some of the seeds\n" in shown
    assert ". It kept its start: what forecasts there is drift\n" in shown
    for number in (1, 2):
        run = RunDirectory(sweep.path / str(number))
        run.write_info(replace(run.read_info(), tags=start | {"wavesweep.kept_epoch": "5"}))
    assert ". It kept its start with 1 of 3 seeds: what forecasts there is drift\n" in text(rank(sweep))


def test_the_skill_is_a_mean_over_seeds_all_of_which_are_known(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE, SEED], [0.1] * 6)
    for number, score in enumerate((0.1, 0.2, 0.3, 0.1, 0.2)):
        record(sweep, number, score, **BASELINES)
    assert [measured(row).skill for row in rank(sweep).rows] == [pytest.approx(1 - 0.006 ** (1 / 3) / 0.5), None]


def test_beside_a_baseline_that_is_exact_there_is_no_skill(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [0.1, 0.2, 0.3])
    for number, baseline in enumerate((1e-13, 0.0, 1e-13)):
        record(sweep, number, 0.1, **BASELINES | {"val_linear_scaled_mse": baseline})
    board = rank(sweep)
    assert [measured(row).skill for row in board.rows] == [None] * 3
    shown = text(board)
    assert "skill" not in shown.split("\n")[2].split(), "a column in which nothing stands is left out"


@pytest.mark.parametrize(("score", "words"), [(0.05, "90.0%"), (1.0, "-100.0%"), (6.0, "12x worse"), (5e8, "1e+09x")])
def test_a_poor_skill_is_told_in_words(tmp_path: Path, score: float, words: str) -> None:
    sweep = make(tmp_path / "sweep", [RATE], [0.1])
    record(sweep, 0, score, **BASELINES)
    shown = text(rank(sweep))
    assert words in shown
    assert "no skill" not in shown


def test_test_scores_are_those_of_the_winner_alone(tmp_path: Path) -> None:
    """Beside them stands the baseline that is best on validation data, even where another is better on test data."""
    sweep = make(tmp_path / "sweep", [RATE, SEED], [0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
    for number, score in enumerate((1.0, 2.0, 4.0)):
        tests = {"test_naive_scaled_mse": 0.1 + number, "test_seasonal_naive_scaled_mse": 3.0 * 2**number}
        record(sweep, number, 0.1, test_closed_loop_scaled_mse=score, **tests, **BASELINES)
    before = text(rank(sweep))
    for number in range(3, 6):
        record(sweep, number, 0.1, test_closed_loop_scaled_mse=1e-9, test_naive_scaled_mse=1e-9)
    assert text(rank(sweep)) == before
    assert [measured(row).test is None for row in rank(sweep).rows] == [False, True]
    low, high = (2 * 2 ** (sign * QUANTILE_OF_THREE / math.sqrt(3)) for sign in (-1, 1))
    words = f"closed loop, scaled MSE 2.000e+00 ({low:.1e}–{high:.1e}); best baseline: seasonal naive, 6.000e+00"
    assert f". On test data: {words}\n" in before


def test_all_test_scores_are_shown_on_request_and_order_nothing(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [1.0, 2.0, "failed"])
    for number, score in enumerate([0.5, 0.25]):
        record(sweep, number, 1.0, test_closed_loop_scaled_mse=score, **BASELINES)
    assert "5.000e-01" not in text(rank(sweep)).splitlines()[3]
    board = rank(sweep, tests=True)
    assert [(test := measured(row).test) and test.own.value for row in board.rows] == [0.5, 0.25, None]
    lines = text(board).splitlines()
    assert "test" in lines[2].split()
    assert ["5.000e-01" in lines[3], "2.500e-01" in lines[4]] == [True, True]


def test_test_scores_of_seeds_have_intervals(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE, SEED], [0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
    for number in range(6):
        record(sweep, number, 0.1, test_closed_loop_scaled_mse=2.0 ** (number % 3), **BASELINES)
    _, header, *lines = text(rank(sweep, tests=True)).splitlines()[1:]
    assert "test" in header.split()
    for line in lines[:2]:
        assert "2.000e+00 (3.6e-01–1.1e+01)" in line


def test_a_winner_without_test_part_has_no_test_score(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE], [0.1, 0.2])
    record(sweep, 0, 0.1, **BASELINES)
    board = rank(sweep)
    assert board.winner
    assert measured(board.winner).test is None
    assert "80.0%" in text(board)
    assert "test" not in text(board).replace(str(sweep.path), "")


def test_the_csv_holds_all_numbers_to_the_last_bit(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, math.pi, 1e-30]
    sweep = make(tmp_path / "sweep", [MODEL, RATE], [*values])
    board = rank(sweep)
    sweep.leaderboard.write_text(to_csv(board), "utf-8")
    rows = list(csv.DictReader(sweep.leaderboard.read_text("utf-8").splitlines()))
    assert list(rows[0]) == HEADER
    assert [float(row["objective"]) for row in rows] == sorted(values)
    assert [(row["model"], float(row["optimizer.lr"])) for row in rows] == [
        (row.varied["model"], row.varied["optimizer.lr"]) for row in board.rows
    ]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    first = sweep.leaderboard.read_bytes()
    sweep.leaderboard.write_text(to_csv(rank(sweep)), "utf-8")
    assert sweep.leaderboard.read_bytes() == first


def test_the_csv_of_seeds_has_interval_and_number(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE, SEED], [0.1, 0.7, 1 / 3, 1.0, "failed"])
    board = rank(sweep)
    sweep.leaderboard.write_text(to_csv(board), "utf-8")
    first, second = csv.DictReader(sweep.leaderboard.read_text("utf-8").splitlines())
    assert (float(first["low_95"]), float(first["high_95"])) == (board.rows[0].mean or ())[1:]
    assert (first["seeds"], first["trials"], first["ratio"]) == ("3", "0 1 2", "")
    assert (second["rank"], second["low_95"], second["high_95"], second["seeds"]) == ("", "", "", "1")
    assert float(second["ratio"]) == pytest.approx(10)
    assert (second["ratio_low"], second["ratio_high"]) == ("", "")
    assert second["state"] == "1 finished, 1 failed, 1 waiting"


REASON = 'KeyError: "é", \x1b[31m[bold]\r\nmore\N{LINE SEPARATOR}日本\t='
CLEAN = 'KeyError: "é", [31m[bold] more 日本 ='


def test_reasons_break_neither_csv_nor_table(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], ["failed", 1.0, "failed"])
    change(sweep, 0, reason=REASON)
    change(sweep, 2, reason="can't reach https://me:secret@example.org")
    board = rank(sweep)
    sweep.leaderboard.write_text(to_csv(board), "utf-8")
    written = sweep.leaderboard.read_text("utf-8")
    assert [row["reason"] for row in csv.DictReader(written.splitlines())][1:] == [
        CLEAN,
        "can't reach https://me:***@example.org",
    ]
    shown = text(board)
    assert f"failed: trial 0 (model=tiny): {CLEAN}" in shown.split("\n")
    assert "\x1b" not in shown
    assert "secret" not in shown + written


def test_failures_of_one_reason_stand_together(tmp_path: Path) -> None:
    outcomes: list[Outcome] = ["failed", 1.0, "failed", "failed", "failed", "diverged"]
    sweep = make(tmp_path / "sweep", [MODEL, RATE], outcomes)
    for number, reason in ((0, "no memory"), (2, "no memory"), (3, "no memory"), (4, "other")):
        change(sweep, number, reason=reason)
    lines = text(rank(sweep)).split("\n")
    assert "failed: trials 0, 2-3: no memory" in lines
    assert "failed: trial 4 (model=medium optimizer.lr=0.1): other" in lines
    assert "diverged: trial 5 (model=medium optimizer.lr=0.001)" in lines


def test_plain_lines_are_aligned_and_say_which_is_best(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [DATA, MODEL, SEED], [0.01, 0.02, 0.03, 0.1, 0.2, "pruned"])
    title, what, header, *lines = text(rank(sweep)).split("\n")
    assert title == "sweep sweep"
    assert what == "objective: lower is better; geometric mean over seeds, 95% interval"
    assert " ".join(header.split()) == "rank trial model objective 95% interval vs best seeds seconds state"
    assert " ".join(lines[0].split()) == "1 0-2 tiny 1.817e-02 4.6e-03–7.2e-02 3/3 4.5 finished"
    for line in lines[:3]:
        assert line[header.index("model") - 1] == " "
        assert line[header.index("objective") + len("objective")] == " "
    assert "best: dataset=sine model=tiny" in lines
    [told] = [line for line in lines if line.startswith("Of 3 configurations (3 seeds each, geometric means ")]
    assert "model=tiny is the best so far: objective 1.817e-02 (4.6e-03–7.2e-02)" in told
    cost = "3.0 s a job (median), 18.0 s in all"
    assert lines[-1] == f"3 configurations, 9 jobs: 5 finished, 1 pruned, 3 waiting; {cost}"


def test_long_tables_are_cut_and_failures_are_not(tmp_path: Path) -> None:
    many = Dimension("training.epochs", tuple(map(str, range(60))))
    sweep = make(tmp_path / "sweep", [many], [1.0 if number < 50 else "failed" for number in range(60)])
    for number in range(50, 60):
        change(sweep, number, reason=f"reason {number}: " + "long " * 200)
    lines = text(rank(sweep)).split("\n")
    assert sum(line.endswith("finished") for line in lines) == 20
    assert f"… 40 more in {sweep.leaderboard}" in lines
    for number in range(50, 60):
        start = f"failed: trial {number} (training.epochs={number}): reason {number}: long"
        assert [len(line) > 1000 for line in lines if line.startswith(start)] == [True], "neither cut nor broken"


def test_jobs_not_yet_proposed_wait(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [DRAWN], [], total=50)
    board = rank(sweep)
    assert text(board).split("\n")[-1] == "50 jobs: 50 waiting"


class Terminal(io.StringIO):
    """A stdout that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_table_in_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Dimension("model.hidden_sizes", ("[64,32]", "[5]", "[bold]"))
    sweep = make(tmp_path / "sweep", [sizes], ["failed", 1.0, "diverged"])
    change(sweep, 0, reason="it [red]broke")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = []
    for _ in range(2):
        monkeypatch.setattr(sys, "stdout", Terminal())
        show(rank(sweep))
        shown.append(sys.stdout.getvalue())  # type: ignore[attr-defined]
        monkeypatch.setenv("NO_COLOR", "1")
    coloured, plain = shown
    assert all(piece in coloured for piece in ("[64,32]", "[bold]", "it [red]broke", "\x1b[31mfailed"))
    assert "\x1b[31m" not in plain
    assert "[64,32]" in plain


LONG = Dimension("dataset.path", ("a/long/path/to/measurements/of/the/first.csv", "of/the/second.csv"))
MANY = [LONG, *(Dimension(f"training.{name}", ("1", "0.125")) for name in ("clip_norm", "noise_start", "washout"))]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("dimensions", [[MODEL, RATE, SEED], [*MANY[:2], RATE, SEED], [*MANY, RATE, SEED], MANY])
def test_a_terminal_shows_whole_words_within_its_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dimensions: list[Dimension], width: int
) -> None:
    sweep = make(tmp_path / "sweep", dimensions, [*values(14), "diverged", "failed"])
    for number in range(16):
        record(sweep, number, 9e3, test_closed_loop_scaled_mse=0.5 + number, **BASELINES)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    for tests in (False, True):
        monkeypatch.setattr(sys, "stdout", Terminal())
        board = rank(sweep, tests=tests)
        show(board)
        lines = sys.stdout.getvalue().split("\n")  # type: ignore[attr-defined]
        assert max(map(len, lines)) <= width
        for row in board.rows[:4]:
            whole = {numbers.error(row.objective), *(str(one) for key, one in row.varied.items() if key != LONG.name)}
            assert any(whole <= {*line.split()} for line in lines), whole


def test_a_wide_terminal_shows_what_a_narrow_one_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, RATE, SEED], values(18))
    for number in range(18):
        record(sweep, number, 9e3, **BASELINES)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("LINES", "25")  # without which rich takes a dumb terminal for one of 80 columns
    titles = []
    for width in ("88", "130"):
        monkeypatch.setenv("COLUMNS", width)
        monkeypatch.setattr(sys, "stdout", Terminal())
        show(rank(sweep))
        lines = sys.stdout.getvalue().split("\n")  # type: ignore[attr-defined]
        titles += [re.split("  +", line.strip()) for line in lines if line.startswith("rank")]
    narrow = ["rank", "model", "lr", "objective", "95% interval", "vs best", "seeds"]
    assert titles == [narrow, ["rank", "trial", *narrow[1:], "skill", "seconds", "state"]]


def test_a_pipe_gets_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [1.0, 2.0, 3.0])
    show(rank(sweep))
    assert capsys.readouterr().out == text(rank(sweep)) + "\n"


def test_the_leaderboard_imports_nothing_that_takes_long() -> None:
    heavy = "{'torch', 'hydra', 'mlflow', 'matplotlib', 'optuna', 'rich', 'scipy', 'numpy'}"
    code = f"import sys, wavesweep.leaderboard.ranking; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_note_in_mlflow_says_in_sentences_what_stands_below_the_table(tmp_path: Path) -> None:
    sizes = Dimension("model.hidden_sizes", ("[64,32]", "[5]"))
    sweep = make(tmp_path / "sweep", [sizes, SEED], [1.0, 2.0, 3.0, 7.0, 8.0, "failed"])
    record(sweep, 0, 0.1)
    lines = text(rank(sweep)).split("\n")
    [sentence] = [line for line in lines if "is the best" in line]
    told = note(rank(sweep)).split("\n\n")
    assert r"model.hidden\_sizes=\[64,32\] is the best" in told[0], "Markdown must not take it for a link"
    assert [re.sub(r"\\(.)", r"\1", one) for one in told] == [sentence, lines[-1]]


def test_the_note_in_mlflow_says_what_single_seeds_leave_open(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [1.0, 2.0, 3.0])
    _, open_question, jobs = note(rank(sweep)).split("\n\n")
    assert open_question.startswith("one seed each: ")
    assert open_question.endswith(" seed=1,2,3,4 --top 3")
    assert jobs.startswith("3 jobs: 3 finished")
    unfinished = make(tmp_path / "other", [MODEL], ["failed"])
    assert note(rank(unfinished)) == "3 jobs: 1 failed, 2 waiting; 0.5 s a job (median), 0.5 s in all"
