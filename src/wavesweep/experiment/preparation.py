"""Preparing a run: its data loaded, and its configuration resolved."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hydra_queue_sweeper.base.errors import Refused
from wavesweep.config.config import Config, Resolved
from wavesweep.config.device import find_device
from wavesweep.config.resolve import outline, resolve
from wavesweep.data.data import Data
from wavesweep.evaluation.intervals import fewest_windows


@dataclass(frozen=True)
class Prepared:
    """A configuration that can be run, with its data.

    Attributes:
        config: With each `null` and `auto` replaced by what will be used.
        data: Its parts.
        composed: The configuration as it was written.
        decided: What the model has decided by the data, in a line; empty where nothing was open.
    """

    config: Resolved
    data: Data
    composed: Config
    decided: str


def prepare(composed: Config, check: Callable[[], object] = lambda: None) -> Prepared:
    """Load the data of a configuration and resolve it: everything that can refuse it, the cheapest first.

    Args:
        composed: As it was written, or resolved before: the result is the same then.
        check: What else may refuse the run; called before the device is looked for, which imports torch.

    Raises:
        Refused: If values can't go together, the data can't be used, or the device is not there.
    """
    shapes = outline(composed)
    data = shapes.load()
    facts = shapes.facts(data)
    model = shapes.model.resolve(facts)
    check()
    config = resolve(shapes, model, data, find_device(composed.runtime.device))
    return Prepared(config, data, composed, model.explain(composed.model, facts))


def shape_of(prepared: Prepared) -> str:
    """Return in a line what follows from the data: seasons, horizon, context and origins, and how to set others."""
    data, forecast = prepared.data, prepared.config.forecast
    season = _seasons_of(prepared)
    origins = f"{len(data.val.start):,} validation"
    if data.test:
        origins += f" and {len(data.test.start):,} test"
    line = f"{season}; {_horizon_of(prepared)}, context {forecast.context}, from {origins} origins"
    if prepared.config.dataset.sees_logs:
        line += "; log(1 + value) is forecast"
    if prepared.composed.forecast.horizon is None:
        line += "; forecast.horizon=N sets your own"
    short = sorted({*range(len(data.train))} - {*data.val.series.tolist()})
    if short and not data.division.forecasts_once:  # else others train than validate
        named = ", ".join(str(data.division.source.names[number]) for number in short[:3])
        why = "too short" if data.division.source.filled() is None else "too short or not observed"
        line += f"; {len(short)} of {len(data.train)} series, {why}, train and are not scored: {named:.60}"
    fewest = fewest_windows(forecast.coverage)
    if data.val.observed.sum(axis=0).min() < fewest:
        line += f"; no {forecast.interval}s, which take {fewest} validation origins"
        if len(data.val.start) >= fewest:
            line += " that saw each step and channel"
    return line


def known_of(prepared: Prepared) -> str:
    """Return in a line what is known in advance, and how much of the training part that tells; empty: nothing is."""
    data = prepared.data
    if data.effects is None:
        return ""
    targets = data.division.source.target_numbers
    both = ([one[:, targets] for one in some.units.scale_each(some.observed)] for some in (data, data.without_effects))
    before, after = (sum(float(np.nansum(np.square(one - np.nanmean(one, axis=0)))) for one in some) for some in both)
    names = ", ".join(data.division.source.dataset.inputs)
    if prepared.composed.dataset.chosen_effects == ():
        return f"known in advance: {names:.100}; dataset.effects=[], so that regressions are told nothing of it"
    if not data.effects.chosen:
        return f"known in advance: {names:.100}; on validation data, no regression on it forecasts better than none"
    return f"known in advance: {names:.100}; regression on it explains {1 - after / before:.0%} of the training part"


def _horizon_of(prepared: Prepared) -> str:
    """Return the horizon in words and, where the distance of time stamps told it, how long it is."""
    horizon = prepared.config.forecast.horizon
    usual = prepared.data.division.source.usual_horizon
    if prepared.composed.forecast.horizon is not None or usual is None:
        return f"horizon {horizon}"
    steps, how_long = usual
    if horizon < steps:
        return f"horizon {horizon} (a third of a part; {how_long} is {steps})"
    return f"horizon {horizon} ({how_long})"


def _seasons_of(prepared: Prepared) -> str:
    """Return the seasons in words, and why they were taken."""
    seasons = [str(one) for one in prepared.data.seasons]
    given = prepared.composed.dataset.season is not None
    if not seasons:
        return "no season" if given else "no season found"
    names = "season " if len(seasons) == 1 else "seasons "
    if given:
        return names + " and ".join(seasons)
    usual = prepared.data.division.source.usual_seasons or {}
    reasons = [usual.get(one) for one in prepared.data.seasons]
    if None in reasons:
        return f"{names}{' and '.join(seasons)}, found in the data"
    return names + " and ".join(f"{one} ({why})" for one, why in zip(seasons, reasons, strict=True))


def load_data(config: Config) -> Data:
    """Load the series of a configuration, and split them.

    Args:
        config: As composed, or resolved.

    Raises:
        Refused: If it is no configuration, values can't go together, or the data can't be used.
    """
    if not isinstance(config, Config):
        raise Refused(f"data are loaded by a configuration, as compose gives it, got {config!r:.60}")
    return outline(config).load()
