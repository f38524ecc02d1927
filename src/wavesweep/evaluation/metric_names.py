"""The names of metrics, each once: they are written to files and to MLflow, and looked up there."""

from collections.abc import Mapping
from typing import Literal

OBJECTIVE = "objective"  # of the epoch that was kept: what a run returns
SKILL = "skill"  # of a sweep's winner, on validation data
DIGITS = "digits"  # in MLflow alone, of generated series: -log10 of the objective
TEST_DIGITS = "test/digits"  # likewise: -log10 of the scaled test error
TRAIN_LOSS = "train/loss"
TRAIN_SECONDS = "time/train_seconds"
LOSS_EVALUATIONS = "cost/loss_evaluations"
SHARE = "share/"  # before the name of a part of a network: what it has in the kept forecast

# Of a part: see `metric`.
ONE_STEP = "one_step_mse"
CLOSED_LOOP = "closed_loop_mse"
SCALED = "closed_loop_scaled_mse"
MAE = "closed_loop_scaled_mae"
MASE = "mase"
MAE_IN_UNITS = "mae"  # of a single target, in the units of the data
MAPE = "mape"  # as a share, of what is well above zero alone
KEPT_SCALED = "kept_scaled_mse"  # on validation data, of the kept epoch: of all forecasts, as baselines' are
GAIN = "gain"  # over the best baseline
GAIN_LOW = "gain_low"  # the bounds of its 95% interval
GAIN_HIGH = "gain_high"
COVERAGE = "coverage"  # of prediction intervals
COVERAGE_LEAST = "coverage_least"  # of a panel's series, that which is covered least
COVERAGE_FLOOR = "coverage_floor"  # below which it falls by chance in one case of a hundred at most
INTERVAL_WIDTH = "interval_width"
INTERVAL_SCORE = "interval_score"
QUANTILE_LOSS = "quantile_loss"  # of a network that is trained for quantiles, of its own
QUANTILE_SCORE = "quantile_score"  # of the quantiles that are asked for

Objective = Literal["val/closed_loop_scaled_mse", "val/closed_loop_mse", "val/one_step_mse"]
"""What a run can be judged by."""


def metric(part: str, score: str) -> str:
    """Return the name of a score on `train`, `val` or `test`."""
    return f"{part}/{score}"


def sampled(key: str) -> str:
    """Return the name of a validation metric where it is of a sample of the origins alone."""
    return key.replace("val/", "val/sampled_", 1)


def watched(key: str, record: Mapping[str, object]) -> str:
    """Return under which name the record of an epoch has a metric: of all origins, or of a sample."""
    return key if key in record else sampled(key)


def is_metric(key: str) -> bool:
    """Say whether a value of a record is a metric; the others say of which epoch it is, and at what cost."""
    return "/" in key or key in (OBJECTIVE, DIGITS, SKILL)


def log10(key: str) -> str:
    """Return the name of a parameter's logarithm, which MLflow's linear axes can show."""
    return f"log10 {key}"


def jobs(state: str) -> str:
    """Return the name of the number of a sweep's jobs in a state."""
    return f"jobs/{state}"


def baseline_score(name: str) -> str:
    """Return the name of a baseline's closed-loop score, without its part."""
    return f"{name}_scaled_mse"


def of_baseline(score: str) -> str:
    """Return the name of a score that the baseline has which is best on validation data, without its part."""
    return f"baseline_{score}"


def of_refit(score: str) -> str:
    """Return the name of a gain where it is that of fitting a linear forecast again, without its part."""
    return f"refit_{score}"
