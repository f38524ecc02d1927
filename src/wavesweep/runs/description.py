"""Descriptions of a run in words, for the terminal and for MLflow."""

import math
from typing import TYPE_CHECKING

from wavesweep.base.names import LOSS_EVALUATIONS, SCALED, TRAIN_SECONDS, baseline_score, metric
from wavesweep.config.config import Config
from wavesweep.runs.info import RunInfo

if TYPE_CHECKING:
    from wavesweep.models.scores import Metrics
    from wavesweep.runs.experiment import Result

BASELINES = {"linear": "linear autoregression", "seasonal_naive": "seasonal naive", "naive": "last value repeated"}
"""What people call the baselines."""

TEST_SCORE = metric("test", SCALED)
EXACT = 1e-12  # a scaled error below it is of rounding


def description(config: Config, result: "Result") -> str:
    """Return what is to be said of a run that has ended, in Markdown."""
    parts = [verdict(config, result)]
    if not result.diverged:
        rows = "\n".join(f"| {name} | {score:.3g} |" for name, score in score_rows(config, result.metrics))
        parts.append(f"| closed loop over {config.forecast.horizon} steps | scaled MSE |\n| --- | ---: |\n{rows}")
        parts.append(trained(result))
    return "\n\n".join(parts)


def verdict(config: Config, result: "Result") -> str:
    """Return a sentence on how good the forecast is."""
    if result.diverged:
        where = f"the weights of epoch {result.epoch} are kept" if result.epoch else "its first weights are kept"
        return f"The run diverged: its loss or its forecasts ceased to be finite. Try a lower optimizer.lr; {where}."
    if not config.model.has_gradient:
        return "Linear autoregression was fitted in closed form, by least squares."
    if TEST_SCORE not in result.metrics:
        return "Not compared with the baselines, since there is no test part."
    score = result.metrics[TEST_SCORE]
    best, name = min((_finite_or_inf(score), name) for name, score in _baselines(result.metrics))
    if score < best:
        return f"The network beats every baseline, of which {name} is the best."
    if best >= EXACT:
        return f"The network does not beat {name}."
    if score and digits(score) >= 1:
        return (
            f"{name.capitalize()} is exact on these series, but for rounding. The network comes within "
            f"{digits(score)} digits: its squared error is 10^-{digits(score)} of the variance."
        )
    return f"The network does not beat {name}, which is exact on these series, but for rounding."


def digits(score: float) -> float:
    """Return how many digits a scaled MSE lies below the variance: −log10 of it, to one decimal.

    They are digits of a squared error: a forecast with 7 of them has 3.5 right. 0 is a forecast of the mean, inf no
    error.
    """
    return round(-math.log10(score), 1) if score else math.inf


def trained(result: "Result") -> str:
    """Return a sentence on the cost of training and the epoch kept."""
    seconds, calls = result.metrics[TRAIN_SECONDS], result.metrics[LOSS_EVALUATIONS]
    return f"Trained in {seconds:.1f} s, {calls:.0f} loss evaluations; the weights of epoch {result.epoch} are kept."


def _finite_or_inf(score: float) -> float:
    return score if math.isfinite(score) else math.inf


def score_rows(config: Config, metrics: "Metrics") -> list[tuple[str, float]]:
    """Return the closed-loop scores, the run's own first: on test data, else on validation data."""
    if TEST_SCORE not in metrics:
        return [(f"{config.model.kind} (validation)", metrics[metric("val", SCALED)])]
    own = (f"{config.model.kind} (test)", metrics[TEST_SCORE])
    return [own, *_baselines(metrics)]


def _baselines(metrics: "Metrics") -> list[tuple[str, float]]:
    return [(name, metrics[metric("test", baseline_score(key))]) for key, name in BASELINES.items()]


def summary(info: RunInfo, config: Config, result: "Result") -> str:
    """Return the end of a run for the terminal: scores beside the baselines', and the verdict."""
    if result.diverged:
        return f"{info.name}\n{verdict(config, result)}"
    lines = [info.name, f"closed loop, scaled MSE over horizon {config.forecast.horizon}"]
    lines += [f"  {name:<26}{score:>10.3g}" for name, score in score_rows(config, result.metrics)]
    return "\n".join([*lines, verdict(config, result), trained(result)])
