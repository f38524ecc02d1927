"""Descriptions of a run in words, for the terminal and for MLflow."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePath
from textwrap import fill
from typing import TYPE_CHECKING

from hydra_queue_sweeper.base.counting import counted
from hydra_queue_sweeper.base.keys import last_parts
from wavesweep.config.config import MOST_NAME, Resolved
from wavesweep.config.naming import in_short
from wavesweep.config.tag_names import BASED_ON
from wavesweep.evaluation import metric_names as names
from wavesweep.evaluation.metric_names import baseline_score, metric, of_baseline
from wavesweep.experiment.joined import joined
from wavesweep.experiment.result import Result, best_baseline
from wavesweep.models.baseline_names import BASELINES, EXACT

if TYPE_CHECKING:
    from wavesweep.evaluation.by_series import SeriesScores
    from wavesweep.evaluation.in_units import InUnits
    from wavesweep.workspace.info import RunInfo

Metrics = Mapping[str, float]
TEST_SCORE = metric("test", names.SCALED)
GAINS = (names.GAIN, names.GAIN_LOW, names.GAIN_HIGH)
COLUMNS = 100  # of a terminal
MOST_TARGETS = 5  # whose errors are told in their units
MOST_SERIES = 10  # which are told of one by one


def description(config: Resolved, result: Result) -> str:
    """Return what is to be said of a run that has ended, in Markdown."""
    parts = [verdict(config, result)]
    if not result.diverged:
        rows = "\n".join(f"| {name} | {score:.3g} |" for name, score in score_rows(config, result))
        parts.append(f"| closed loop over {config.forecast.horizon} steps | scaled MSE |\n| --- | ---: |\n{rows}")
        parts += [*_joined(config, result), *in_units(config, result)]
        parts += [*intervals(config, result.metrics), *refit(config, result)]
        if result.by_series:
            head = f"| series{_how_many(result)} | scaled MSE | covered | best baseline's | |"
            rows = "\n".join(f"| {' | '.join(_cells(row))} |" for row in result.by_series[:MOST_SERIES])
            parts.append(f"{head}\n| --- | ---: | ---: | ---: | --- |\n{rows}")
        parts.append(trained(config, result))
    return "\n\n".join(parts)


def verdict(config: Resolved, result: Result) -> str:
    """Return in a sentence or two how good the forecast is, and by what it is, where that is not the network."""
    if result.diverged:
        where = f"the weights of epoch {result.epoch} are kept" if result.epoch else "its first weights are kept"
        return f"The run diverged: its loss or its forecasts ceased to be finite. Try a lower optimizer.lr; {where}."
    forecaster = config.model.forecasts_by(result.epoch)
    if not config.model.has_gradient:
        fitted = f"{forecaster.capitalize()} was fitted in closed form, by least squares."
        if TEST_SCORE not in result.metrics or BASELINES[best_baseline(result.metrics)] == forecaster:
            return fitted
        return f"{fitted} {_beside_best('It', result.metrics)}"
    if TEST_SCORE not in result.metrics:
        return "Not compared with the baselines, since there is no test part."
    if result.epoch:
        return _beside_best("The network", result.metrics)
    better = f"No epoch was better than {forecaster} beyond noise, on validation data"
    told = f"{better}, so this run forecasts by that alone"
    if forecaster == BASELINES["linear"]:
        told += ": model=linear does the same"
    if forecaster == BASELINES[best_baseline(result.metrics)]:
        return f"{told}."
    return f"{told}. {_beside_best(forecaster.capitalize(), result.metrics)}"


def _beside_best(forecaster: str, metrics: Metrics) -> str:
    """Return a sentence on how what forecasts does beside the best baseline; it begins with `forecaster`, or nearly."""
    key = best_baseline(metrics)
    name = BASELINES[key]
    score = metrics[TEST_SCORE]
    best = metrics[metric("test", baseline_score(key))]
    if best >= EXACT:
        return _compared(forecaster, metrics, name, score)
    if score < best:
        return f"{forecaster} beats {name}, the best baseline, though that is exact, but for rounding."
    if score and digits(score) >= 1:
        return (
            f"{name.capitalize()} is exact on these series, but for rounding. {forecaster} comes within "
            f"{digits(score):.1f} digits: its squared error is 10^-{digits(score):.1f} of the variance."
        )
    return f"{forecaster} does not beat {name}, which is exact on these series, but for rounding."


def _compared(forecaster: str, metrics: Metrics, name: str, score: float) -> str:
    """Return a sentence on how much better or worse than the best baseline a forecast is, beyond chance or not."""
    gain, low, high = (metrics.get(metric("test", key), math.nan) for key in GAINS)
    than = f"{name}, the best baseline on validation data"
    if not math.isfinite(gain):
        return f"{forecaster} does not beat {than}: its forecast runs away."
    if not low <= high or (low <= 0 <= high and 1 - low > 10 * (1 - high)):
        return f"Beside {than}, its error is {_share(gain)}: too few forecasts to tell chance from more."
    found = f"its error is {_share(gain)} (95% interval: {_share(low)} to {_share(high)})"
    if low <= 0 <= high:
        return f"{forecaster} can't be told from {than}: {found}."
    if high < 0:
        return f"{forecaster} does not beat {than}: {found}."
    told = f"{forecaster} beats {than}: {found}."
    other, least = min(_baselines(metrics), key=lambda pair: pair[1])
    return f"{told} On test data, {other} errs less still: {least:.3g}." if least < score else told


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


def trained(config: Resolved, result: Result) -> str:
    """Return a sentence on the cost of training and the epoch kept."""
    seconds, calls = result.metrics[names.TRAIN_SECONDS], result.metrics[names.LOSS_EVALUATIONS]
    if not config.model.has_gradient:
        return f"Fitted in {seconds:.1f} s."
    kept = f"epoch {result.epoch}" if result.epoch else f"the start, {config.model.forecasts_by(0)},"
    return f"Trained in {seconds:.1f} s, {calls:.0f} loss evaluations; the weights of {kept} are kept."


def in_units(config: Resolved, result: Result) -> list[str]:
    """Return a sentence for each of the first targets on how far forecasts lie from the truth, in its units."""
    baseline = BASELINES[best_baseline(result.metrics)]
    told = []
    for name, (own, theirs) in [*result.in_units.items()][:MOST_TARGETS]:
        beside = "" if baseline == config.model.forecasts_by(result.epoch) else f" ({baseline} {_off_by(theirs)})"
        told.append(f"On average, forecasts of {_cut(name, 40)} are off by {_off_by(own)}{beside}.")
    left_out = len(result.in_units) - len(told)
    return [*told, f"{counted(left_out, 'further target')} left out here."] if left_out else told


def _off_by(error: "InUnits") -> str:
    """Return an error in the units of the data and, where that says something, in percent."""
    absolute = f"{error.absolute:,.0f}" if error.absolute >= 1000 else f"{error.absolute:.3g}"
    return absolute if error.share is None else f"{absolute}, {100 * error.share:.2g}%"


def _joined(config: Resolved, result: Result) -> list[str]:
    return joined(config.model.forecasts_by(0), result.metrics)


def intervals(config: Resolved, metrics: Metrics) -> list[str]:
    """Return a sentence on how intervals do on test data, beside those of the best baseline; none without any."""
    covered = metrics.get(metric("test", names.COVERAGE), math.nan)
    if math.isnan(covered):
        return []
    width = metrics[metric("test", names.INTERVAL_WIDTH)]
    told = f"{config.forecast.interval}s cover {covered:.0%} of test data, {width:.2g} standard deviations wide"
    theirs = metrics.get(metric("test", of_baseline(names.COVERAGE)), math.nan)
    if not math.isnan(theirs):
        width = metrics[metric("test", of_baseline(names.INTERVAL_WIDTH))]
        told += f" ({BASELINES[best_baseline(metrics)]} {theirs:.0%}, {width:.2g})"
    told += "."
    lowest = metrics.get(metric("test", names.COVERAGE_FLOOR), math.nan)
    if covered < lowest:
        told += (
            f" That is less than chance explains ({lowest:.0%}): errors are larger than on validation data, as where "
            "a level moves, which intervals can't know."
        )
    return [told]


def refit(config: Resolved, result: Result) -> list[str]:
    """Return a sentence on what fitting a linear forecast again has changed; none where that was not asked for."""
    if config.forecast.refit == "none":
        return []
    if not config.model.is_linear(result.epoch):
        return ["The network was not fitted again, to validation data too: forecast.refit is for linear forecasts."]
    gain, low, high = (result.metrics.get(metric("test", names.of_refit(key)), math.nan) for key in GAINS)
    if math.isnan(gain):
        return ["Once it was chosen, it was fitted again, to validation data too."]
    told = f"Once it was chosen, it was fitted again, to validation data too: its error on test data is {_share(gain)}"
    if low <= high:
        told += f" by that (95% interval: {_share(low)} to {_share(high)})"
    return [f"{told}."]


def _cells(row: "SeriesScores") -> tuple[str, str, str, str, str]:
    """Return how a series of a panel is forecast, as tables show it."""
    covered = "" if row.coverage is None else f"{row.coverage:.0%}"
    return row.series, f"{row.scaled_mse:.3g}", covered, f"{row.best_baseline_scaled_mse:.3g}", row.best_baseline


def _how_many(result: Result) -> str:
    """Return in words which of a panel's series are told of; nothing where all are."""
    number = len(result.by_series)
    return f": the {MOST_SERIES} worst of {number}, all in by_series.csv" if number > MOST_SERIES else ""


def score_rows(config: Resolved, result: Result) -> list[tuple[str, float]]:
    """Return the closed-loop scores, the run's own first: on test data, else on validation data."""
    forecaster, metrics = config.model.forecasts_by(result.epoch), result.metrics
    if TEST_SCORE not in metrics:
        return [(f"{forecaster} (validation)", metrics[metric("val", names.KEPT_SCALED)])]
    own = (f"{forecaster} (test)", metrics[TEST_SCORE])
    return [own, *_baselines(metrics)]


def _baselines(metrics: Metrics) -> list[tuple[str, float]]:
    """Return the test scores of the baselines, that first which is best on validation data."""
    best = best_baseline(metrics)
    keys = [best, *(key for key in BASELINES if key != best)]
    return [(BASELINES[key], metrics[name]) for key in keys if (name := metric("test", baseline_score(key))) in metrics]


def summary(info: "RunInfo", config: Resolved, result: Result) -> str:
    """Return the end of a run for the terminal: scores beside the baselines', and the verdict."""
    if result.diverged:
        return f"{info.name}\n{verdict(config, result)}"
    lines = [info.name, f"closed loop, scaled MSE over horizon {config.forecast.horizon}"]
    notes = {BASELINES[key]: note for key, note in result.notes.items()}
    lines += [
        _cut(f"  {name:<28}{score:>10.3g}  {notes.get(name, '')}".rstrip(), COLUMNS)
        for name, score in score_rows(config, result)
    ]
    told = [verdict(config, result), *_joined(config, result), *in_units(config, result)]
    told += [*intervals(config, result.metrics), *refit(config, result)]
    lines += [fill(sentence, COLUMNS) for sentence in told]
    if result.by_series:
        lines.append(f"by series{_how_many(result)}")
        head = ("", "scaled MSE", "covered", "best baseline's", "")
        for name, own, covered, theirs, best in (head, *map(_cells, result.by_series[:MOST_SERIES])):
            lines.append(f"  {_cut(name, 28):<28}{own:>10}{covered:>10}{theirs:>18}  {best}".rstrip())
    lines.append(fill(trained(config, result), COLUMNS))
    return "\n".join(lines)


def run_name(overrides: Iterable[str], groups: Collection[str], begin: int | str = "") -> str:
    """Return the name of a run that tells it from others.

    Args:
        overrides: What it does not share with them, as typed.
        groups: The names of config groups.
        begin: The number of a trial, or the run or file that is varied.
    """
    name = " ".join([*filter(None, [str(begin)]), *in_short(overrides, groups)]) or "defaults"
    return _cut(re.sub(r" seed=(\S+)$", r" s=\1", name), MOST_NAME)


def sweep_name(keys: Collection[str], origin: str) -> str:
    """Return the name of a sweep, given what varies, and the run that it varies; a sweep may grow, its name stays."""
    varied = " × ".join(sorted(last_parts(keys).values(), key="seed".__eq__)) or "nothing"
    begin = f"sweep around {origin}:" if origin else "sweep of"
    return _cut(f"{begin} {varied}", MOST_NAME)


def _cut(text: str, most: int) -> str:
    """Return a text, of one that is longer than so many characters its beginning."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def origin_name(place: str) -> str:
    """Return what tells a stored run from others in a few characters, given its directory, MLflow's id, or its file."""
    path = PurePath(place)
    if path.name.isdecimal() and path.parent.name:  # a job of a sweep
        return f"{origin_name(str(path.parent))}/{path.name}"
    if stamped := re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_(\w+)", path.name):
        return stamped[1]
    return path.name[:4] if re.fullmatch("[0-9a-f]{32}", place) else path.name


def configuration(info: "RunInfo") -> str:
    """Return in words what replicates share: what was overridden, seed aside; in a sweep, what varies stands first."""
    typed = info.overrides if info.sweep_id else sorted(info.overrides, key=lambda text: text.partition("=")[0])
    words = in_short((text for text in typed if not re.match(r"\+*seed=", text)), info.choices, num_digits=6)
    return " ".join([*filter(None, [origin_name(info.tags.get(BASED_ON, ""))]), *words]) or "defaults"
