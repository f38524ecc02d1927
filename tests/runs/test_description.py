"""What is said of a run that has ended."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.support.parts import SMALL, given, prepared, small
from wavesweep.evaluation.by_series import SeriesScores
from wavesweep.experiment.description import description, digits, intervals, score_rows, summary, verdict
from wavesweep.experiment.preparation import prepare, shape_of
from wavesweep.experiment.result import Result, best_baseline
from wavesweep.models.baseline_names import BASELINES
from wavesweep.workspace.info import RunInfo

HIGHWAY = ("model.highway=true", "forecast.horizon=5")
EXACT = "which is exact on these series, but for rounding."
BASELINE = "linear autoregression, the best baseline on validation data"
OF_VALIDATION = {"val/linear_scaled_mse": 0.4, "val/naive_scaled_mse": 0.6, "val/drift_scaled_mse": math.nan}


def said(score: float, linear: float, *overrides: str, naive: float = 9.0, **gain: float) -> str:
    """Return the verdict on a run beside a linear autoregression; `gain` has its bounds."""
    metrics = {"test/closed_loop_scaled_mse": score, "test/linear_scaled_mse": linear, "test/naive_scaled_mse": naive}
    metrics |= OF_VALIDATION | {f"test/{key}": value for key, value in gain.items()}
    return verdict(small(*overrides), Result(False, 0.1, 3, metrics))


@pytest.mark.parametrize(
    ("overrides", "epoch", "name"),
    [
        ((), 3, "lstm"),
        (HIGHWAY, 3, "lstm"),
        (HIGHWAY, 0, "linear autoregression"),
        (("model=linear",), 1, "linear autoregression"),
    ],
)
def test_the_first_row_says_what_forecasts(overrides: tuple[str, ...], epoch: int, name: str) -> None:
    metrics = {"test/closed_loop_scaled_mse": 0.3, "test/linear_scaled_mse": 0.3} | OF_VALIDATION
    [(own, _), *_] = score_rows(small(*overrides), Result(False, 0.1, epoch, metrics))
    assert own == f"{name} (test)"


@pytest.mark.parametrize(
    ("baseline", "low", "words"),
    [
        (0.5, 0.3, "beats drift, the best baseline on validation data: its error is 40% lower (95% interval: 30% lower "
         "to 50% lower)."),
        (0.5, -0.1, "can't be told from drift, the best baseline on validation data: its error is 40% lower (95% "
         "interval: 10% higher to 50% lower)."),
        (1e-13, 0.3, "does not beat drift, which is exact on these series, but for rounding."),
    ],
)  # fmt: skip
def test_no_network_is_praised_for_what_the_start_forecasts(baseline: float, low: float, words: str) -> None:
    config, gain = small(*HIGHWAY), {"test/gain": 0.4, "test/gain_low": low, "test/gain_high": 0.5}
    metrics = {"test/closed_loop_scaled_mse": 0.3, "test/linear_scaled_mse": 0.3, "test/drift_scaled_mse": baseline}
    metrics |= gain | OF_VALIDATION | {"val/drift_scaled_mse": 0.1}
    began = "No epoch was better than linear autoregression beyond noise, on validation data, so this run forecasts by "
    alone = f"{began}that alone: model=linear does the same. Linear autoregression"
    assert verdict(config, Result(False, 0.1, 0, metrics)) == f"{alone} {words}"
    assert "The network" in verdict(config, Result(False, 0.1, 3, metrics))


@pytest.mark.parametrize(("share", "key"), [(0.5, "combined"), (1, "ridge")])
def test_no_other_start_is_said_to_be_model_linear(share: float, key: str) -> None:
    ridge = f"model.ridge={{order:2,centred:false,penalty:1,share:{share}}}"
    metrics = {"test/closed_loop_scaled_mse": 0.3, f"val/{key}_scaled_mse": 0.1}
    found = verdict(small(*HIGHWAY, ridge), Result(False, 0.1, 0, metrics))
    assert found.startswith(f"No epoch was better than {BASELINES[key]} beyond noise, on validation data")
    assert found.endswith("so this run forecasts by that alone.")


@pytest.mark.parametrize(
    ("score", "linear", "words"),
    [
        (7.9e-8, 1.4e-24, "Linear autoregression is exact on these series, but for rounding. The network comes within "
         "7.1 digits: its squared error is 10^-7.1 of the variance."),
        (1.3, 1.4e-24, f"The network does not beat linear autoregression, {EXACT}"),
        (math.inf, 1.4e-24, f"The network does not beat linear autoregression, {EXACT}"),
        (math.nan, 1.4e-24, f"The network does not beat linear autoregression, {EXACT}"),
        (0.0, 0.0, f"The network does not beat linear autoregression, {EXACT}"),
        (1e-15, 1e-13, "The network beats linear autoregression, the best baseline, though that is exact, but for "
         "rounding."),
    ],
)  # fmt: skip
def test_beside_a_baseline_that_is_exact(score: float, linear: float, words: str) -> None:
    assert said(score, linear) == words


@pytest.mark.parametrize(
    ("gain", "low", "high", "words"),
    [
        (0.25, 0.1, 0.4, f"beats {BASELINE}: its error is 25% lower (95% interval: 10% lower to 40% lower)"),
        (
            0.25,
            -0.1,
            0.6,
            f"can't be told from {BASELINE}: its error is 25% lower (95% interval: 10% higher to 6",
        ),
        (
            -0.5,
            -0.8,
            -0.2,
            f"does not beat {BASELINE}: its error is 50% higher (95% interval: 80% higher to 20",
        ),
        (
            -3,
            -5,
            -1,
            f"does not beat {BASELINE}: its error is 4 times as high (95% interval: 6 times as high to ",
        ),
        (
            1 - 1e-5,
            0.99,
            1 - 1e-7,
            f"beats {BASELINE}: its error is 1e+05 times lower (95% interval: 99% lower to 1e+07 times lower",
        ),
        (2e-4, 1e-4, 0.003, f"beats {BASELINE}: its error is 0.02% lower (95% interval: 0.01% lower to 0.3% lower)"),
        (0.0, 0.0, 0.0, f"can't be told from {BASELINE}: its error is as high (95% interval: as high to as high"),
    ],
)
def test_an_interval_tells_a_win_from_a_tie(gain: float, low: float, high: float, words: str) -> None:
    assert said(0.3, 0.4, gain=gain, gain_low=low, gain_high=high).startswith(f"The network {words}")


def test_a_baseline_that_happens_to_be_best_on_test_data_is_named() -> None:
    """Else a win over the one that validation data chose could be taken for a win over all."""
    words = said(0.3, 0.4, gain=0.25, gain_low=0.1, gain_high=0.4, naive=0.2)
    assert words.endswith(" On test data, last value repeated errs less still: 0.2.")


def test_what_was_chosen_of_many_channels_stays_in_a_line() -> None:
    spent = {"time/train_seconds": 1.0, "cost/loss_evaluations": 7.0}
    metrics = spent | {f"test/{key}_scaled_mse": 0.3 for key in ("closed_loop", "naive", "linear")} | OF_VALIDATION
    notes = {"naive": ", ".join(["0.25"] * 23), "drift": "x"}
    lines = summary(RunInfo([], {}, None, "name"), small(), Result(False, 0.1, 3, metrics, notes)).splitlines()
    assert max(map(len, lines)) == 100
    [naive] = [line for line in lines if "last value repeated" in line]
    assert naive.endswith("0.25, 0.25, 0.2…")


def test_intervals_stand_beside_the_best_baseline_s() -> None:
    metrics = OF_VALIDATION | {"test/coverage": 0.914, "test/interval_width": 0.4321}
    beside = {"test/baseline_coverage": 0.996, "test/baseline_interval_width": 51.2}
    own = "90% intervals cover 91% of test data, 0.43 standard deviations wide"
    assert intervals(small(), metrics) == [f"{own}."]
    assert intervals(small(), metrics | beside) == [f"{own} (linear autoregression 100%, 51)."]
    assert intervals(small("forecast.coverage=0.975"), metrics)[0].startswith("97.5% intervals cover 91%")
    assert intervals(small(), OF_VALIDATION | beside) == []


def test_coverage_below_what_chance_explains_is_called_so() -> None:
    metrics = OF_VALIDATION | {"test/coverage": 0.7, "test/interval_width": 0.4, "test/coverage_floor": 0.714}
    words = "That is less than chance explains (71%): errors are larger than on validation data"
    [told] = intervals(small(), metrics)
    assert told.startswith(f"90% intervals cover 70% of test data, 0.4 standard deviations wide. {words}")
    assert "chance" not in intervals(small(), metrics | {"test/coverage": 0.715})[0]


@pytest.mark.parametrize(
    ("number", "heading"), [(3, "by series"), (30, "by series: the 10 worst of 30, all in by_series.csv")]
)
def test_the_worst_series_of_a_panel_are_told(number: int, heading: str) -> None:
    spent = {"time/train_seconds": 1.0, "cost/loss_evaluations": 7.0}
    scores = {f"test/{key}_scaled_mse": 0.3 for key in ("closed_loop", "naive", "linear")}
    by_series = [SeriesScores(f"shop {one}", 9 - one / 4, None, one / 40, "drift", 0.25) for one in range(number)]
    result = Result(False, 0.1, 3, spent | scores | OF_VALIDATION, {}, by_series)
    lines = summary(RunInfo([], {}, None, "name"), small(), result).splitlines()
    at = lines.index(heading)
    assert lines[at + 1].split() == ["scaled", "MSE", "covered", "best", "baseline's"]
    rows = lines[at + 2 : -1]
    assert [row.split()[:2] for row in rows] == [["shop", str(one)] for one in range(min(number, 10))]
    assert rows[1].split()[2:] == ["8.75", "2%", "0.25", "drift"]
    assert "| shop 1 | 8.75 | 2% | 0.25 | drift |" in description(small(), result)
    uncovered = replace(result, by_series=[replace(row, coverage=None) for row in by_series])
    assert "  shop 1                            8.75                        0.25  drift" in summary(
        RunInfo([], {}, None, "name"), small(), uncovered
    )
    assert "by series" not in summary(RunInfo([], {}, None, "name"), small(), Result(False, 0.1, 3, result.metrics))


def test_before_training_a_line_tells_of_too_few_windows_for_intervals() -> None:
    series = np.random.default_rng(0).normal(size=(1, 80, 2))
    few, enough = (shape_of(prepare(given(series, *asked))) for asked in (("forecast.coverage=0.95",), ()))
    assert few.endswith("; no 95% intervals, which take 19 validation origins")
    assert enough == few.partition("; no 95%")[0]


def test_of_series_that_train_alone_none_is_called_too_short() -> None:
    assert "too short" not in shape_of(prepared(*SMALL))


def test_without_an_interval_there_is_no_winner() -> None:
    words = "too few forecasts to tell chance from more."
    assert said(0.3, 0.4, gain=0.25) == f"Beside {BASELINE}, its error is 25% lower: {words}"
    assert said(0.6, 0.4, gain=-0.5) == f"Beside {BASELINE}, its error is 50% higher: {words}"
    assert said(0.6, 0.4, gain=-0.5, gain_low=math.nan, gain_high=math.nan).endswith(words)
    assert said(0.6, 0.4, gain=-0.5, gain_low=-9, gain_high=0.2).endswith(words), "an interval that tells nothing"
    assert not said(4e-6, 0.4, gain=1 - 1e-5, gain_low=1 - 1e-3, gain_high=1 - 1e-7).endswith(words)


def test_a_forecast_that_runs_away_beats_nothing() -> None:
    assert said(math.inf, 0.4, gain=-math.inf) == f"The network does not beat {BASELINE}: its forecast runs away."
    assert said(math.nan, 0.4).endswith("its forecast runs away.")


def test_a_diverged_run_says_what_is_kept_and_what_to_try() -> None:
    for epoch, kept in ((0, "its first weights are kept"), (7, "the weights of epoch 7 are kept")):
        words = verdict(small(), Result(True, math.nan, epoch))
        assert words.startswith("The run diverged")
        assert words.endswith(f"Try a lower optimizer.lr; {kept}.")


def test_what_can_t_be_compared_says_so() -> None:
    fitted = "Linear autoregression was fitted in closed form, by least squares."
    assert said(0.3, 0.3, "model=linear") == fitted
    untested = Result(False, 0.1, 3, dict(OF_VALIDATION))
    assert verdict(small(), untested) == "Not compared with the baselines, since there is no test part."


def test_autoregression_is_compared_where_another_baseline_is_best() -> None:
    """Not where it is the best one itself."""
    fitted = "Linear autoregression was fitted in closed form, by least squares."
    metrics = {"test/closed_loop_scaled_mse": 0.3, "val/linear_scaled_mse": 0.2, "val/drift_scaled_mse": 0.1}
    metrics |= {"test/drift_scaled_mse": 0.4, "test/gain": 0.25, "test/gain_low": 0.1, "test/gain_high": 0.4}
    words = verdict(small("model=linear"), Result(False, 0.2, 1, metrics))
    assert words == (
        f"{fitted} It beats drift, the best baseline on validation data: its error is 25% lower "
        "(95% interval: 10% lower to 40% lower)."
    )
    without_test = {key: value for key, value in metrics.items() if not key.startswith("test/")}
    assert verdict(small("model=linear"), Result(False, 0.2, 1, without_test)) == fitted


def test_the_best_baseline_is_chosen_on_validation_data() -> None:
    of_test = {"test/naive_scaled_mse": 0.1, "test/linear_scaled_mse": 0.2}
    assert best_baseline(of_test | OF_VALIDATION) == "linear"
    assert best_baseline({"val/naive_scaled_mse": 0.5, "val/seasonal_naive_scaled_mse": 0.5}) == "naive"
    assert best_baseline({"val/naive_scaled_mse": math.nan, "val/drift_scaled_mse": 7.0}) == "drift"


def test_a_table_shows_the_best_baseline_first() -> None:
    metrics = {"test/closed_loop_scaled_mse": 0.3, **{f"test/{key}_scaled_mse": 1.0 for key in BASELINES}}
    metrics |= {"val/drift_scaled_mse": 0.1, "val/naive_scaled_mse": 0.2}
    rows = score_rows(small(), Result(False, 0.1, 3, metrics))
    assert [name for name, _ in rows[:2]] == ["lstm (test)", "drift"]
    assert {name for name, _ in rows[1:]} == {*BASELINES.values()}


def test_without_a_test_part_the_score_is_that_of_all_validation_data() -> None:
    metrics = {"val/closed_loop_scaled_mse": 0.3, "val/kept_scaled_mse": 0.4}
    assert score_rows(small(), Result(False, 0.1, 3, metrics)) == [("lstm (validation)", 0.4)]


def test_digits_are_those_of_a_squared_error() -> None:
    assert digits(1e-7) == 7
    assert [digits(score) for score in (0.0, 7.89e-8, 0.5, 1.0, 30.0)] == [math.inf, 7.1, 0.3, 0, -1.48]
    assert digits(math.inf) == -math.inf
    assert math.isnan(digits(math.nan))
