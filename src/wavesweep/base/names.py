"""The names of metrics and of tags, each once: they are written to files and to MLflow, and looked up there."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

OBJECTIVE = "objective"  # of the epoch that was kept: what a run returns
SKILL = "skill"  # of a sweep's winner, on validation data
TRAIN_LOSS = "train/loss"
ONE_STEP, CLOSED_LOOP, SCALED = "one_step_mse", "closed_loop_mse", "closed_loop_scaled_mse"
DIGITS, TEST_DIGITS = "digits", "test/digits"  # in MLflow alone: -log10 of the objective, and of the scaled test error
MAE, MASE = "closed_loop_scaled_mae", "mase"
KEPT_SCALED = "kept_scaled_mse"  # on validation data, of the kept epoch: of all forecasts, as baselines' are
GAIN, GAIN_LOW, GAIN_HIGH = "gain", "gain_low", "gain_high"  # over the best baseline, with its 95% interval
COVERAGE, INTERVAL_WIDTH, INTERVAL_SCORE = "coverage", "interval_width", "interval_score"  # of prediction intervals
TRAIN_SECONDS, LOSS_EVALUATIONS = "time/train_seconds", "cost/loss_evaluations"
Objective = Literal["val/closed_loop_scaled_mse", "val/closed_loop_mse", "val/one_step_mse"]
"""What a run can be judged by."""

OWN = "wavesweep."  # how tags begin, also of what a sweep varies
RUN_KEY, STATUS = "wavesweep.run_key", "wavesweep.status"
REOPENED = "wavesweep.reopened"  # how often a sweep that had ended went on
CONFIG_HASH, SWEEP_ID = "wavesweep.config_hash", "wavesweep.sweep_id"
CONFIGURATION = "wavesweep.configuration"
KEPT_EPOCH, WEIGHTS_DIGEST = "wavesweep.kept_epoch", "wavesweep.weights_digest"
VERSIONS, PLATFORM, PROCESSOR = "wavesweep.versions", "wavesweep.platform", "wavesweep.processor"
SOURCE_DIGEST, LOCAL_CHANGES = "wavesweep.source_digest", "wavesweep.local_changes"
COMMIT = "mlflow.source.git.commit"
REPRODUCES, BASED_ON = "wavesweep.reproduces", "wavesweep.based_on"


def metric(part: str, score: str) -> str:
    """Return the name of a score on `train`, `val` or `test`."""
    return f"{part}/{score}"


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


def last_parts(keys: Collection[str]) -> dict[str, str]:
    """Return by dotted keys as many of their last parts as tell each from the others, and from the run's seed."""
    ends = {key: _ends(key) for key in keys}
    counts = Counter(["seed", *(end for some in ends.values() for end in some)])
    return {key: next((end for end in some if counts[end] == 1), key) for key, some in ends.items()}


def _ends(key: str) -> list[str]:
    """Return the last part of a key, the last two, … up to the whole; its sign stays before it."""
    parts, sign = key.lstrip("~").split("."), "~" if key.startswith("~") else ""
    return [sign + ".".join(parts[start:]) for start in reversed(range(len(parts)))]


def columns_of(channels: Sequence[str], *, bounds: bool) -> list[tuple[str, ...]]:
    """Return the columns of each channel in tables of forecasts: its name, and those of the bounds of its interval.

    They are NAME_lower and NAME_upper, with as many underscores as no channel has.
    """
    if not bounds:
        return [(channel,) for channel in channels]
    gap = "_"
    while any(f"{channel}{gap}{bound}" in channels for channel in channels for bound in ("lower", "upper")):
        gap += "_"
    return [(channel, f"{channel}{gap}lower", f"{channel}{gap}upper") for channel in channels]
