"""The leaderboard of a sweep: order, replicates, what never counts as best, and what is written and drawn of it."""

import csv
import io
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.made import Outcome, change, make, record, values
from wavesweep.leaderboard.ranking import rank
from wavesweep.leaderboard.table import show, text, to_csv, to_markdown
from wavesweep.search.space import Dimension, Interval
from wavesweep.search.trials import State

DATA = Dimension("dataset", ("sine",))
MODEL = Dimension("model", ("tiny", "small", "medium"))
RATE = Dimension("optimizer.lr", ("0.1", "1e-3"))
SEED = Dimension("seed", ("0", "1", "2"))
DRAWN = Dimension("optimizer.lr", interval=Interval(1e-5, 1e-1, integer=False, log=True))
WHOLE = Dimension("+model.order", interval=Interval(2, 90, integer=True, log=False))

QUANTILE = {1: 12.706204736432095, 2: 4.302652729911275}
"""Of Student's distribution at 0.975, by degrees of freedom; from a table."""

HEADER = ["rank", "trials", "model", "optimizer.lr", "objective", "skill", "seconds", "state", "reason"]
BASELINES = {"val_naive_scaled_mse": 2.0, "val_seasonal_naive_scaled_mse": 0.5, "val_linear_scaled_mse": math.nan}


def test_the_best_comes_first_and_of_equals_the_first_trial(tmp_path: Path) -> None:
    board = rank(make(tmp_path / "sweep", [DATA, MODEL, RATE], [0.3, 0.1, 0.2, 0.1, -1.0, 0.3]))
    assert [row.numbers for row in board.rows] == [[4], [1], [3], [2], [0], [5]]
    assert [row.rank for row in board.rows] == [1, 2, 3, 4, 5, 6]
    assert board.winner
    assert board.winner.varied == {"model": "medium", "optimizer.lr": 0.1}, "what isn't swept is left out"
    assert board.winner.interval is None


def test_seeds_are_merged_into_mean_and_interval(tmp_path: Path) -> None:
    board = rank(make(tmp_path / "sweep", [SEED, MODEL], [1.0, 0.2, 3.0, 2.0, 0.4, 3.0, 6.0, 0.9, 3.0]))
    assert [row.varied for row in board.rows] == [{"model": "small"}, {"model": "tiny"}, {"model": "medium"}]
    for row, scores in zip(board.rows, ([0.2, 0.4, 0.9], [1.0, 2.0, 6.0], [3.0, 3.0, 3.0]), strict=True):
        mean = sum(scores) / 3
        deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / 2)
        assert row.objective == pytest.approx(mean, rel=1e-15)
        assert row.interval == pytest.approx(QUANTILE[2] * deviation / math.sqrt(3), rel=1e-9)
        assert (row.state, row.num_finished) == ("finished", 3)
    assert board.rows[0].numbers == [1, 4, 7]


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
    assert rank(sweep).test == ""
    assert "best" not in text(rank(sweep), sweep)


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
    assert [row.skill for row in rank(sweep).rows] == [0.8, -1.0, None, None, None, None]


def test_the_skill_is_a_mean_over_seeds_all_of_which_are_known(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE, SEED], [0.1] * 6)
    for number, score in enumerate((0.1, 0.2, 0.3, 0.1, 0.2)):
        record(sweep, number, score, **BASELINES)
    assert [row.skill for row in rank(sweep).rows] == [pytest.approx(0.6), None]


def test_test_scores_are_those_of_the_winner_alone(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE, SEED], [0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
    for number, score in enumerate((1.0, 2.0, 6.0)):
        tests = {"test_naive_scaled_mse": 8.0 + number, "test_linear_scaled_mse": 9.0 - 2 * number}
        record(sweep, number, 0.1, test_closed_loop_scaled_mse=score, **tests, **BASELINES)
    before = rank(sweep)
    for number in range(3, 6):
        record(sweep, number, 0.1, test_closed_loop_scaled_mse=1e-9, test_naive_scaled_mse=1e-9)
    assert rank(sweep).test == before.test
    half_width = QUANTILE[2] * math.sqrt(7) / math.sqrt(3)
    baseline = "best baseline: linear autoregression, 7.00e+00"
    assert before.test == f"test, closed loop, scaled MSE 3.00e+00 ± {half_width:.2e}; {baseline}"
    assert f"  {before.test}" in text(before, sweep).splitlines()


def test_all_test_scores_are_shown_on_request_and_order_nothing(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [1.0, 2.0, "failed"])
    for number, score in enumerate([0.5, 0.25]):
        record(sweep, number, 1.0, test_closed_loop_scaled_mse=score, **BASELINES)
    assert "5.00e-01" not in text(rank(sweep), sweep).splitlines()[2]
    board = rank(sweep, tests=True)
    assert [row.test for row in board.rows] == [0.5, 0.25, None]
    lines = text(board, sweep).splitlines()
    assert "test" in lines[1].split()
    assert ["5.00e-01" in lines[2], "2.50e-01" in lines[3]] == [True, True]


def test_a_winner_without_test_part_has_no_test_score(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [RATE], [0.1, 0.2])
    record(sweep, 0, 0.1, **BASELINES)
    board = rank(sweep)
    assert board.test == ""
    assert "skill 80.0%" in text(board, sweep)
    assert "test" not in text(board, sweep)


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
    assert float(first["interval_95"]) == board.rows[0].interval
    assert (first["seeds"], first["trials"]) == ("3", "0 1 2")
    assert (second["rank"], second["interval_95"], second["seeds"]) == ("", "", "1")
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
    shown = text(board, sweep)
    assert f"failed: trial 0 (model=tiny): {CLEAN}" in shown.split("\n")
    assert "\x1b" not in shown
    assert "secret" not in shown + written


def test_failures_of_one_reason_stand_together(tmp_path: Path) -> None:
    outcomes: list[Outcome] = ["failed", 1.0, "failed", "failed", "failed", "diverged"]
    sweep = make(tmp_path / "sweep", [MODEL, RATE], outcomes)
    for number, reason in ((0, "no memory"), (2, "no memory"), (3, "no memory"), (4, "other")):
        change(sweep, number, reason=reason)
    lines = text(rank(sweep), sweep).split("\n")
    assert "failed: trials 0, 2-3: no memory" in lines
    assert "failed: trial 4 (model=medium optimizer.lr=0.1): other" in lines
    assert "diverged: trial 5 (model=medium optimizer.lr=0.001)" in lines


def test_plain_lines_are_aligned_and_say_which_is_best(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [DATA, MODEL, SEED], [0.01, 0.02, 0.03, 0.1, 0.2, "pruned"])
    title, header, *lines = text(rank(sweep), sweep).split("\n")
    assert title == "sweep sweep"
    assert " ".join(header.split()) == "rank trial model objective ± 95% seeds skill seconds state"
    assert " ".join(lines[0].split()) == "1 0-2 tiny 2.00e-02 2.48e-02 3/3 4.5 finished"
    for line in lines[:3]:
        assert line[header.index("model") - 1] == " "
        assert line[header.index("objective") + len("objective")] == " "
    assert "best: dataset=sine model=tiny" in lines
    assert "  objective 2.00e-02 ± 2.48e-02" in lines
    assert lines[-1] == "9 jobs: 5 finished, 1 pruned, 3 waiting"


def test_long_tables_are_cut_and_failures_are_not(tmp_path: Path) -> None:
    many = Dimension("training.epochs", tuple(map(str, range(60))))
    sweep = make(tmp_path / "sweep", [many], [1.0 if number < 50 else "failed" for number in range(60)])
    for number in range(50, 60):
        change(sweep, number, reason=f"reason {number}: " + "long " * 200)
    lines = text(rank(sweep), sweep).split("\n")
    assert sum(line.endswith("finished") for line in lines) == 20
    assert f"… 40 more in {sweep.leaderboard}" in lines
    in_mlflow = to_markdown(rank(sweep), sweep).split("\n")
    assert sum(line.endswith("| finished |") for line in in_mlflow) == 10
    assert f"… 50 more in {sweep.leaderboard}".replace("_", r"\_") in in_mlflow
    for number in range(50, 60):
        start = f"failed: trial {number} (training.epochs={number}): reason {number}: long"
        assert [len(line) > 1000 for line in lines if line.startswith(start)] == [True], "neither cut nor broken"


def test_jobs_not_yet_proposed_wait(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", [DRAWN], [], total=50)
    board = rank(sweep)
    assert text(board, sweep).split("\n")[-1] == "50 jobs: 50 waiting"


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
        show(rank(sweep), sweep)
        shown.append(sys.stdout.getvalue())  # type: ignore[attr-defined]
        monkeypatch.setenv("NO_COLOR", "1")
    coloured, plain = shown
    assert all(piece in coloured for piece in ("[64,32]", "[bold]", "it [red]broke", "\x1b[31mfailed"))
    assert "\x1b[31m" not in plain
    assert "[64,32]" in plain


def test_a_narrow_terminal_shows_whole_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make(tmp_path / "sweep", [MODEL, RATE, SEED], [*values(16), "diverged", "failed"])
    for number in range(18):
        record(sweep, number, 9e3, **BASELINES)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", Terminal())
    show(rank(sweep), sweep)
    lines = sys.stdout.getvalue().split("\n")  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80
    for words in (["small", "0.001", "3/3", "< -999%", "finished"], ["medium", "0.001", "1/3", "1 finished"]):
        assert any(all(word in line for word in words) for line in lines), words


def test_a_pipe_gets_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = make(tmp_path / "sweep", [MODEL], [1.0, 2.0, 3.0])
    show(rank(sweep), sweep)
    assert capsys.readouterr().out == text(rank(sweep), sweep) + "\n"


def test_a_terminal_that_is_gone_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Terminal):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    sweep = make(tmp_path / "sweep", [MODEL], [1.0, 2.0, 3.0])
    monkeypatch.setattr(sys, "stdout", Gone())
    show(rank(sweep), sweep)
    print("goes nowhere")
    sys.stdout.close()


def test_the_leaderboard_imports_nothing_that_takes_long() -> None:
    heavy = "{'torch', 'hydra', 'mlflow', 'matplotlib', 'optuna', 'rich', 'scipy', 'numpy'}"
    code = f"import sys, wavesweep.leaderboard.ranking; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_in_mlflow_many_seeds_and_failures_leave_room_for_the_best(tmp_path: Path) -> None:
    dimensions = [Dimension("optimizer.lr", tuple(map(str, range(12)))), Dimension("seed", tuple(map(str, range(20))))]
    failed: list[Outcome] = ["failed"] * 40
    sweep = make(tmp_path / "sweep", dimensions, [*values(200), *failed])
    for number in range(240):
        record(sweep, number, 0.1)
        change(sweep, number, reason=f"reason {number} " * 5 if number >= 200 else "")
    note = to_markdown(rank(sweep), sweep)
    assert note.count("](run:") == 30
    assert "… 17 more |" in note
    assert len(note) < 6000
    assert note.index("best: ") < note.index("240 jobs: ") < note.index("failed: ")
