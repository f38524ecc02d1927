"""Descriptions of a run in words, for the terminal and for MLflow."""

import math
import re
from collections.abc import Collection, Iterable
from pathlib import PurePath
from textwrap import fill
from typing import TYPE_CHECKING

from wavesweep.base.keys import last_parts
from wavesweep.config.config import MOST_NAME, Config
from wavesweep.config.naming import in_short
from wavesweep.config.tag_names import BASED_ON
from wavesweep.models.metric_names import (
    COVERAGE,
    GAIN,
    GAIN_HIGH,
    GAIN_LOW,
    INTERVAL_WIDTH,
    KEPT_SCALED,
    LOSS_EVALUATIONS,
    SCALED,
    TRAIN_SECONDS,
    baseline_score,
    metric,
    of_baseline,
)
from wavesweep.runs.info import RunInfo

if TYPE_CHECKING:
    from wavesweep.models.scores import Metrics
    from wavesweep.runs.experiment import Result

BASELINES = {
    "linear": "linear autoregression",
    "smoothing": "exponential smoothing",
    "naive": "last value repeated",
    "seasonal_naive": "seasonal naive",
    "line": "straight line",
    "drift": "drift",
}
"""What people call the baselines. Of equal ones the first counts: without a season, the seasonal naive is the naive."""

TEST_SCORE = metric("test", SCALED)
EXACT = 1e-12  # a scaled error below it is of rounding


def description(config: Config, result: "Result") -> str:
    """Return what is to be said of a run that has ended, in Markdown."""
    parts = [verdict(config, result)]
    if not result.diverged:
        rows = "\n".join(f"| {name} | {score:.3g} |" for name, score in score_rows(config, result.metrics))
        parts.append(f"| closed loop over {config.forecast.horizon} steps | scaled MSE |\n| --- | ---: |\n{rows}")
        parts += [*intervals(config, result.metrics), trained(result)]
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
    score, key = result.metrics[TEST_SCORE], best_baseline(result.metrics)
    name, best = BASELINES[key], result.metrics[metric("test", baseline_score(key))]
    if not result.epoch and key == "linear":
        return (
            f"No epoch was better than {name} beyond noise, on validation data, so this run forecasts by that alone: "
            "model=linear does the same."
        )
    if best >= EXACT:
        return _compared(result.metrics, name, score, best)
    if score < best:
        return f"The network beats {name}, the best baseline, though that is exact, but for rounding."
    if score and digits(score) >= 1:
        return (
            f"{name.capitalize()} is exact on these series, but for rounding. The network comes within "
            f"{digits(score):.1f} digits: its squared error is 10^-{digits(score):.1f} of the variance."
        )
    return f"The network does not beat {name}, which is exact on these series, but for rounding."


def best_baseline(metrics: "Metrics") -> str:
    """Return the key of the baseline that is best on validation data; of older runs without its scores, on test."""
    part = "val" if metric("val", baseline_score("naive")) in metrics else "test"
    scores = {key: _finite_or_inf(metrics.get(metric(part, baseline_score(key)), math.inf)) for key in BASELINES}
    return min(scores, key=scores.__getitem__)


def _compared(metrics: "Metrics", name: str, score: float, best: float) -> str:
    """Return a sentence on how much better or worse than the best baseline the network is, beyond chance or not."""
    gain = metrics.get(metric("test", GAIN), 1 - score / best)
    low, high = (metrics.get(metric("test", bound), math.nan) for bound in (GAIN_LOW, GAIN_HIGH))
    if not math.isfinite(gain):
        return f"The network does not beat {name}, the best baseline on validation data: its forecast runs away."
    if not low <= high or (low <= 0 <= high and 1 - low > 10 * (1 - high)):
        than, tells = f"its error is {_share(gain)}", "too few forecasts to tell chance from more"
        return f"Beside {name}, the best baseline on validation data, {than}: {tells}."
    verb = "beats" if low > 0 else "does not beat" if high < 0 else "can't be told from"
    interval = f"95% interval: {_share(low)} to {_share(high)}"
    other, least = min(_baselines(metrics), key=lambda pair: pair[1])
    still = f" On test data, {other} errs less still: {least:.3g}." if low > 0 and least < score else ""
    than = f"its error is {_share(gain)} ({interval})"
    return f"The network {verb} {name}, the best baseline on validation data: {than}.{still}"


def _share(gain: float) -> str:
    """Return by how much an error is lower or higher than another, given by which share of that it is lower."""
    if gain < -1:
        return f"{1 - gain:.3g} times as high"
    if gain > 0.995:
        return f"{1 / max(1 - gain, 1e-99):.3g} times lower"
    if abs(gain) < 1e-6:
        return "as high"
    share = f"{abs(gain):.0%}" if abs(gain) >= 0.005 else f"{100 * abs(gain):.1g}%"
    return f"{share} {'lower' if gain > 0 else 'higher'}"


def digits(score: float) -> float:
    """Return how many digits a scaled MSE lies below the variance: −log10 of it, to two decimals.

    They are digits of a squared error: a forecast with 7 of them has 3.5 right. 0 is a forecast of the mean, inf no
    error.
    """
    return round(-math.log10(score), 2) if score else math.inf


def trained(result: "Result") -> str:
    """Return a sentence on the cost of training and the epoch kept."""
    seconds, calls = result.metrics[TRAIN_SECONDS], result.metrics[LOSS_EVALUATIONS]
    kept = f"epoch {result.epoch}" if result.epoch else "the start, linear autoregression,"
    return f"Trained in {seconds:.1f} s, {calls:.0f} loss evaluations; the weights of {kept} are kept."


def intervals(config: Config, metrics: "Metrics") -> list[str]:
    """Return a sentence on how intervals do on test data, beside those of the best baseline; none without any."""
    own, theirs = (
        [metrics.get(metric("test", name(score)), math.nan) for score in (COVERAGE, INTERVAL_WIDTH)]
        for name in (str, of_baseline)
    )
    if math.isnan(own[0]):
        return []
    beside = f" ({BASELINES[best_baseline(metrics)]} {theirs[0]:.0%}, {theirs[1]:.2g})" if theirs[0] >= 0 else ""
    name = f"{config.forecast.interval}s cover"
    return [f"{name} {own[0]:.0%} of test data, {own[1]:.2g} standard deviations wide{beside}."]


def _finite_or_inf(score: float) -> float:
    return score if math.isfinite(score) else math.inf


def score_rows(config: Config, metrics: "Metrics") -> list[tuple[str, float]]:
    """Return the closed-loop scores, the run's own first: on test data, else on validation data."""
    if TEST_SCORE not in metrics:
        last = metrics[metric("val", SCALED)]  # of older runs, on all validation data too
        return [(f"{config.model.kind} (validation)", metrics.get(metric("val", KEPT_SCALED), last))]
    own = (f"{config.model.kind} (test)", metrics[TEST_SCORE])
    return [own, *_baselines(metrics)]


def _baselines(metrics: "Metrics") -> list[tuple[str, float]]:
    """Return the test scores of the baselines, that first which is best on validation data."""
    found = {key: metrics[name] for key in BASELINES if (name := metric("test", baseline_score(key))) in metrics}
    best = best_baseline(metrics)
    return [(BASELINES[key], found[key]) for key in sorted(found, key=lambda key: key != best)]


def summary(info: RunInfo, config: Config, result: "Result") -> str:
    """Return the end of a run for the terminal: scores beside the baselines', and the verdict."""
    if result.diverged:
        return f"{info.name}\n{verdict(config, result)}"
    lines = [info.name, f"closed loop, scaled MSE over horizon {config.forecast.horizon}"]
    notes = {BASELINES[key]: note for key, note in result.notes.items()}
    lines += [
        _in_a_line(f"  {name:<26}{score:>10.3g}  {notes.get(name, '')}".rstrip())
        for name, score in score_rows(config, result.metrics)
    ]
    sentences = [verdict(config, result), *intervals(config, result.metrics), trained(result)]
    return "\n".join([*lines, *(fill(sentence, COLUMNS) for sentence in sentences)])


COLUMNS = 100  # of a terminal


def _in_a_line(text: str) -> str:
    return text if len(text) <= COLUMNS else f"{text[: COLUMNS - 1]}…"


MOST_NOTE = 8_000  # characters, after which MLflow would cut within a word


def as_note(texts: Iterable[str]) -> str:
    """Return Markdown that MLflow shows whole: texts, less those of their paragraphs that make it too long."""
    note = ""
    for paragraph in "\n\n".join(texts).split("\n\n"):
        longer = f"{note}\n\n{paragraph}".strip()
        note = longer if len(longer) <= MOST_NOTE else note
    return note


def run_name(overrides: Iterable[str], groups: Collection[str], begin: int | str = "") -> str:
    """Return the name of a run that tells it from others.

    Args:
        overrides: What it does not share with them, as typed.
        groups: The names of config groups.
        begin: The number of a trial, or the run or file that is varied.
    """
    name = " ".join([*filter(None, [str(begin)]), *in_short(overrides, groups)]) or "defaults"
    return _cut(re.sub(r" seed=(\S+)$", r" s=\1", name))


def sweep_name(keys: Collection[str], origin: str) -> str:
    """Return the name of a sweep, given what varies, and the run that it varies; a sweep may grow, its name stays."""
    varied = " × ".join(sorted(last_parts(keys).values(), key="seed".__eq__)) or "nothing"
    begin = f"sweep around {origin}:" if origin else "sweep of"
    return _cut(f"{begin} {varied}")


def _cut(name: str) -> str:
    return name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…"


def origin_name(place: str) -> str:
    """Return what tells a stored run from others in a few characters, given its directory, MLflow's id, or its file."""
    path = PurePath(place)
    around = f"{origin_name(str(path.parent))}/" if path.name.isdecimal() and path.parent.name else ""  # of a sweep
    stamped = re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_(\w+)", path.name)
    return around + (stamped[1] if stamped else path.name[:4] if re.fullmatch("[0-9a-f]{32}", place) else path.name)


def configuration(info: RunInfo) -> str:
    """Return in words what replicates share: what was overridden, seed aside; in a sweep, what varies stands first."""
    typed = info.overrides if info.sweep_id else sorted(info.overrides, key=lambda text: text.partition("=")[0])
    words = in_short((text for text in typed if not re.match(r"\+*seed=", text)), info.choices, num_digits=6)
    return " ".join([*filter(None, [origin_name(info.tags.get(BASED_ON, ""))]), *words]) or "defaults"
