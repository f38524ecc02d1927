"""What a run says of itself in words: on the terminal, and in its MLflow description."""

import math
import shlex

from wavesweep.config import Config
from wavesweep.results import Metrics, Result
from wavesweep.rundir import RunInfo

BASELINES = {
    "test/linear_scaled_mse": "linear autoregression",
    "test/seasonal_naive_scaled_mse": "seasonal naive",
    "test/naive_scaled_mse": "last value repeated",
}


def command(info: RunInfo) -> str:
    """Return the command that makes the run again."""
    flags = ["--config-dir", info.config_dir] if info.config_dir else []
    return shlex.join(["wavesweep", *flags, *info.overrides])


def description(info: RunInfo, config: Config | None = None, result: Result | None = None) -> str:
    """Return the run's description, in Markdown; without a result, what is known at its start."""
    again = f"`{command(info)}` runs it again; `config.yaml` among the artifacts holds every value."
    if config is None or result is None:
        return again
    parts = [verdict(config, result), again]
    if not result.diverged:
        rows = "\n".join(f"| {name} | {score:.3g} |" for name, score in score_rows(config, result.metrics))
        parts.append(f"| closed loop over {config.forecast.horizon} steps | scaled MSE |\n| --- | ---: |\n{rows}")
        parts.append(trained(result))
    return "\n\n".join(parts)


def verdict(config: Config, result: Result) -> str:
    """Say in a sentence how good the forecast is."""
    if result.diverged:
        where = f"the weights of epoch {result.epoch} are kept" if result.epoch else "its first weights are kept"
        return f"The run diverged: its loss or its forecasts ceased to be finite. Try a lower optimizer.lr; {where}."
    if config.model.kind == "linear":
        return "Linear autoregression was fitted in closed form, by least squares."
    if "test/closed_loop_scaled_mse" not in result.metrics:
        return "Not compared with the baselines, since there is no test part."
    score = result.metrics["test/closed_loop_scaled_mse"]
    best, name = min((_finite_or_inf(result.metrics[key]), name) for key, name in BASELINES.items())
    if score < best:
        return f"The network beats every baseline, of which {name} is the best."
    return f"The network does not beat {name}."


def trained(result: Result) -> str:
    """Say what the training took and gave."""
    seconds, calls = result.metrics["time/train_seconds"], result.metrics["cost/loss_evaluations"]
    return f"Trained in {seconds:.1f} s, {calls:.0f} loss evaluations; the weights of epoch {result.epoch} are kept."


def _finite_or_inf(score: float) -> float:
    return score if math.isfinite(score) else math.inf


def score_rows(config: Config, metrics: Metrics) -> list[tuple[str, float]]:
    """Return the closed-loop scores, the run's own first: on test data, else on validation data."""
    if "test/closed_loop_scaled_mse" not in metrics:
        return [(f"{config.model.kind} (validation)", metrics["val/closed_loop_scaled_mse"])]
    own = (f"{config.model.kind} (test)", metrics["test/closed_loop_scaled_mse"])
    return [own, *((name, metrics[key]) for key, name in BASELINES.items())]


def summary(info: RunInfo, config: Config, result: Result) -> str:
    """Return the end of a run for the terminal: scores beside the baselines', and the verdict."""
    if result.diverged:
        return f"{info.name}\n{verdict(config, result)}"
    lines = [info.name, f"closed loop, scaled MSE over horizon {config.forecast.horizon}"]
    lines += [f"  {name:<26}{score:>10.3g}" for name, score in score_rows(config, result.metrics)]
    return "\n".join([*lines, verdict(config, result), trained(result)])
