"""What is said of a run that has ended."""

import math

import pytest

from tests.support.commands import small
from wavesweep.runs.description import digits, verdict
from wavesweep.runs.experiment import Result

LINEAR = "linear autoregression"
BEATEN = f"The network does not beat {LINEAR}"


@pytest.mark.parametrize(
    ("score", "linear", "said"),
    [
        (7.9e-8, 1.4e-24, "Linear autoregression is exact on these series, but for rounding. The network comes within "
         "7.1 digits: its squared error is 10^-7.1 of the variance."),
        (1.3, 1.4e-24, f"{BEATEN}, which is exact on these series, but for rounding."),
        (math.inf, 1.4e-24, f"{BEATEN}, which is exact on these series, but for rounding."),
        (math.nan, 1.4e-24, f"{BEATEN}, which is exact on these series, but for rounding."),
        (0.0, 0.0, f"{BEATEN}, which is exact on these series, but for rounding."),
        (1e-7, 1e-11, f"{BEATEN}."),
        (0.4, 0.3, f"{BEATEN}."),
        (0.2, 0.3, f"The network beats every baseline, of which {LINEAR} is the best."),
        (1e-15, 1e-13, f"The network beats every baseline, of which {LINEAR} is the best."),
    ],
)  # fmt: skip
def test_the_verdict_says_what_the_numbers_do(score: float, linear: float, said: str) -> None:
    baselines = {"test/linear_scaled_mse": linear, "test/seasonal_naive_scaled_mse": 0.5, "test/naive_scaled_mse": 2.0}
    result = Result(False, 0.1, 3, {"test/closed_loop_scaled_mse": score, **baselines})
    assert verdict(small(), result) == said


def test_digits_are_those_of_a_squared_error() -> None:
    assert digits(1e-7) == 7
    assert [digits(score) for score in (0.0, 7.89e-8, 0.5, 1.0, 30.0)] == [math.inf, 7.1, 0.3, 0, -1.48]
    assert digits(math.inf) == -math.inf
    assert math.isnan(digits(math.nan))
