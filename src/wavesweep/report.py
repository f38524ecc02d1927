"""What a run says of itself in words: on the terminal, and in its MLflow description."""

import math
import shlex
from typing import TYPE_CHECKING

from wavesweep.config import Config
from wavesweep.rundir import RunInfo

if TYPE_CHECKING:
    from wavesweep.experiment import Metrics, Result

BASELINES = {
    "test/linear_scaled_mse": "linear autoregression",
    "test/seasonal_naive_scaled_mse": "seasonal naive",
    "test/naive_scaled_mse": "last value repeated",
}


def command(info: RunInfo) -> str:
    """Return the command that started the run."""
    return shlex.join(["wavesweep", *info.overrides])


def description(info: RunInfo, config: Config | None = None, result: "Result | None" = None) -> str:
    """Return the run's description, in Markdown; without a result, what is known at its start."""
    text = f"```\n{command(info)}\n```\n"
    if config is None or result is None:
        return text
    text += f"\n{verdict(config, result)}\n"
    if not result.diverged:
        rows = "\n".join(f"| {name} | {score:.3g} |" for name, score in score_rows(config, result.metrics))
        text += f"\n| closed loop over {config.forecast.horizon} steps | scaled MSE |\n| --- | --- |\n{rows}\n"
    return text


def verdict(config: Config, result: "Result") -> str:
    """Say in a sentence how good the forecast is."""
    if result.diverged:
        where = f"the weights of epoch {result.epoch} are kept" if result.epoch else "its first weights are kept"
        return f"The run diverged: its loss or its forecasts ceased to be finite. Try a lower optimizer.lr; {where}."
    kept = f"The weights of epoch {result.epoch} are kept."
    if config.model.kind == "linear" or "test/closed_loop_scaled_mse" not in result.metrics:
        return kept
    score = result.metrics["test/closed_loop_scaled_mse"]
    best, name = min((_finite_or_inf(result.metrics[key]), name) for key, name in BASELINES.items())
    if score < best:
        return f"The network beats every baseline, of which {name} is the best. {kept}"
    return f"The network does not beat {name}. {kept}"


def _finite_or_inf(score: float) -> float:
    return score if math.isfinite(score) else math.inf


def score_rows(config: Config, metrics: "Metrics") -> list[tuple[str, float]]:
    """Return the closed-loop scores, the run's own first: on test data, else on validation data."""
    if "test/closed_loop_scaled_mse" not in metrics:
        return [(f"{config.model.kind} (validation)", metrics["val/closed_loop_scaled_mse"])]
    own = (f"{config.model.kind} (test)", metrics["test/closed_loop_scaled_mse"])
    return [own, *((name, metrics[key]) for key, name in BASELINES.items())]


def summary(info: RunInfo, config: Config, result: "Result") -> str:
    """Return the end of a run for the terminal: scores beside the baselines', and the verdict."""
    if result.diverged:
        return f"{info.name}\n{verdict(config, result)}"
    lines = [info.name, f"closed loop, scaled MSE over horizon {config.forecast.horizon}"]
    lines += [f"  {name:<26}{score:>10.3g}" for name, score in score_rows(config, result.metrics)]
    seconds = result.metrics["time/train_seconds"]
    return "\n".join([*lines, f"{verdict(config, result)} Trained in {seconds:.1f} s."])
